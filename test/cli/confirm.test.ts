import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../helpers/command';
import { BACKUP, makeConfiguredFolder } from '../helpers/configured-folder';

let folder: string;
let environment: Record<string, string>;
beforeEach(async () => {
  ({ folder, environment } = await makeConfiguredFolder());
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const DELETE = ['backups', 'delete', BACKUP] as const;
const isThere = (): boolean => existsSync(join(folder, 'backups/gazette.example', `${BACKUP}.json`));

it.each([
  ['no', 'n\n'],
  ['nothing', '\n'],
  ['Ctrl-C', '\u0003'],
])('after %s nothing is done, and the exit code says so', async (_what, answer) => {
  const { exitCode, stdout, stderr } = await runCommand([...DELETE, '--json'], { environment, answer });
  expect(exitCode).toBe(130);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'Cancelled', message: 'nothing was deleted' } });
  expect(stderr).toContain(`${BACKUP}  2026-01-02 03:04:05 UTC`);
  expect(stderr).toContain('Delete 1 for good?');
  expect(isThere()).toBe(true);
});

it('after a yes it is done; standard output holds the document alone', async () => {
  const { exitCode, stdout } = await runCommand([...DELETE, '--json'], { environment, answer: 'y\n' });
  expect([exitCode, JSON.parse(stdout)]).toEqual([0, { deleted: [BACKUP] }]);
  expect(isThere()).toBe(false);
});

it('who says --yes is not asked', async () => {
  const { exitCode, stderr } = await runCommand([...DELETE, '--yes'], { environment, answer: 'n\n' });
  expect(exitCode).toBe(0);
  expect(stderr).not.toContain('for good?');
  expect(isThere()).toBe(false);
});

it('without a terminal it is said what it comes to, and what there is to say', async () => {
  const { exitCode, stderr } = await runCommand(DELETE, { environment });
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/deleted backups do not come back[^]*Say --yes\./);
  expect(isThere()).toBe(true);
});
