import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { type Fingerprint, differences, fingerprint } from '../../scripts/lab/fingerprint';
import type { BackupRecord } from '../../src/contract/backup-record';
import type { BackupResult } from '../../src/contract/tasks';
import { KedgeClient, type TaskHandle } from '../../src/client';
import { isKedgeError } from '../../src/contract/errors';
import { expectationOf } from './archives/corpus';
import { END } from './archives/tar-blocks';
import type { HostileArchive } from './archives/hostile-archive';
import { type Lab, type WordPressSite, cli, cliJson, leftovers, shell, startLab } from './e2e';
import { layInCatalogue, membersOfBackup, membersWith, recordOf } from './forge-backup';
import type { HostileDump } from './hostile-dumps';
import { type Neighbourhood, changes, neighbourhood } from './neighbourhood';

/** How an archive gets to Kedge: as a file that is deployed, or as a backup of the catalogue that is restored. */
export type Way = 'deploy' | 'restore';

/** A lab in which sites stand, and others are lost, so that archives can be restored and deployed. */
export interface ProvingGround {
  readonly lab: Lab;
  /** Members of a backup of a lane's site that nothing is wrong with, without the end; `sql` stands at the end of its dump. */
  sound(way: Way, lane?: number, sql?: string): Buffer;
  /** An archive goes one way; it has to be refused before the site notices. `lane`: which of the pairs of sites. */
  expectRefused(archive: HostileArchive, way: Way, lane?: number): Promise<void>;
  /** The same for an archive with which nothing is wrong but its dump. */
  expectDumpRefused(dump: HostileDump, way: Way, lane?: number): Promise<void>;
  /** Nothing has changed anywhere, in no database of the server either, and nothing is left, since the ground was ready. */
  expectUntouched(): Promise<void>;
  /** Exit code and document of a restore that is only planned: nothing is wrong with the archive. */
  planOf(archive: Buffer): Promise<{ exitCode: number; stdout: string }>;
  /** Deploys an archive in earnest. Nothing is left to be compared after it. */
  deployInEarnest(archive: Buffer): Promise<unknown>;
  stop(): Promise<void>;
}

const BEGINNING = Date.UTC(2025, 0, 1);
/** Below the backups: a folder that a client may have archives deployed from. */
const BROUGHT = 'brought';
/** A site is free a moment after its task has ended. */
const AFTER_THE_LAST = { waitTurn: true };

/** Starts a lab with `lanes` standing and `lanes` lost sites. Two tasks of one site would wait for each other. */
export async function startProvingGround(lanes = 1): Promise<ProvingGround> {
  const numbers = Array.from({ length: lanes }, (_, lane) => lane);
  const lab = await startLab({
    sites: numbers.flatMap((lane) => [`standing${lane}.example`, `lost${lane}.example`]),
  });
  // Hundreds of tasks: the command line's own start would be most of their time.
  const client = await KedgeClient.connect('lab', lab.environment);
  let worker: WorkerProcess | undefined;
  const stop = async (): Promise<void> => {
    await client.close();
    await worker?.stop();
    await lab.stop();
  };
  try {
    worker = await startWorkerProcess(lab.environment);
    const standing = lab.sites.filter((_, at) => at % 2 === 0);
    const lost = lab.sites.filter((_, at) => at % 2 === 1);
    for (const site of lost) await lose(lab, site);
    for (const { uri } of standing) await cliJson(lab, 'sites', 'adopt', uri);
    const models = new Map<string, BackupRecord>();
    for (const { uri } of standing) {
      const { backup } = await cliJson<BackupResult>(lab, 'backup', uri);
      models.set(uri, recordOf(lab, uri, backup.id));
    }
    const [model] = models.values();
    if (!model) throw new Error('a proving ground needs a lane');
    await mkdir(join(lab.backups, BROUGHT), { mode: 0o700 });
    const look = async (): Promise<Look> => ({
      sites: await Promise.all(standing.map((site) => fingerprint(site, lab.nginx.port, lab.mariadb))),
      left: await leftovers(lab),
      around: withoutFolders(await neighbourhood(lab), standing),
    });
    const members = membersOfBackup(lab, model);
    return new Ground(lab, client, members, { standing, lost }, models, look, await look(), stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Look {
  readonly sites: readonly Fingerprint[];
  readonly left: Record<string, string[]>;
  readonly around: Neighbourhood;
}

class Ground implements ProvingGround {
  private laid = 0;

  constructor(
    readonly lab: Lab,
    private readonly client: KedgeClient,
    private readonly members: Buffer,
    private readonly sites: { readonly standing: WordPressSite[]; readonly lost: WordPressSite[] },
    private readonly models: ReadonlyMap<string, BackupRecord>,
    private readonly look: () => Promise<Look>,
    private readonly before: Look,
    readonly stop: () => Promise<void>,
  ) {}

  async expectRefused(archive: HostileArchive, way: Way, lane = 0): Promise<void> {
    const expected = expectationOf(archive, way === 'deploy' ? 'foreign' : 'catalogue');
    const code = 'refused' in expected ? expected.refused : null;
    await this.refuses(archive.name, archive.bytes(this.sound(way, lane)), way, lane, { code });
  }

  async expectDumpRefused({ name, sql, says }: HostileDump, way: Way, lane = 0): Promise<void> {
    const message = expect.stringMatching(says) as string;
    const archive = Buffer.concat([this.sound(way, lane, sql), END]);
    await this.refuses(name, archive, way, lane, { code: 'DumpIncompatible', message });
  }

  sound(way: Way, lane = 0, sql = ''): Buffer {
    // As bytes: some dumps are no text in UTF-8.
    return membersWith(this.members, { site: this.siteOf(way, lane), sql: Buffer.from(`${sql}\n`, 'latin1') });
  }

  private siteOf(way: Way, lane: number): string {
    return (way === 'deploy' ? this.sites.lost : this.sites.standing)[lane]?.uri ?? '';
  }

  private async refuses(name: string, archive: Buffer, way: Way, lane: number, expected: object): Promise<void> {
    const site = this.siteOf(way, lane);
    const { task, failure } = await (way === 'deploy' ? this.deploy(archive, site) : this.restore(archive, site));
    expect({ name, way, ...failure }).toMatchObject({
      ...{ name, way, ...expected },
      state: expect.stringMatching(/unchanged|as it was before/) as string,
    });
    // It was preflight that refused it: no other step ever began, and there was nothing to undo.
    expect(this.stepsOf(task).filter((step) => step !== 'closeTask')).toEqual(['preflight']);
  }

  async expectUntouched(): Promise<void> {
    const now = await this.look();
    for (const [at, site] of this.before.sites.entries())
      expect(differences(site, now.sites[at] ?? { pages: {}, files: {}, tables: {}, definitions: {} })).toEqual([]);
    expect(now.left).toEqual(this.before.left);
    expect(changes(this.before.around, now.around)).toEqual([]);
  }

  async planOf(archive: Buffer): Promise<{ exitCode: number; stdout: string }> {
    const site = this.sites.standing[0]?.uri ?? '';
    const id = await this.lay(archive, site);
    const outcome = await cli(this.lab, 'restore', site, id, '--dry-run', '--json');
    await this.takeAway(site, id);
    return outcome;
  }

  async deployInEarnest(archive: Buffer): Promise<unknown> {
    const path = await this.put(archive);
    const deployed = await cliJson(this.lab, 'deploy', path, this.sites.lost[0]?.uri ?? '');
    // It holds the settings of a site.
    await rm(path);
    return deployed;
  }

  private async deploy(archive: Buffer, site: string): Promise<Refusal> {
    const path = await this.put(archive);
    const refusal = await refusalOf(await this.client.deploy({ site, archive: path }, AFTER_THE_LAST));
    await rm(path);
    return refusal;
  }

  private async restore(archive: Buffer, site: string): Promise<Refusal> {
    const id = await this.lay(archive, site);
    const refusal = await refusalOf(await this.client.restore({ site, backup: id }, AFTER_THE_LAST));
    await this.takeAway(site, id);
    return refusal;
  }

  private async put(archive: Buffer): Promise<string> {
    const path = join(this.lab.backups, BROUGHT, `${(this.laid += 1)}.tar`);
    await writeFile(path, archive, { mode: 0o600 });
    return path;
  }

  private lay(archive: Buffer, site: string): Promise<string> {
    const model = this.models.get(site);
    if (!model) throw new Error(`${site} has no backup`);
    const time = new Date(BEGINNING + 1000 * (this.laid += 1)).toISOString();
    const id = `${site}-${time.slice(0, 10).replaceAll('-', '')}.${time.slice(11, 19).replaceAll(':', '')}`;
    return layInCatalogue(this.lab, model, id, { archive });
  }

  private async takeAway(site: string, id: string): Promise<void> {
    for (const suffix of ['.json', '.tar', '.tar.zst'])
      await rm(join(this.lab.backups, site, `${id}${suffix}`), { force: true });
  }

  /** The steps that a task's log names. */
  private stepsOf(task: string): string[] {
    const lines = readFileSync(join(this.lab.state, 'tasks', `${task}.ndjson`), 'utf8')
      .trim()
      .split('\n');
    return [...new Set(lines.map((line) => (JSON.parse(line) as { step: string }).step))];
  }
}

interface Refusal {
  readonly task: string;
  readonly failure: { readonly code: string; readonly message: string; readonly state?: string };
}

async function refusalOf(handle: TaskHandle<unknown>): Promise<Refusal> {
  const failure: unknown = await handle.result().then(
    () => null,
    (error: unknown) => error,
  );
  if (!isKedgeError(failure)) throw failure ?? new Error(`${handle.task} was not refused`);
  const { code, message, state } = failure;
  return { task: handle.task, failure: { code, message, ...(state === undefined ? {} : { state }) } };
}

/** The folders that archives and the files of probes are laid into and taken away from are another each time; what lies in them is not. */
function withoutFolders(around: Neighbourhood, standing: readonly WordPressSite[]): Neighbourhood {
  const laidInto = standing.flatMap(({ uri }) => [`backups/${uri}`, `flags/${uri}.probe`]);
  laidInto.push(`backups/${BROUGHT}`);
  return Object.fromEntries(Object.entries(around).filter(([name]) => !laidInto.includes(name)));
}

/** As if its machine had burnt: folder, database, account, vhost and what Kedge knew. */
async function lose(lab: Lab, site: WordPressSite): Promise<void> {
  await lab.mariadb.query(`DROP DATABASE \`${site.database}\`; DROP USER '${site.user}'@'localhost'`);
  shell('rm', '-rf', site.root, join(lab.state, 'sites', `${site.uri}.json`));
  shell('rm', '-f', join(lab.nginx.address.vhosts, `${site.uri}.conf`));
  shell(...(lab.nginx.address.reload as [string, ...string[]]));
}
