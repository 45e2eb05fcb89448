import { rm } from 'node:fs/promises';
import { completionSchema, completionScriptSchema } from '../../src/contract/documents';
import { runCommand } from '../helpers/command';
import { BACKUP, makeConfiguredFolder } from '../helpers/configured-folder';

let folder: string;
let environment: Record<string, string>;
beforeAll(async () => {
  ({ folder, environment } = await makeConfiguredFolder());
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (argv: readonly string[], env = environment) => runCommand(argv, { environment: env });
const answer = (words: readonly string[], env = environment) => run(['complete', '--', ...words], env);

it.each([
  [['ba'], ['backup', 'backups']],
  [['backups', 'ch'], ['check']],
  [
    ['backups', 'ga'],
    ['gazette.example', 'garden.example'],
  ],
  [['sites', ''], expect.arrayContaining(['show', 'online', 'adopt']) as string[]],
  [['restore', 'gaz'], ['gazette.example']],
  [['provision-restore', 'gaz'], ['gazette.example']],
  [
    ['restore', '--yes', 'gazette.example', ''],
    ['latest', BACKUP],
  ],
  [['restore', 'garden.example', ''], ['latest']],
  [['restore', 'gazette.example', '--dr'], ['--dry-run']],
  [['restore', 'gazette.example', 'latest', ''], []],
  [['--json', 'restore', 'gar'], ['garden.example']],
  [['--config', '/nowhere', 'restore', 'gar'], []],
  [['backups', 'show', ''], [BACKUP]],
  [['backups', 'delete', BACKUP, 'gaz'], [BACKUP]],
  [['backups', 'check', '--site', 'gar'], ['garden.example']],
  [['backups', 'check', '--site=gar'], ['--site=garden.example']],
  [['backup', '-m', 'gaz'], []],
  [['backup', '-m', 'why', 'gaz'], ['gazette.example']],
  [['backup', '--', '--j'], []],
  [['backup', 'gazette.example', 'gar'], ['garden.example']],
  [
    ['backup', '--all', '--kind', ''],
    ['wordpress', 'php'],
  ],
  [['backup', '--all', '--server', ''], ['local']],
  [['schedules', ''], ['apply']],
  [['schedules', 'apply', '--dr'], ['--dry-run']],
  [['log', 'gaz'], ['gazette.example']],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish'],
  ],
  [['--config', ''], [':files']],
  [['deploy', 'arch'], [':files']],
  [['deploy', 'archive.tar.zst', 'gaz'], ['gazette.example']],
  [['nonsense', ''], []],
  [['complet'], ['completion']],
  [[], expect.arrayContaining(['backup', 'init', 'restore']) as string[]],
])('%j', async (words, expected) => {
  const { exitCode, stdout } = await answer(words);
  const values = stdout.split('\n').filter(Boolean);
  expect(values.map((line) => line.split('\t')[0])).toEqual(expected);
  expect(exitCode).toBe(0);
});

it('a description is one line of plain text', async () => {
  const { stdout } = await answer(['backups', 'show', '']);
  expect(stdout).toBe(`${BACKUP}\t2026-01-02 03:04:05 UTC - before the update\n`);
});

it('as JSON', async () => {
  const answered = await run(['complete', '--json', '--', 'restore', 'gar']);
  expect(completionSchema.parse(JSON.parse(answered.stdout))).toEqual({
    candidates: [{ value: 'garden.example', description: 'wordpress in /srv/garden' }],
    files: false,
  });
  const script = await run(['completion', 'fish', '--json']);
  const plain = await run(['completion', 'fish']);
  expect(completionScriptSchema.parse(JSON.parse(script.stdout))).toEqual({ shell: 'fish', script: plain.stdout });
  expect((await run(['completion', 'tcsh'])).exitCode).toBe(2);
});

it('without a configuration there are no names, and no error', async () => {
  expect(await answer(['restore', ''], { KEDGE_CONFIG: '/nowhere' })).toMatchObject({ exitCode: 0, stdout: '' });
});
