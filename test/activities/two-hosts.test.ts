import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Fingerprint, differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import { leftovers } from '../../scripts/lab/leftovers';
import { backupRecordSchema } from '../../src/contract/backup-record';
import { UNDOS, type UndoName } from '../../src/contract/steps';
import type { FileAttributes } from '../../src/core/hosts/host';
import type { MasterHost } from '../../src/core/hosts/master-host';
import { ActivityLab } from '../helpers/activity-lab';
import { describeAsRoot } from '../helpers/as-root';
import { type DrivenTask, DrivenTasks } from '../helpers/driven-tasks';
import { restoresElsewhere } from '../helpers/restores-elsewhere';
import { testOperation } from '../helpers/operation';
import { ANSWERS, type SilentHost, UNREACHABLE, silentHost } from '../helpers/silent-host';
import { IN_A_NAMESPACE, type TwoHosts, onTheWrongHost, placeOnTwoHosts } from '../helpers/two-hosts';

/* A site whose web server is another machine than the master: code that takes the one for the other fails here. */

jest.setTimeout(240_000);

describeAsRoot('web server and master are two machines (needs root)', () => {
  let ring: ActivityLab;
  let tasks: DrivenTasks;
  let hosts: TwoHosts;
  let link: SilentHost;
  let root: string;

  /** Is called when the master has made a folder. */
  let afterMaking: (path: string) => void = () => undefined;
  const told = (master: MasterHost): MasterHost =>
    new Proxy(master, {
      get: (host, name) => {
        const value: unknown = Reflect.get(host, name);
        if (typeof value !== 'function') return value;
        if (name !== 'makeFolder') return value.bind(host) as unknown;
        return async (path: string, attributes: FileAttributes): Promise<void> => {
          await host.makeFolder(path, attributes);
          afterMaking(path);
        };
      },
    });

  beforeAll(async () => {
    ring = await ActivityLab.start({}, (real) => ({ ...real, master: told(real.master) }), {
      lab: { webBy: IN_A_NAMESPACE },
      place: async (lab) => {
        hosts = await placeOnTwoHosts(lab);
        link = silentHost(hosts.web);
        return new Map([[hosts.web.name, link.host]]);
      },
    });
    tasks = new DrivenTasks(ring);
    root = hosts.web.at(ring.site.root);
  });
  afterEach(() => {
    link.silence = ANSWERS;
    expect(onTheWrongHost(ring.lab, hosts)).toEqual([]);
  });
  afterAll(async () => {
    await ring?.stop();
  });

  const look = (): Promise<Fingerprint> => fingerprint({ ...ring.site, root }, ring.lab.nginx.port, ring.lab.mariadb);
  const left = async (): Promise<Record<string, string[]>> => {
    // The first task that stages makes `.kedge`, which stays.
    const { sites: _sites, ...found } = await leftovers(hosts.there);
    return found;
  };

  async function recordOf(id: string) {
    const { backups } = await ring.parts.catalog.list(ring.site.uri);
    return backupRecordSchema.parse(backups.find((record) => record.id === id));
  }

  test('a site is saved, broken and brought back', async () => {
    const before = await look();
    const nothing = await left();
    const backup = await tasks.backUp();
    expect(await left()).toEqual(nothing);
    expect((await recordOf(backup)).warnings).toEqual([]);

    rmSync(join(root, 'wp-content'), { recursive: true });
    writeFileSync(join(root, 'index.php'), '<?php echo "defaced";');
    writeFileSync(join(root, 'shell.php'), '<?php');
    const restore = tasks.begin('restore', { backup });
    await tasks.take(restore, null);
    await tasks.finish(restore);
    expect(differences(before, await look())).toEqual([]);
    // What one backup brought is the basis of the next, and of no more.
    expect(readdirSync(ring.parts.mirrors.folderOf(ring.site.uri))).toHaveLength(1);
    const after = await left();
    for (const what of ['staging', 'spool', 'open', 'flags', 'temporary', 'processes'])
      expect([what, after[what]]).toEqual([what, nothing[what]]);
  });

  test('what a backup holds is what lies on the web server, whatever it is', async () => {
    const odd = join(root, 'wp-content/uploads/odd');
    mkdirSync(odd);
    writeFileSync(join(odd, 'we\nird "name" \\ *'), 'x');
    writeFileSync(join(odd, '#comment'), 'y');
    symlinkSync('../nowhere', join(odd, 'link'));
    execFileSync('sh', [
      '-c',
      `cd "$1" && printf '\\303\\050' > "$(printf 'bytes-\\303\\050')" && ln '#comment' twin && mkfifo pipe &&
       truncate -s 3M sparse && printf z >> sparse && setfacl -m u:games:r twin && chmod 2750 . && chown 12345:54321 link -h &&
       mkdir -p cache/deep && touch cache/deep/left && touch -d '2001-02-03 04:05:06.789012345' sparse`,
      'sh',
      odd,
    ]);
    utimesSync(join(odd, '#comment'), 1e9, 1e9);
    const given = tasks.begin('backup');
    await tasks.take(given, 'syncRemote');
    const journal = await ring.parts.journals.get(given.task);
    const mirror = join(ring.parts.mirrors.pathOf(ring.site.uri, journal.spooled['syncRemote'] ?? ''), 'site');
    expect(described(join(mirror, 'wp-content/uploads/odd'))).toBe(described(odd));
    expect(described(mirror)).toBe(described(root));
    await tasks.undo(given);
    rmSync(odd, { recursive: true });
  });

  restoresElsewhere(() => ({ ring, tasks, root, look, left }));

  /** Hosts for which the account of the site is locked. */
  async function lockedAt(): Promise<readonly string[]> {
    const { account, database } = (await ring.parts.states.get(ring.site.uri)).current;
    const { databaseServer } = ring.parts.siteAtWork(await ring.parts.resolveTarget(ring.site.uri));
    return (await (await databaseServer()).planFence(account, database)).lockedBefore;
  }

  const DONE = { value: { value: null, warnings: [] } };
  const visit = async (): Promise<number> => (await get(ring.lab.nginx.port, ring.site.uri, '/')).status;

  test.each([
    ['dumpDatabase', ['leaveMaintenance']],
    ['switchSite', ['switchBack', 'discardDatabase', 'discardStaged', 'leaveMaintenance']],
  ] as const)(
    'a web server that is lost behind %s holds up what is undone there, and nothing else',
    async (step, held) => {
      const backup = await tasks.backUp();
      const [before, nothing] = [await look(), await left()];
      const given = tasks.begin('restore', { backup });
      await tasks.take(given, step);
      expect(await lockedAt()).not.toEqual([]);
      link.silence = UNREACHABLE;
      for (const undo of UNDOS.toReversed()) {
        const isHeld = (held as readonly string[]).includes(undo);
        expect([undo, await tasks.outcome(given, undo)]).toEqual([undo, isHeld ? 'HostUnreachable' : DONE]);
      }
      link.silence = ANSWERS;
      expect(await lockedAt()).toEqual([]);
      expect(await visit()).toBe(503);
      await tasks.undo(given);
      expect(differences(before, await look())).toEqual([]);
      expect(await left()).toEqual(nothing);
      expect(await visit()).toBe(200);
    },
  );

  /** Fails for the web server that does not answer; what became of the account of the site by then. */
  async function accountBehind(given: DrivenTask, undo: UndoName): Promise<'locked' | 'unlocked'> {
    link.silence = UNREACHABLE;
    expect(await tasks.outcome(given, undo)).toBe('HostUnreachable');
    link.silence = ANSWERS;
    const isLocked = (await lockedAt()).length > 0;
    expect((await ring.parts.journals.get(given.task)).fence?.lowered).toBe(!isLocked);
    return isLocked ? 'locked' : 'unlocked';
  }

  test('an undo that waits for the web server has unlocked the account: at once before a switch, behind one once that is taken back', async () => {
    const backup = await tasks.backUp();
    const before = await look();
    for (const [step, undos] of [
      ['deploy', { discardStaged: 'unlocked' }],
      ['switchSite', { switchBack: 'locked', discardStaged: 'locked' }],
    ] as const) {
      const given = tasks.begin('restore', { backup });
      await tasks.take(given, step);
      for (const [undo, state] of Object.entries(undos))
        expect([step, undo, await accountBehind(given, undo as UndoName)]).toEqual([step, undo, state]);
      if (step === 'switchSite') {
        expect(await tasks.outcome(given, 'switchBack')).toEqual(DONE);
        expect(await accountBehind(given, 'discardStaged')).toBe('unlocked');
        // Once more: what somebody locks from here on is his.
        expect(await accountBehind(given, 'discardStaged')).toBe('unlocked');
      }
      await tasks.undo(given);
      expect(differences(before, await look())).toEqual([]);
    }
  });

  test('a web server of which the configuration does not say any more where it is holds up no more than that', async () => {
    const backup = await tasks.backUp();
    const given = tasks.begin('restore', { backup });
    await tasks.take(given, 'fenceWrites');
    const { journals } = ring.parts;
    const { target } = await journals.get(given.task);
    if (target === null) throw new Error('the task has no target');
    await journals.recordUndo(given.task, { target: { ...target, web: { ...target.web, name: 'web9' } } });
    expect(await tasks.outcome(given, 'liftFence')).toEqual(DONE);
    expect(await tasks.outcome(given, 'leaveMaintenance')).toBe('ConfigurationInvalid');
    expect([await lockedAt(), await visit()]).toEqual([[], 503]);
    await journals.recordUndo(given.task, { target });
    await tasks.undo(given);
    expect(await visit()).toBe(200);
  });

  test('a worker that ends right behind the folder of the archive leaves it to nobody', async () => {
    const nothing = await left();
    const given = tasks.begin('backup');
    await tasks.takeUntil(given, 'tarball');
    afterMaking = (path) => {
      if (path.includes('/.tmp-')) throw new Error('cut');
    };
    await expect(tasks.call(given, 'tarball')).rejects.toThrow('cut');
    afterMaking = () => undefined;
    expect(await left()).not.toEqual(nothing);
    await tasks.undo(given);
    expect(await left()).toEqual(nothing);
  });

  test('the sweep finds on the web server what a worker left there that woke too late', async () => {
    const nothing = await left();
    const backup = await tasks.backUp();
    const given = tasks.begin('restore', { backup });
    await tasks.take(given, 'deploy');
    const { staged } = await ring.parts.journals.get(given.task);
    await tasks.undo(given);
    const path = hosts.web.at(join(staged[0]?.staging ?? '', staged[0]?.attempt ?? '', 'site'));
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'index.php'), '<?php');
    expect(await left()).not.toEqual(nothing);
    const { problems } = await ring.parts.sweeper.sweep(() => testOperation(), given.task);
    expect(problems).toEqual([]);
    expect(await left()).toEqual(nothing);
  });

  test('a preflight looks at the web server, and says which machine it speaks of', async () => {
    renameSync(root, `${root}.away`);
    const given = tasks.begin('backup');
    await expect(tasks.call(given, 'preflight')).rejects.toMatchObject({ server: hosts.web.name });
    renameSync(`${root}.away`, root);
    await tasks.undo(given);
    expect((await get(ring.lab.nginx.port, ring.site.uri, '/')).status).toBe(200);
  });
});

/** Every file of a folder with all that a backup keeps of it, a line each, sorted; without pipes, which no backup keeps. */
function described(folder: string): string {
  return execFileSync(
    'sh',
    [
      '-c',
      `cd "$1" && { find . -not -type p \\( -type d -printf '%p %y %m %U %G %T@\\n' -o -printf '%p %y %m %U %G %T@ %s %l\\n' \\)
       find . -type f -links +1 -printf '%i %p\\n' | sort | awk '{ print ($1 == last ? "same" : "new"), $2; last = $1 }'
       find . -type f -exec sha256sum {} + ; find . -type f -printf '%p\\0' | sort -z | xargs -0 getfacl -n --; } | LC_ALL=C sort`,
      'sh',
      folder,
    ],
    { encoding: 'latin1', maxBuffer: 256 * 1024 * 1024 },
  );
}
