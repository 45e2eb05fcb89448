import { TimeLeft } from '../../../src/cli/render/time-left';

const step = (bytes?: number, totalBytes?: number, attempt = 1) => ({
  ...{ step: 'importDatabase', attempt, lastFailure: null, paused: null },
  progress: { ...(bytes === undefined ? {} : { bytes }), ...(totalBytes === undefined ? {} : { totalBytes }) },
});

test('by how fast it went since it was first seen', () => {
  const left = new TimeLeft();
  expect(left.of(step(100, 1000), 5_000)).toBeNull();
  expect(left.of(step(300, 1000), 9_000)).toBe(14_000);
  expect(left.of(step(1000, 1000), 10_000)).toBe(0);
});

test('is not known at first, without the whole, without progress, nor beyond the whole', () => {
  const left = new TimeLeft();
  expect(left.of(step(), 0)).toBeNull();
  left.of(step(0, 1000), 0);
  expect(left.of(step(500, 1000), 1_000)).toBeNull();
  expect(left.of(step(500), 10_000)).toBeNull();
  expect(left.of(step(0, 1000), 10_000)).toBeNull();
  expect(left.of(step(1001, 1000), 10_000)).toBeNull();
});

test('begins anew with another attempt, and where a step begins anew with another file', () => {
  const left = new TimeLeft();
  left.of(step(100, 1000), 0);
  expect(left.of(step(900, 1000, 2), 9_000)).toBeNull();
  expect(left.of(step(0, 1000), 10_000)).toBeNull();
  expect(left.of(step(100, 1000), 20_000)).toBe(90_000);
});
