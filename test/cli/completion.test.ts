import { rm } from 'node:fs/promises';
import { PassThrough, Readable } from 'node:stream';
import { main } from '../../src/cli/main';
import { completionSchema, completionScriptSchema } from '../../src/contract/documents';
import { BACKUP, makeConfiguredFolder } from '../helpers/configured-folder';

let folder: string;
let environment: Record<string, string>;
beforeAll(async () => {
  ({ folder, environment } = await makeConfiguredFolder());
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function answer(words: readonly string[], env = environment): Promise<{ exitCode: number; said: string }> {
  return run(['complete', '--', ...words], env);
}

async function run(argv: readonly string[], env = environment): Promise<{ exitCode: number; said: string }> {
  const stdout = new PassThrough();
  let said = '';
  stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const exitCode = await main(argv, {
    stdin: Readable.from([]),
    stdout,
    stderr: new PassThrough().resume(),
    environment: env,
    workingFolder: '/',
    isTerminal: false,
  });
  return { exitCode, said };
}

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
  const { exitCode, said } = await answer(words);
  const values = said.split('\n').filter(Boolean);
  expect(values.map((line) => line.split('\t')[0])).toEqual(expected);
  expect(exitCode).toBe(0);
});

it('a description is one line of plain text', async () => {
  const { said } = await answer(['backups', 'show', '']);
  expect(said).toBe(`${BACKUP}\t2026-01-02 03:04:05 UTC - before the update\n`);
});

it('as JSON', async () => {
  const answered = await run(['complete', '--json', '--', 'restore', 'gar']);
  expect(completionSchema.parse(JSON.parse(answered.said))).toEqual({
    candidates: [{ value: 'garden.example', description: 'wordpress in /srv/garden' }],
    files: false,
  });
  const script = await run(['completion', 'fish', '--json']);
  const plain = await run(['completion', 'fish']);
  expect(completionScriptSchema.parse(JSON.parse(script.said))).toEqual({ shell: 'fish', script: plain.said });
  expect((await run(['completion', 'tcsh'])).exitCode).toBe(2);
});

it('without a configuration there are no names, and no error', async () => {
  expect(await answer(['restore', ''], { KEDGE_CONFIG: '/nowhere' })).toEqual({ exitCode: 0, said: '' });
});
