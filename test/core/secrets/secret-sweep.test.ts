import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../../helpers/e2e';
import { SecretSweep } from '../../helpers/secret-sweep';

/** The sweep that ends every lab, on a folder laid out as one: it finds what was planted, in each kind of place. */

const SECRET = `site-canary'"\\ 4711`;
const GENERATED = 'f00dfeedf00dfeedf00dfeedf00dfeed';

let folder: string;
let lab: Lab;
const at = (path: string): string => join(folder, path);

beforeEach(() => {
  folder = `/var/tmp/kedge-sweep-${process.pid}`;
  for (const path of ['state/tasks', 'state/sites', 'state/spool/x', 'backups/a.example', 'nginx', 'srv/a.example'])
    mkdirSync(at(path), { recursive: true });
  lab = { folder, state: at('state'), sites: [{ uri: 'a.example', password: SECRET }] } as unknown as Lab;
  writeFileSync(at('state/sites/a.example.json'), JSON.stringify({ current: { password: GENERATED } }));
  writeFileSync(at('srv/a.example/wp-config.php'), SECRET);
  writeFileSync(at('state/tasks/a.json'), JSON.stringify({ created: { password: GENERATED }, message: 'none' }));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('in their places they may be', () => {
  const sweep = new SecretSweep(lab, undefined);
  sweep.hear('kedge sites', 'nothing');
  expect(sweep.leaks()).toEqual([]);
});

it.each<[string, (text: string) => string]>([
  ['state/tasks/a.ndjson', (text) => JSON.stringify({ message: text })],
  ['state/temporal.sqlite', (text) => `\0\u0001${Buffer.from(`x${text}`).toString('base64')}\0`],
  ['state/spool/x/database.sql', (text) => `IDENTIFIED BY '${text.replaceAll("'", "''")}'`],
  ['backups/a.example/b.json', (text) => JSON.stringify(JSON.stringify(text))],
  ['nginx/error.log', (text) => encodeURIComponent(text)],
  ['state/tasks/b.json', (text) => JSON.stringify({ outcome: { message: text } })],
])('a leak in %s is found', (path, spell) => {
  for (const secret of [SECRET, GENERATED]) {
    writeFileSync(at(path), spell(secret));
    expect(new SecretSweep(lab, undefined).leaks().join('\n')).toContain(`${path}: `);
  }
});

it('one in what was said is found, also of a password that was replaced since', () => {
  const sweep = new SecretSweep(lab, undefined);
  sweep.learn();
  writeFileSync(at('state/sites/a.example.json'), '{}');
  writeFileSync(at('state/tasks/a.json'), '{}');
  sweep.hear('kedge restore', `error: ${GENERATED}`);
  expect(sweep.leaks()).toContain('kedge restore: generated password 1 (plain)');
});
