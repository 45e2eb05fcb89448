import { progressText } from '../../src/contract/units';

test.each([
  [{}, ''],
  [{ bytes: 2e6 }, '2.0 MB'],
  [{ bytes: 2e6, totalBytes: 10e6 }, '2.0 MB of 10.0 MB (20 %)'],
  [{ bytes: 9_999_999, totalBytes: 10e6 }, '10.0 MB of 10.0 MB (99 %)'],
  [{ bytes: 10, totalBytes: 10 }, '10 B of 10 B (100 %)'],
  // Nobody knows how much of nothing is done, nor of what is more than all.
  [{ bytes: 0, totalBytes: 0 }, '0 B of 0 B'],
  [{ bytes: 20, totalBytes: 10 }, '20 B of 10 B'],
])('%j is %j', (progress, text) => {
  expect(progressText(progress)).toBe(text);
});
