import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '../../../../src/core/hosts/host';
import { createLocalHost } from '../../../../src/core/hosts/local-host';
import { findOldFile } from '../../../../src/core/recovery/left-behind/old-file';

const HOUR = 60 * 60_000;
const MINUTE = 60_000;
const folder = mkdtempSync('/var/tmp/kedge-old-file-');
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  ['an hour behind', -HOUR],
  ['an hour ahead', HOUR],
  ['right', 0],
])('the age of a file is that on its host, whose clock is %s', async (_clock, asideMs) => {
  const host: Host = Object.assign(createLocalHost({ name: 'web1' }), { now: async () => Date.now() + asideMs });
  const path = join(folder, 'file');
  const age = (ms: number): void => {
    const at = new Date(Date.now() + asideMs - ms);
    writeFileSync(path, 'x');
    utimesSync(path, at, at);
  };
  age(5 * MINUTE);
  expect(await findOldFile(host, path, 'the file')).toEqual([]);
  age(15 * MINUTE);
  expect(await findOldFile(host, path, 'the file')).toMatchObject([{ what: `the file ${path}` }]);
});
