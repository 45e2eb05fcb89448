import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { notifyTestSchema } from '../../src/contract/documents';
import { runCommand } from '../helpers/command';
import { makeConfiguredFolder } from '../helpers/configured-folder';
import { ReceivingServer } from '../helpers/notices';

let folder: string;
let server: ReceivingServer;

beforeEach(async () => {
  ({ folder } = await makeConfiguredFolder());
  server = await ReceivingServer.start();
  writeFileSync(at('token'), 'Bearer kwak-7Zq9-token\n', { mode: 0o600 });
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

const at = (name: string): string => join(folder, name);

function configure(notify: readonly object[]): void {
  const path = at('kedge.yaml');
  writeFileSync(path, stringify({ ...(parse(readFileSync(path, 'utf8')) as object), notify }));
}

function program(name: string, body: string): string {
  writeFileSync(at(name), `#!/bin/sh\n${body}\n`, { mode: 0o700 });
  return at(name);
}

const kedge = (...argv: string[]) => runCommand(argv, { environment: { KEDGE_CONFIG: at('kedge.yaml') } });

it('tells each receiver a test, and prints what it answered', async () => {
  const headers = { Authorization: { file: at('token') } };
  configure([
    { command: [program('page-me', `cat > ${at('got')}; echo paged`)], events: ['disk-filling'] },
    { name: 'chat', webhook: { url: server.url('/in'), headers } },
  ]);
  const { exitCode, stdout, stderr } = await kedge('notify', 'test');
  expect([exitCode, stdout]).toEqual([0, '2 of 2 took it.\n']);
  expect(stderr).toContain('page-me took it: paged');
  expect(stderr).toContain('chat took it: 200 OK: thanks');
  expect(server.received[0]?.headers.authorization).toBe('Bearer kwak-7Zq9-token');
  expect(server.notices).toMatchObject([{ event: 'test', state: 'firing', master: 'lab', site: null }]);
  expect(JSON.parse(readFileSync(at('got'), 'utf8'))).toEqual(server.notices[0]);
});

it('ends with 1 when one did not take it, and says which and why, but no secret', async () => {
  server.answer = (response, { headers }) => response.writeHead(403).end(`bad token ${headers.authorization}`);
  const open = program('open', 'true');
  chmodSync(open, 0o777);
  configure([
    { command: [program('well', 'true')] },
    { command: [open] },
    { webhook: { url: server.url('/hooks/x'), headers: { Authorization: { file: at('token') } } } },
  ]);
  const { exitCode, stdout, stderr } = await kedge('notify', 'test', '--json');
  expect(exitCode).toBe(1);
  expect(stdout + stderr).not.toMatch(/7Zq9|hooks/);
  const { ok, receivers } = notifyTestSchema.parse(JSON.parse(stdout));
  expect(ok).toBe(false);
  expect(receivers.map(({ receiver, problem }) => [receiver, problem?.code ?? null])).toEqual([
    ['well', null],
    ['open', 'OwnerRefused'],
    ['127.0.0.1', 'NoticeUndelivered'],
  ]);
  expect(receivers[2]?.problem?.message).toContain('answered 403 Forbidden: bad token [redacted]');
});

it('tells those that are named; one that there is not, and none at all, is said', async () => {
  configure([
    { name: 'one', command: [program('a', 'echo a')] },
    { name: 'two', command: [program('b', 'exit 1')] },
  ]);
  expect(await kedge('notify', 'test', 'one')).toMatchObject({ exitCode: 0, stdout: '1 of 1 took it.\n' });
  const unknown = await kedge('notify', 'test', 'three');
  expect([unknown.exitCode, unknown.stderr]).toEqual([2, expect.stringContaining('There are: one, two.')]);
  configure([]);
  expect(await kedge('notify', 'test')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('names nobody') });
});

it('`config check` refuses a program that others can write', async () => {
  const open = program('open', 'true');
  configure([{ command: [open] }]);
  expect((await kedge('config', 'check', '--file-only')).exitCode).toBe(0);
  chmodSync(open, 0o777);
  expect(await kedge('config', 'check', '--file-only')).toMatchObject({
    stderr: expect.stringContaining('OwnerRefused'),
  });
});
