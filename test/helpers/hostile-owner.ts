import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync } from 'node:fs';
import { chmod, chown, lstat, mkdir, readFile, readlink, rename } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { removePrivateFolder } from '../../scripts/lab/private-folder';
import type { PackedRecord } from '../../src/contract/backup-record';
import { type Owner, type SiteLocation, rootsOf } from '../../src/contract/target';
import { createArchives } from '../../src/core/archive/archives';
import type { Command, Completed, FileAttributes, Host } from '../../src/core/hosts/host';
import { createLocalHost } from '../../src/core/hosts/local-host';
import { makeStagingFolder, stagingFolderFor } from '../../src/core/hosts/staging';
import type { Operation } from '../../src/core/operation';
import { checkSiteFolder } from '../../src/core/sites/folder-check';
import { lowerMaintenanceFile, raiseMaintenanceFile } from '../../src/core/sites/maintenance-file';
import { plainPhp } from '../../src/core/sites/plain-php';
import { liveFolder } from '../../src/core/sites/site-folder';
import {
  type StagedFolder,
  stagedFolder,
  stagingFolders,
  switchFolders,
  switchFoldersBack,
} from '../../src/core/sites/switch-folders';
import { siteLocation } from './target';

/** Where the owner races: in his site folder, or also above it, in a folder of his own. */
export type Layout = 'folder' | 'ancestor';

/** In content and names of what belongs to others. */
const CANARY = 'CANARY-of-somebody-else';

/**
 * What the owner does without end, as fast as he can or a little slower: takes an entry away, lays a link to the same
 * entry of somebody else in its place, and puts his own back.
 */
const RACE = String.raw`
  use Time::HiRes 'usleep';
  my ($pace, @pairs) = @ARGV;
  while (getppid() != 1) {
    my $at = int(rand(@pairs / 2)) * 2;
    my ($mine, $link) = @pairs[$at, $at + 1];
    rename($mine, "$mine.real");
    symlink($link, $mine);
    usleep(rand($pace)) if rand() < 0.5;
    unlink($mine) if -l $mine;
    rename("$mine.real", $mine);
    usleep(rand(5 * $pace)) if rand() < 0.5;
  }
`;

const RECORD: PackedRecord = {
  schema: 1,
  id: 'shop.example-20261124.031502',
  site: 'shop.example',
  kind: 'php',
  roots: [],
  description: 'under attack',
  trigger: 'request',
  who: 'anna',
  task: 'shop.example-20261124.031502-backup',
  created: '2026-11-24T03:15:02.000Z',
  dumpBytes: 10,
  database: {
    charset: 'utf8mb4',
    collation: 'utf8mb4_bin',
    serverVersion: '10.11',
    tables: [],
    views: [],
    enabledEvents: [],
  },
  codeVersion: null,
  contentMark: null,
};

const MAINTENANCE = { path: 'state/down', content: 'down for a moment' };

type Attempt = (what: string, work: () => Promise<unknown>, tries?: number) => Promise<boolean>;

/** A site whose owner races against the work in it, and what belongs to root and to another owner beside it. */
export class HostileOwner {
  private readonly base = mkdtempSync('/var/tmp/kedge-hostile-');
  private readonly others = join(this.base, 'others');
  private readonly master = createLocalHost({ name: 'here' });
  private readonly archives = createArchives(this.master);
  private readonly site: SiteLocation;
  private readonly attackers: ChildProcess[] = [];
  private before = new Map<string, string>();
  private runs = 0;
  /** How often each piece of work came through. */
  readonly done = new Map<string, number>();

  private constructor(
    readonly layout: Layout,
    private readonly owner: Owner,
    private readonly host: Host,
  ) {
    this.site = siteLocation({
      root: layout === 'folder' ? join(this.base, 'srv/site') : join(this.base, 'home/www/site'),
      paths: { files: layout === 'folder' ? join(this.base, 'media/files') : join(this.base, 'home/media/files') },
      owner,
      settings: {
        file: 'config/settings.php',
        format: 'constants',
        names: { database: 'NAME', user: 'USER', password: 'PASSWORD', host: 'HOST' },
      },
    });
  }

  /** `makeHost`: puts something else in the place of the real host of the site. */
  static async start(layout: Layout, makeHost: (host: Host) => Host = (host) => host): Promise<HostileOwner> {
    const host = createLocalHost({ name: 'here' });
    const owner = await host.lookUpOwner('games');
    const hostile = new HostileOwner(layout, owner, makeHost(host));
    chmodSync(hostile.base, 0o755);
    await hostile.layOut(await host.lookUpOwner('backup'));
    return hostile;
  }

  private async layOut(other: Owner): Promise<void> {
    const { base, others, site, owner } = this;
    const tree = String.raw`
      mkdir -p "$1/config" "$1/state" "$1/uploads/old"
      printf "<?php\ndefine('NAME', 'n');\ndefine('USER', 'u');\ndefine('PASSWORD', '%s');\ndefine('HOST', 'h');\n" "$2" > "$1/config/settings.php"
      printf %s "$2" > "$1/page.php"
      printf %s "$2" > "$1/uploads/$2"
      printf %s "$2" > "$1/uploads/old/file"`;
    const [, files] = rootsOf(site).map(({ path }) => path) as [string, string];
    const shell = (script: string, ...parameters: string[]): void => {
      execFileSync('sh', ['-euc', script, 'sh', ...parameters]);
    };
    for (const whose of ['neighbour/site', 'neighbour/files', 'root/site']) shell(tree, join(others, whose), CANARY);
    for (const own of [site.root, files]) shell(tree, own, 'own');
    shell(`printf 'down for a moment' > "$1"`, join(others, 'neighbour/site/state/down'));
    shell(
      'chown -R "$1" "$2"; chmod -R go= "$2" "$3"',
      `${other.uid}:${other.gid}`,
      join(others, 'neighbour'),
      join(others, 'root'),
    );
    for (const own of this.layout === 'folder' ? [site.root, files] : [join(base, 'home')])
      shell('chown -R "$1" "$2"', `${owner.uid}:${owner.gid}`, own);
    shell(`printf -- '-- Dump completed on 2026-11-24\n' > "$1/dump.sql"; mkdir "$1/scratch"`, base);
    this.before = await this.belongingsOfOthers();
    const to = (whose: string, name: string): string[] => [join(site.root, name), join(others, whose, 'site', name)];
    const inFolder = [
      ...to('neighbour', 'uploads'),
      ...to('neighbour', 'config'),
      ...to('neighbour', 'state'),
      ...to('root', 'uploads/old'),
      ...to('root', 'page.php'),
      ...to('root', 'config/settings.php'),
      ...[join(files, 'uploads'), join(others, 'neighbour/files/uploads')],
    ];
    this.attack('3000', ...inFolder);
    if (this.layout === 'ancestor')
      for (const above of ['www', 'media']) this.attack('3000', join(base, 'home', above), join(others, 'neighbour'));
  }

  private attack(...parameters: string[]): void {
    const { uid, gid } = this.owner;
    const drop = ['--reuid', String(uid), '--regid', String(gid), '--clear-groups', '--pdeathsig', 'KILL', '--'];
    this.attackers.push(spawn('setpriv', [...drop, 'perl', '-e', RACE, '--', ...parameters], { stdio: 'ignore' }));
  }

  /** Everything Kedge does in a site folder, once. Returns what it did to others, one line each. */
  async run(): Promise<string[]> {
    this.runs += 1;
    const said: string[] = [];
    const operation: Operation = {
      signal: AbortSignal.timeout(120_000),
      mark: `hostile-owner/${process.pid}/${this.layout}`,
      progress: () => undefined,
      log: { info: (text) => void said.push(text), warn: (text) => void said.push(text) },
    };
    // As a retry does. What was refused while the owner's link was in place may come through later.
    const attempt: Attempt = async (what, work, tries = 5) => {
      for (let rest = tries; rest > 0; rest -= 1) {
        try {
          said.push(JSON.stringify((await work()) ?? null));
          this.done.set(what, (this.done.get(what) ?? 0) + 1);
          return true;
        } catch (error) {
          said.push(String(error));
        }
      }
      return false;
    };
    const { host, site, base } = this;
    const folder = liveFolder(host, site);
    const archive = join(base, 'archive.tar.zst');
    const login = { database: 'n', user: 'u', password: `password${this.runs}`, address: 'h' };

    await attempt('check', () => checkSiteFolder(folder, operation));
    const packed = await attempt('pack', () =>
      this.archives.pack(
        {
          roots: rootsOf(site),
          exclude: [],
          dump: join(base, 'dump.sql'),
          record: RECORD,
          scratch: join(base, 'scratch'),
          destination: archive,
          compression: 'zstd',
        },
        operation,
      ),
    );
    // PHP is slow: now and then, and once.
    if (this.runs % 3 === 0) {
      await attempt('read settings', () => plainPhp.readSettings(folder, operation), 1);
      await attempt('rewrite settings', () => plainPhp.writeSettings(folder, login, operation), 1);
    }
    await attempt('raise maintenance file', () => raiseMaintenanceFile(folder, MAINTENANCE, operation));
    await attempt('lower maintenance file', () => lowerMaintenanceFile(folder, MAINTENANCE, operation));
    const made = join(site.root, 'uploads/made');
    await attempt('make folder', () =>
      host.makeFolder(made, { mode: 0o755, uid: this.owner.uid, gid: this.owner.gid }),
    );
    await attempt('remove made folder', () => host.removeTree(made, operation));
    await attempt('remove old folder', () => host.removeTree(join(site.root, 'uploads/old'), operation));
    if (packed) await this.restore(archive, attempt, operation);
    return [...(await this.harm(said)), ...(packed ? this.leaked(archive) : [])];
  }

  /** As a restore does that is undone after its switch. */
  private async restore(archive: string, attempt: Attempt, operation: Operation): Promise<void> {
    const { host, site } = this;
    const token = `token${this.runs}`;
    let folders: StagedFolder[] = [];
    const staged = await attempt('unpack', async () => {
      const origin = { from: 'catalogue', owner: site.owner } as const;
      const judged = await this.archives.inspect(archive, origin, operation);
      folders = [];
      for (const { name, path } of rootsOf(site))
        folders.push({ name, live: path, staging: await stagingFolderFor(host, path, token) });
      for (const staging of stagingFolders(folders)) await makeStagingFolder(host, staging);
      const unpacked = folders.map((each) => ({ name: each.name, path: stagedFolder(each) }));
      for (const { path } of unpacked) await host.makeFolder(path, { mode: 0o700 });
      const dump = join(this.base, 'restore.sql');
      await this.archives.extract({ path: archive, origin, judged, host, folders: unpacked, dump }, operation);
    });
    if (staged) await attempt('switch', () => switchFolders(host, folders));
    // An undo does not give up.
    await attempt('switch back', () => switchFoldersBack(host, folders), Infinity);
    for (const staging of stagingFolders(folders))
      await attempt('remove staging', () => host.removeTree(staging, operation), Infinity);
  }

  /** What was done to others, or was told of them. */
  private async harm(said: readonly string[]): Promise<string[]> {
    const harm = said.filter((text) => text.includes(CANARY)).map((text) => `said: ${text.slice(0, 200)}`);
    const now = await this.belongingsOfOthers();
    for (const path of new Set([...this.before.keys(), ...now.keys()])) {
      const [was, is] = [this.before.get(path) ?? 'nothing', now.get(path) ?? 'nothing'];
      if (was !== is) harm.push(`${path} was ${was}, is ${is}`);
    }
    return harm;
  }

  private leaked(archive: string): string[] {
    const script = `zstd -dc < "$1" | grep -ac "$2" || true`;
    const lines = Number(execFileSync('bash', ['-c', script, 'bash', archive, CANARY], { encoding: 'utf8' }));
    return lines === 0 ? [] : ['the archive holds what belongs to others'];
  }

  private async belongingsOfOthers(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    const look = async (path: string): Promise<void> => {
      const { mode, uid, gid, mtimeMs, nlink } = await lstat(path);
      const folder = (mode & 0o170000) === 0o040000;
      const link = (mode & 0o170000) === 0o120000;
      const content = folder ? '' : link ? await readlink(path) : await readFile(path, 'utf8');
      found.set(relative(this.others, path), [mode.toString(8), uid, gid, mtimeMs, nlink, content].join(' '));
      if (folder) for (const name of readdirSync(path)) await look(join(path, name));
    };
    await look(this.others);
    return found;
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.attackers.map(async (attacker) => {
        if (attacker.exitCode !== null) throw new Error('the attacker gave up');
        const ended = new Promise((resolve) => attacker.once('close', resolve));
        attacker.kill('SIGKILL');
        await ended;
      }),
    );
    removePrivateFolder(this.base);
  }
}

/** Arguments of the packing tar for what is packed beside the site: it has no place without a sandbox. */
const BESIDE_THE_SITE = new Set(['--directory=/pack', 'database.sql', '.kedge/backup.json']);

/** The host without what protects others: no sandbox, and everything by path. */
export function unprotected(host: Host): Host {
  return new Proxy(host, {
    get(target, name: keyof Host) {
      if (name === 'run') return (command: Command) => runUnconfined(target, command);
      if (name === 'rename') return (from: string, to: string) => rename(from, to);
      if (name === 'makeFolder') return makeByPath;
      if (name === 'removeTree')
        return (path: string, operation: Operation) =>
          runUnconfined(target, { argv: ['rm', '-rf', '--', path], operation });
      const value: unknown = target[name];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function makeByPath(path: string, { mode, uid, gid }: FileAttributes): Promise<void> {
  await mkdir(path).catch(() => undefined);
  await chown(path, uid ?? -1, gid ?? -1);
  await chmod(path, mode);
}

function runUnconfined(host: Host, command: Command): Promise<Completed> {
  const binds = [...(command.sandbox?.readOnly ?? []), ...(command.sandbox?.writable ?? [])];
  const known = command.argv.filter(
    (argument) => !BESIDE_THE_SITE.has(argument) && !argument.startsWith('.kedge/roots/'),
  );
  const [program = '', ...rest] = known.map((argument) => {
    for (const { from, to } of binds) {
      // Staged folders are shown beside each other, as they lie.
      if (to !== undefined && argument === `--directory=${dirname(to)}` && basename(from) === basename(to))
        return `--directory=${dirname(from)}`;
      for (const prefix of to === undefined ? [] : [to, `--directory=${to}`]) {
        if (argument === prefix || argument.startsWith(`${prefix}/`)) return argument.replace(to ?? '', from);
      }
    }
    return argument;
  });
  const unconfined: { -readonly [Key in keyof Command]: Command[Key] } = { ...command, argv: [program, ...rest] };
  delete unconfined.sandbox;
  delete unconfined.owner;
  return host.run(unconfined);
}
