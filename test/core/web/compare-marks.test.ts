import { compareMarks } from '../../../src/core/web/content-mark';

const expected = { status: 200, title: 'Gazette' };

test.each([
  [{ status: 200, title: 'Gazette' }, 'same'],
  [{ status: 200, title: 'Gazette (3 new)' }, 'other title'],
  [{ status: 200, title: null }, 'broken'],
  [{ status: 500, title: 'Gazette' }, 'broken'],
  [{ status: 302, title: null }, 'broken'],
])('%j is %s', (found, comparison) => {
  expect(compareMarks(expected, found)).toBe(comparison);
});

test('a site without a title may have one', () => {
  expect(compareMarks({ status: 200, title: null }, { status: 200, title: 'Index' })).toBe('other title');
});
