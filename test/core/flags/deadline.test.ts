import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { removePrivateFolder } from '../../../scripts/lab/private-folder';
import { bootNow } from '../../../src/core/clock';
import { deadlineOf } from '../../../src/core/flags/deadline';
import { endOverdue } from '../../../src/core/flags/end-overdue';
import { lookedPath } from '../../../src/core/flags/flag-paths';
import {
  assertOpensByItself,
  assertStillShut,
  keepMaintenance,
  lowerMaintenance,
  maintenanceIsOn,
  raiseMaintenance,
} from '../../../src/core/flags/maintenance';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { HOST_PROGRAM } from '../../helpers/host-program';
import { testOperation } from '../../helpers/operation';

/* A flag that its machine takes away by itself, whatever has become of the master that raised it. */

const URI = 'shop.example';
const host = createLocalHost({ name: 'web1' });
let folder: string;
let flags: string;
let root: string;
beforeEach(() => {
  folder = mkdtempSync('/var/tmp/kedge-flags-');
  chmodSync(folder, 0o755);
  flags = join(folder, 'flags');
  root = join(folder, 'sites/shop');
  mkdirSync(root, { recursive: true });
});
afterEach(() => removePrivateFolder(folder));

const look = (isOfSites: (path: string) => boolean = () => true): Promise<string[]> =>
  endOverdue({ host, flags, isOfSites }, testOperation());
const isOn = (): Promise<boolean> => maintenanceIsOn(host, flags, URI);
const flag = (): string => join(flags, URI);

test('is there until it is over, counted from the first look at it', async () => {
  await raiseMaintenance(host, flags, URI, { leftMs: 3_600_000 });
  expect([await look(), await look(), await isOn()]).toEqual([[], [], true]);
  const begun = deadlineOf(readFileSync(flag()));
  expect(begun?.until?.moment.boot).toBe(bootNow().boot);
  await lowerMaintenance(host, flags, URI);
  await raiseMaintenance(host, flags, URI, { leftMs: 0 });
  expect([await look(), await isOn()]).toEqual([[], true]);
  expect([await look(), await isOn()]).toEqual([[URI], false]);
  expect(await look()).toEqual([]);
});

test('is over after another boot by the clock of the machine', async () => {
  await raiseMaintenance(host, flags, URI, { leftMs: 60_000 });
  const at = (ms: number): string => new Date(Date.now() + ms).toISOString();
  const until = (ms: number) => ({
    leftMs: 60_000,
    until: { moment: { boot: 'before', ms: 0 }, at: at(ms) },
  });
  writeFileSync(flag(), JSON.stringify(until(60_000)));
  expect([await look(), await isOn()]).toEqual([[], true]);
  writeFileSync(flag(), JSON.stringify(until(-1)));
  expect([await look(), await isOn()]).toEqual([[URI], false]);
});

test('of an administrator, of a task here, and what is no flag at all stay', async () => {
  await raiseMaintenance(host, flags, URI);
  const over = JSON.stringify({ leftMs: 0 });
  writeFileSync(join(flags, 'words.example'), 'down for repairs');
  writeFileSync(join(folder, 'elsewhere'), over);
  symlinkSync(join(folder, 'elsewhere'), join(flags, 'linked.example'));
  writeFileSync(join(flags, 'No Site'), over);
  writeFileSync(join(flags, 'long.example'), over + ' '.repeat(20_000));
  mkdirSync(join(flags, 'other.example.probe'));
  expect([await look(), await look()]).toEqual([[], []]);
  for (const name of [URI, 'words.example', 'linked.example', 'No Site', 'long.example'])
    expect([name, existsSync(join(flags, name))]).toEqual([name, true]);
});

test('stays for good once its task has begun to switch, and then it cannot begin', async () => {
  await raiseMaintenance(host, flags, URI, { leftMs: 0 });
  await look();
  await keepMaintenance(host, flags, URI, testOperation());
  expect([await look(), await look(), await isOn()]).toEqual([[], [], true]);
  // Once more: an attempt of it was lost.
  await keepMaintenance(host, flags, URI, testOperation());
  await assertStillShut(host, flags, URI);

  await lowerMaintenance(host, flags, URI);
  await raiseMaintenance(host, flags, URI, { leftMs: 0 });
  await look();
  await look();
  const limit = { code: 'MaintenanceLimitReached', server: 'web1', site: URI };
  await expect(keepMaintenance(host, flags, URI, testOperation())).rejects.toMatchObject(limit);
  await expect(assertStillShut(host, flags, URI)).rejects.toMatchObject(limit);
  expect(await isOn()).toBe(false);
});

test('either stays or goes, whoever comes first', async () => {
  const outcomes = new Set<boolean>();
  for (const [round, turns] of [0, 1, 2, 5, 10, 20, 50, 100, 1000, Infinity].entries()) {
    await raiseMaintenance(host, flags, URI, { leftMs: 0 });
    await look();
    const keeping = (): Promise<boolean> =>
      keepMaintenance(host, flags, URI, testOperation()).then(
        () => true,
        () => false,
      );
    let hasLooked = false;
    const looking = look().finally(() => (hasLooked = true));
    for (let turn = 0; turn < turns && !hasLooked; turn += 1) await new Promise(setImmediate);
    const kept = await keeping();
    await looking;
    outcomes.add(kept);
    expect([round, await isOn()]).toEqual([round, kept]);
    await lowerMaintenance(host, flags, URI);
  }
  expect(outcomes.size).toBe(2);
});

describe('what shuts the application', () => {
  const application = { path: '.maintenance', content: '<?php // ours' };

  test.each([
    ['goes with it', '<?php // ours', true, false],
    ['stays where it is of somebody else', '<?php // mine', true, true],
    ['stays in a folder that is none of sites', '<?php // ours', false, true],
  ])('%s', async (_what, content, isOfSites, stays) => {
    writeFileSync(join(root, '.maintenance'), content);
    await raiseMaintenance(host, flags, URI, { leftMs: 0, application: { root, ...application } });
    await look();
    expect(await look(() => isOfSites)).toEqual([URI]);
    expect(existsSync(join(root, '.maintenance'))).toBe(stays);
    expect(await isOn()).toBe(false);
  });

  test('keeps no site shut whose folder is gone', async () => {
    const gone = join(folder, 'sites/gone');
    await raiseMaintenance(host, flags, URI, { leftMs: 0, application: { root: gone, ...application } });
    await look();
    expect(await look()).toEqual([URI]);
  });
});

test('a machine where nothing looks is told from one where something does', async () => {
  const unfit = { code: 'HostProgramUnfit', hint: expect.stringContaining('kedge servers prepare web1') as string };
  await expect(assertOpensByItself(host, flags)).rejects.toMatchObject(unfit);
  await raiseMaintenance(host, flags, URI);
  await look();
  await assertOpensByItself(host, flags);
  const later = Object.assign(Object.create(host) as typeof host, { now: async () => Date.now() + 600_000 });
  await expect(assertOpensByItself(later, flags)).rejects.toMatchObject({
    ...unfit,
    message: expect.stringContaining('10 min') as string,
  });
});

test('the program of the machine does it by its rules', async () => {
  const rules = join(folder, 'host.yaml');
  const web = {
    ...{
      kind: 'nginx',
      vhosts: join(folder, 'vhosts'),
      flags,
      test: ['nginx', '-t'],
      reload: ['nginx', '-s', 'reload'],
    },
    ...{ names: [URI], listen: [{ address: '127.0.0.1', port: 80 }] },
  };
  const sites = [{ folder: root, owners: ['games'], staging: join(folder, 'sites/.kedge') }];
  writeFileSync(rules, stringify({ version: 1, master: 'lab', sites, web }), { mode: 0o644 });
  for (const [path, name] of [
    [root, URI],
    [folder, 'other.example'],
  ] as const) {
    writeFileSync(join(path, '.maintenance'), '<?php // ours');
    const application = { root: path, path: '.maintenance', content: '<?php // ours' };
    await raiseMaintenance(host, flags, name, { leftMs: 0, application });
  }
  const run = promisify(execFile);
  const ask = () => run(process.execPath, [HOST_PROGRAM, '--end-overdue', '--rules', rules]);
  expect((await ask()).stdout).toBe('');
  const { stdout } = await ask();
  expect(stdout.split('\n').filter(Boolean).sort()).toEqual([
    expect.stringContaining('other.example is open again'),
    expect.stringContaining(`${URI} is open again`),
  ]);
  expect(existsSync(join(root, '.maintenance'))).toBe(false);
  expect(existsSync(join(folder, '.maintenance'))).toBe(true);
  expect(existsSync(lookedPath(flags))).toBe(true);
  await expect(run(process.execPath, [HOST_PROGRAM, '--end-overdue', '--rules', '/none'])).rejects.toMatchObject({
    stderr: expect.stringContaining('/none on') as string,
  });
  await expect(run(process.execPath, [HOST_PROGRAM, '--end-overdue', 'now'])).rejects.toMatchObject({ code: 2 });
});
