import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/* The rule of core/streams.ts: whoever destroys a stream with a reason has somebody listen. */

const SRC = join(__dirname, '../../src');
const OWN_PLACE = 'core/streams.ts';
const BREAKS_OFF = /\.destroy\([^)]/;

const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));

test('a stream is destroyed with a reason in one place alone', () => {
  const found = sources.filter((path) => BREAKS_OFF.test(readFileSync(join(SRC, path), 'utf8')));
  expect(found).toEqual([OWN_PLACE]);
});
