import { contentMarkOf } from '../../../src/core/web/content-mark';

const html = 'text/html; charset=UTF-8';
const titleOf = (body: string | Buffer, type: string | undefined = html): string | null =>
  contentMarkOf(200, type, Buffer.from(body)).title;

describe('the content mark', () => {
  test('status and title', () => {
    const body = Buffer.from('<html><head><title>Shop &amp; more</title></head></html>');
    expect(contentMarkOf(404, html, body)).toEqual({ status: 404, title: 'Shop &amp; more' });
  });

  test.each([
    ['white space is one space', '<title>\n  A \t shop\r\n</title >', 'A shop'],
    ['upper case and attributes', '<TITLE lang="de">Größe</TITLE>', 'Größe'],
    ['the first one counts', '<title>one</title><title>two</title>', 'one'],
    ['empty', '<title></title>', ''],
    ['an element that begins alike', '<titles>no</titles><title>yes</title>', 'yes'],
    ['none', '<h1>title</h1>', null],
    ['not closed', '<title>for ever', null],
    ['its tag not closed', '<title', null],
    ['empty body', '', null],
  ])('%s', (_, body, title) => {
    expect(titleOf(body)).toBe(title);
  });

  test('only HTML has a title; what does not say is looked at', () => {
    expect(titleOf('<title>no</title>', 'application/json')).toBeNull();
    expect(titleOf('<title>yes</title>', 'application/xhtml+xml')).toBe('yes');
    expect(contentMarkOf(200, undefined, Buffer.from('<title>yes</title>'))).toEqual({ status: 200, title: 'yes' });
  });

  test('the charset the answer names, and UTF-8 for one nobody knows', () => {
    const latin1 = Buffer.from('<title>caf\xe9</title>', 'latin1');
    expect(titleOf(latin1, 'text/html; charset=iso-8859-1')).toBe('café');
    expect(titleOf(latin1, 'text/html; charset="ISO-8859-1"')).toBe('café');
    expect(titleOf('<title>café</title>', 'text/html; charset=no-such-charset')).toBe('café');
    expect(titleOf('<title>café</title>', 'text/html')).toBe('café');
  });

  test('a title without end is cut, and bytes that are no text do no harm', () => {
    expect(titleOf(`<title>${'x'.repeat(5000)}</title>`)).toBe('x'.repeat(1000));
    expect(titleOf(Buffer.concat([Buffer.from('<title>a'), Buffer.from([0xff, 0xfe]), Buffer.from('b</title>')]))).toBe(
      'a\ufffd\ufffdb',
    );
    const hostile = '<title'.repeat(200_000);
    expect(titleOf(hostile)).toBeNull();
  });
});
