import { execFile } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { removePrivateFolder } from '../../../scripts/lab/private-folder';
import { endOverdue } from '../../../src/core/flags/end-overdue';
import { lookedPath } from '../../../src/core/flags/flag-paths';
import {
  assertOpensByItself,
  assertStillShut,
  endsByItselfSince,
  keepMaintenance,
  lowerMaintenance,
  maintenanceIsOn,
  raiseMaintenance,
  renewMaintenance,
} from '../../../src/core/flags/maintenance';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { itAsRoot } from '../../helpers/as-root';
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

const look = async (): Promise<string[]> => {
  const { opened, problems } = await endOverdue({ host, flags, sites: host }, testOperation());
  expect(problems).toEqual([]);
  return [...opened];
};
const isOn = (): Promise<boolean> => maintenanceIsOn(host, flags, URI);
const flag = (): string => join(flags, URI);
/** As when a flag was written so long ago. */
const age = (ms: number): void => utimesSync(flag(), new Date(), new Date(Date.now() - ms));

test('is there until it is over, and is not touched by a look', async () => {
  await raiseMaintenance(host, flags, URI, { leftMs: 3_600_000 });
  const before = statSync(flag());
  expect([await look(), await look(), await isOn()]).toEqual([[], [], true]);
  expect([statSync(flag()).ino, statSync(flag()).mtimeMs]).toEqual([before.ino, before.mtimeMs]);
  age(3_599_000);
  expect([await look(), await isOn()]).toEqual([[], true]);
  age(3_600_001);
  expect([await look(), await isOn()]).toEqual([[URI], false]);
  expect(await look()).toEqual([]);
});

test('a flag that cannot be looked at keeps no other up, and the folder is made where there is none', async () => {
  expect([await look(), existsSync(lookedPath(flags))]).toEqual([[], true]);
  await raiseMaintenance(host, flags, 'a.example', { leftMs: 0 });
  await raiseMaintenance(host, flags, URI, { leftMs: 0 });
  const failing = Object.assign(Object.create(host) as typeof host, {
    readFile: async (path: string, bytes: number) => {
      if (path.endsWith('a.example')) throw new Error('EIO');
      return host.readFile(path, bytes);
    },
  });
  const { opened, problems } = await endOverdue({ host: failing, flags, sites: host }, testOperation());
  expect(opened).toEqual([URI]);
  expect(problems).toEqual([expect.stringContaining('a.example')]);
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
  await keepMaintenance(host, flags, URI, testOperation());
  expect([await look(), await look(), await isOn()]).toEqual([[], [], true]);
  // Once more: an attempt of it was lost.
  await keepMaintenance(host, flags, URI, testOperation());
  await assertStillShut(host, flags, URI);

  await lowerMaintenance(host, flags, URI);
  await raiseMaintenance(host, flags, URI, { leftMs: 0 });
  await look();
  const limit = { code: 'MaintenanceLimitReached', server: 'web1', site: URI };
  await expect(keepMaintenance(host, flags, URI, testOperation())).rejects.toMatchObject(limit);
  await expect(assertStillShut(host, flags, URI)).rejects.toMatchObject(limit);
  expect(await isOn()).toBe(false);
});

test('of a task that is over is told by what it says, and given another time as it stands', async () => {
  expect(await endsByItselfSince(host, flags, URI)).toBeNull();
  await renewMaintenance(host, flags, URI, { leftMs: 3_600_000 }, testOperation());
  expect(existsSync(flags)).toBe(false);
  await raiseMaintenance(host, flags, URI, { leftMs: 60_000 });
  age(3_600_000);
  expect(await endsByItselfSince(host, flags, URI)).toBeCloseTo(Date.now() - 3_600_000, -5);
  await renewMaintenance(host, flags, URI, { leftMs: 3_600_000 }, testOperation());
  expect([await look(), await isOn()]).toEqual([[], true]);
  age(3_600_001);
  expect(await look()).toEqual([URI]);
});

test('of a person, and one that stands over a switch, is given no time', async () => {
  await raiseMaintenance(host, flags, URI);
  writeFileSync(join(folder, 'elsewhere'), 'down for repairs');
  symlinkSync(join(folder, 'elsewhere'), join(flags, 'linked.example'));
  for (const name of [URI, 'linked.example']) {
    expect([name, await endsByItselfSince(host, flags, name)]).toEqual([name, null]);
    await renewMaintenance(host, flags, name, { leftMs: 0 }, testOperation());
  }
  expect([await look(), await isOn()]).toEqual([[], true]);
});

itAsRoot('is not looked for where others can put another folder in the place of theirs', async () => {
  mkdirSync(join(folder, 'owned/flags'), { recursive: true });
  flags = join(folder, 'owned/flags');
  writeFileSync(flag(), JSON.stringify({ leftMs: 0 }));
  chownSync(join(folder, 'owned'), 5, 60);
  await expect(look()).rejects.toMatchObject({ code: 'OwnerRefused' });
  await expect(raiseMaintenance(host, flags, 'other.example')).rejects.toMatchObject({ code: 'OwnerRefused' });
  expect(readdirSync(flags)).toEqual([URI]);
});

test('either stays or goes, whoever comes first', async () => {
  const outcomes = new Set<boolean>();
  for (const [round, turns] of [0, 1, 2, 5, 10, 20, 50, 100, 1000, Infinity].entries()) {
    await raiseMaintenance(host, flags, URI, { leftMs: 0 });
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
    ['goes with it', '<?php // ours', false],
    ['stays where it is of somebody else', '<?php // mine', true],
  ])('%s', async (_what, content, stays) => {
    writeFileSync(join(root, '.maintenance'), content);
    await raiseMaintenance(host, flags, URI, { leftMs: 0, application: { root, ...application } });
    expect(await look()).toEqual([URI]);
    expect(existsSync(join(root, '.maintenance'))).toBe(stays);
    expect(await isOn()).toBe(false);
  });

  test('keeps no site shut whose folder is gone', async () => {
    const gone = join(folder, 'sites/gone');
    await raiseMaintenance(host, flags, URI, { leftMs: 0, application: { root: gone, ...application } });
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
  symlinkSync(folder, join(root, 'out'));
  for (const [path, name] of [
    [root, URI],
    [folder, 'other.example'],
    [join(root, 'out/sites'), 'linked.example'],
  ] as const) {
    writeFileSync(join(path, '.maintenance'), '<?php // ours');
    const application = { root: path, path: '.maintenance', content: '<?php // ours' };
    await raiseMaintenance(host, flags, name, { leftMs: 0, application });
  }
  const run = promisify(execFile);
  const ask = () => run(process.execPath, [HOST_PROGRAM, '--end-overdue', '--rules', rules]);
  const { stdout, stderr } = await ask().catch((error: { stdout: string; stderr: string }) => error);
  expect(stdout.split('\n').filter(Boolean).sort()).toEqual([
    expect.stringContaining('linked.example is open again'),
    expect.stringContaining('other.example is open again'),
    expect.stringContaining(`${URI} is open again`),
  ]);
  expect(stderr).toContain('the application of other.example could not be opened');
  expect(existsSync(join(root, '.maintenance'))).toBe(false);
  // The other two are not in folders of sites, whatever leads there.
  for (const path of [folder, join(folder, 'sites')]) expect(existsSync(join(path, '.maintenance'))).toBe(true);
  expect(existsSync(lookedPath(flags))).toBe(true);
  await expect(run(process.execPath, [HOST_PROGRAM, '--end-overdue', '--rules', '/none'])).rejects.toMatchObject({
    stderr: expect.stringContaining('/none on') as string,
  });
  await expect(run(process.execPath, [HOST_PROGRAM, '--end-overdue', 'now'])).rejects.toMatchObject({ code: 2 });
});
