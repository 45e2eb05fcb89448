import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { runProgram } from '../../../src/core/notices/program';
import { someNotice } from '../../helpers/notices';
import { testOperation } from '../../helpers/operation';
import { until } from '../../helpers/until';

const master = createLocalHost({ name: 'backup1' });
const notice = someNotice({ message: 'a\u001b[2J\u202e message\n of two lines' });
let folder: string;

beforeEach(() => {
  folder = mkdtempSync('/var/tmp/kedge-notices-');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (name: string): string => join(folder, name);

function program(body: string): string {
  writeFileSync(at('told'), `#!/bin/sh\n${body}\n`, { mode: 0o700 });
  return at('told');
}

const run = (argv: readonly string[], timeLimitMs = 30_000, operation = testOperation()): Promise<string> =>
  runProgram(notice, argv, { master, timeLimitMs }, operation);

it('reads the notice as one line of JSON, and what it prints is its answer', async () => {
  expect(await run([program(`cat > ${at('got')}; echo "$1 took it"; echo more`), 'pager'])).toBe('pager took it');
  const got = readFileSync(at('got'), 'utf8');
  expect(JSON.parse(got)).toEqual(notice);
  expect(got.trimEnd()).toMatch(/^[\x20-\x7e]+$/);
});

it('one that reads nothing, and one that prints without end for a while, took it', async () => {
  expect(await run([program('exec 0<&-; echo done')])).toBe('done');
  expect(await run([program('yes | head -c 5000000')])).toBe('y');
});

it('one that fails says why', async () => {
  const failing = run([program('echo "the gateway refused us" >&2; exit 1')]);
  await expect(failing).rejects.toMatchObject({
    code: 'ProgramFailed',
    message: expect.stringContaining('the gateway refused us'),
  });
});

it('one that hangs is ended, with what it began', async () => {
  const hanging = run([program(`sleep 1000 & echo $! > ${at('child')}; wait`)], 500);
  await expect(hanging).rejects.toMatchObject({ code: 'ProgramTimedOut' });
  const child = readFileSync(at('child'), 'utf8').trim();
  await until('its child is gone', () => !existsSync(`/proc/${child}`));
});

it('one that is not there, and one that is looked for from the current folder, say so', async () => {
  await expect(run([at('none')])).rejects.toMatchObject({ code: 'ProgramMissing' });
  await expect(run(['./told'])).rejects.toMatchObject({ code: 'ConfigurationInvalid' });
});

it('one that others can write is not run, nor one with an argument that they can', async () => {
  const told = program(`touch ${at('ran')}`);
  chmodSync(told, 0o777);
  await expect(run([told])).rejects.toMatchObject({ code: 'OwnerRefused' });
  chmodSync(told, 0o700);
  writeFileSync(at('settings'), '');
  chmodSync(at('settings'), 0o666);
  await expect(run([told, `--settings=${at('settings')}`])).rejects.toMatchObject({ code: 'OwnerRefused' });
  expect(existsSync(at('ran'))).toBe(false);
});

it('ends when it is cancelled', async () => {
  const operation = testOperation();
  const running = run([program(`touch ${at('began')}; sleep 1000`)], 30_000, operation);
  running.catch(() => undefined);
  await until('it runs', () => existsSync(at('began')));
  operation.cancel();
  await expect(running).rejects.toThrow('the test cancelled');
});
