import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PackedRecord } from '../../../src/contract/backup-record';
import { createArchives } from '../../../src/core/archive/archives';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { testOperation } from '../../helpers/operation';

export const host = createLocalHost({ name: 'master' });
export const archives = createArchives(host);

/** A backup of a site that is the worker's own. */
export const ORIGIN = {
  from: 'catalogue',
  owner:
    process.getuid?.() === 0
      ? { user: 'www-data', uid: 33, gid: 33 }
      : { user: 'worker', uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
} as const;

const DUMP = 'CREATE TABLE `t` (`a` int) DEFAULT CHARSET=utf8mb4;\n-- Dump completed on 2026-11-24\n';

/** A site that is one folder, beside it what it is packed into and unpacked to. */
export class PackedSite {
  private constructor(
    readonly base: string,
    readonly exclude: readonly string[],
  ) {}

  static async make(exclude: readonly string[] = []): Promise<PackedSite> {
    const base = await mkdtemp('/var/tmp/kedge-packed-');
    await chmod(base, 0o755);
    const site = new PackedSite(base, exclude);
    await mkdir(site.path);
    await mkdir(join(base, 'scratch'), { mode: 0o700 });
    await writeFile(join(base, 'dump.sql'), DUMP);
    return site;
  }

  get path(): string {
    return join(this.base, 'site');
  }

  get archive(): string {
    return join(this.base, 'archive');
  }

  /** Runs a shell script in the site folder. */
  sh(script: string): string {
    return execFileSync('sh', ['-euc', `cd "$1"; ${script}`, 'sh', this.path], { encoding: 'utf8' });
  }

  async pack(operation = testOperation()): Promise<readonly string[]> {
    const roots = [{ name: 'site', path: this.path }];
    const record: PackedRecord = {
      schema: 1,
      id: 'example.com-20261124.031502',
      site: 'example.com',
      kind: 'php',
      roots,
      description: 'Generated on request',
      trigger: 'request',
      who: 'anna',
      task: 'example.com-20261124.031502-backup',
      created: '2026-11-24T03:15:02.000Z',
      dumpBytes: DUMP.length,
      database: {
        charset: 'utf8mb4',
        collation: 'utf8mb4_general_ci',
        serverVersion: '10.11',
        tables: [{ name: 't', rows: 0 }],
        views: [],
        enabledEvents: [],
      },
      codeVersion: null,
      contentMark: null,
    };
    const { warnings } = await archives.pack(
      {
        roots,
        exclude: this.exclude,
        dump: join(this.base, 'dump.sql'),
        record,
        scratch: join(this.base, 'scratch'),
        destination: this.archive,
        compression: 'zstd',
      },
      operation,
    );
    return warnings;
  }

  /** Reads the archive back and unpacks it; returns where to. */
  async unpack(operation = testOperation()): Promise<string> {
    const judged = await archives.inspect(this.archive, ORIGIN, operation);
    const path = join(this.base, 'out');
    await host.removeTree(path, operation);
    await mkdir(path, { mode: 0o700 });
    const dump = join(this.base, 'restore.sql');
    const folders = [{ name: 'site', path }];
    await archives.extract({ path: this.archive, origin: ORIGIN, judged, host, folders, dump }, operation);
    return path;
  }

  /** Names in the archive, as GNU tar escapes them, without what is ours. */
  members(): string[] {
    const listed = execFileSync('tar', ['--list', '--quoting-style=escape', '--file', this.archive], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
      maxBuffer: 100_000_000,
    });
    return listed
      .split('\n')
      .filter((name) => name !== '' && !['./database.sql', './.kedge/backup.json'].includes(name));
  }

  async remove(): Promise<void> {
    await host.removeTree(this.base, testOperation());
  }
}

/** Everything GNU tar knows of a tree: names, types, owners, modes, times, links, access lists, attributes, content. */
export function everythingOf(path: string): Buffer {
  const format = ['--format=posix', '--pax-option=delete=atime,delete=ctime,exthdr.name=x', '--sort=name'];
  return execFileSync(
    'tar',
    ['--create', '--file=-', ...format, '--numeric-owner', '--acls', '--xattrs', '--directory', path, '.'],
    { env: { ...process.env, LC_ALL: 'C' }, maxBuffer: 1_000_000_000, stdio: ['ignore', 'pipe', 'pipe'] },
  );
}
