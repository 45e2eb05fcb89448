import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigurationFile } from '../../src/config/configuration-file';
import { loadConfiguration } from '../../src/config/load';

let folder: string;
let path: string;
let file: ConfigurationFile;
const text = readFileSync(join(__dirname, 'good.yaml'), 'utf8');

beforeEach(async () => {
  folder = mkdtempSync('/var/tmp/kedge-configuration-');
  path = join(folder, 'kedge.yaml');
  writeFileSync(path, text);
  file = new ConfigurationFile(path, await loadConfiguration(path));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Writes the file anew with another value, as an editor does. */
const change = (key: string, value: string): void =>
  writeFileSync(path, readFileSync(path, 'utf8').replace(new RegExp(`^${key}: .*$`, 'm'), `${key}: ${value}`));

it('what is changed holds for whoever asks next', async () => {
  change('backups', '/srv/elsewhere');
  expect((await file.forNewTask()).backups).toBe('/srv/elsewhere');
  change('backups', '/srv/back');
  expect((await file.forNewTask()).backups).toBe('/srv/back');
  expect(await file.change()).toBeNull();
});

it.each(['master', 'state'])('with another %s no task begins, until it is put back', async (key) => {
  const value = key === 'master' ? 'another' : '/srv/another';
  change(key, value);
  const told = expect.stringContaining(`${key} is ${value} now, and was `) as unknown;
  await expect(file.forNewTask()).rejects.toMatchObject({ code: 'ConfigurationChanged', message: told });
  expect(await file.change()).toEqual(told);
  expect((await file.current())[key as 'master' | 'state']).toBe(value);
  writeFileSync(path, text);
  expect(await file.change()).toBeNull();
  expect((await file.forNewTask()).master).toBe((await file.lastGood()).master);
});

it('while somebody writes in it no task begins, and what goes on has what the file said last', async () => {
  change('backups', '/srv/elsewhere');
  await file.current();
  writeFileSync(path, 'master: [');
  await expect(file.forNewTask()).rejects.toMatchObject({ code: 'ConfigurationInvalid' });
  expect((await file.lastGood()).backups).toBe('/srv/elsewhere');
  // It may be what is being mended.
  expect(await file.change()).toBeNull();
  rmSync(path);
  expect((await file.lastGood()).backups).toBe('/srv/elsewhere');
});
