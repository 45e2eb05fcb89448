import { existsSync } from 'node:fs';
import { appendFile, copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { type Fingerprint, currentDatabase, differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import { loseSite } from '../../scripts/lab/lose-site';
import { whyItCannotWrite } from '../../scripts/lab/site-login';
import type { KedgeClient, TaskHandle } from '../../src/client';
import { configurationSchema } from '../../src/config/schema';
import type { TaskType } from '../../src/contract/names';
import { type HookName, hooksSchema } from '../../src/contract/target';
import type { BackupResult } from '../../src/contract/tasks';
import { type JournalView, type Lab, type Outcome, type WordPressSite } from './e2e';
import { cli, cliJson, journalsOf, recordsOf, shell } from './e2e';
import { until } from './until';

export const TYPE_OF = {
  backup: 'backup',
  'quiesced backup': 'backup',
  restore: 'restore',
  deploy: 'deploy',
  verify: 'verify',
} as const satisfies Record<string, TaskType>;
export type TaskKind = keyof typeof TYPE_OF;

export const HOOK_NAMES = hooksSchema.keyof().options;
const HAS_LIMITS = 'limits' in configurationSchema.shape;

/** A site with a backup, and what that holds. */
export interface SavedSite {
  readonly site: WordPressSite;
  readonly backup: string;
  readonly saved: Fingerprint;
  /** A copy of the archive, kept elsewhere. */
  readonly archive: string;
}

/** Gives the sites of a lab without a worker hooks, and adopts those that are not. */
export async function prepareSites(lab: Lab): Promise<void> {
  const configuration = parse(await readFile(lab.configuration, 'utf8')) as { sites: Record<string, object> };
  const hooks = Object.fromEntries(HOOK_NAMES.map((name): [HookName, string[]] => [name, ['true']]));
  for (const uri of Object.keys(configuration.sites)) Object.assign(configuration.sites[uri] as object, { hooks });
  // A task that is held keeps no other waiting.
  const limits = { backups: 100, restores: 100 };
  await writeFile(lab.configuration, stringify({ ...configuration, ...(HAS_LIMITS ? { limits } : {}) }));
  // A reload of the web server may cut what it answers at that moment: all are adopted before the first is looked at.
  for (const { uri } of lab.sites)
    if (!existsSync(join(lab.state, 'sites', `${uri}.json`))) await cliJson(lab, 'sites', 'adopt', uri);
}

/** Backs each site of a lab up, beside a worker. */
export async function saveSites(lab: Lab): Promise<SavedSite[]> {
  return Promise.all(
    lab.sites.map(async (site) => {
      const saved = await fingerprint(site, lab.nginx.port, lab.mariadb);
      const { backup } = await cliJson<BackupResult>(lab, 'backup', site.uri);
      const archive = join(lab.folder, `${site.uri}.tar.zst`);
      await copyFile(backup.path, archive);
      return { site, backup: backup.id, saved, archive };
    }),
  );
}

/** What tasks published can be relied on; then only the backups of the beginning are kept. Returns what is not as it should be. */
export async function checkCatalogue(lab: Lab, sites: readonly SavedSite[]): Promise<string[]> {
  const first = new Set(sites.map(({ backup }) => backup));
  const made = sites.flatMap(({ site }) => recordsOf(lab, site.uri)).filter(({ id }) => !first.has(id));
  if (made.length === 0) return [];
  const { exitCode, stdout, stderr } = await cli(lab, 'backups', 'check', ...made.map(({ id }) => id));
  for (const { id, site } of made)
    for (const end of ['tar.zst', 'json']) await rm(join(lab.backups, site, `${id}.${end}`), { force: true });
  return exitCode === 0 ? [] : [`the catalogue: ${stdout}${stderr}`];
}

/** A task on a site of its own, to which something is done meanwhile; its site is compared before and after. */
export class ComparedTask {
  private before: Fingerprint | null = null;
  private known = new Set<string>();
  private knownBackups = new Set<string>();
  private command: Promise<Outcome> | undefined;
  isOver = false;

  constructor(
    protected readonly lab: Lab,
    private readonly saved: SavedSite,
    private readonly kind: TaskKind,
    /** What it is called where it does not end. */
    private readonly name: string,
  ) {}

  get site(): WordPressSite {
    return this.saved.site;
  }

  /** What a deploy is for: folder, database, account, vhost and what Kedge knew are gone. */
  async loseSite(): Promise<void> {
    const { lab, site } = this;
    if (this.kind !== 'deploy') return;
    await loseSite(site, lab);
    await until('the web server does not know it', () =>
      get(lab.nginx.port, site.uri, '/').then(
        () => false,
        () => true,
      ),
    );
  }

  /** A deploy that was undone has left none. */
  async bringSiteBack(): Promise<void> {
    const { lab, site, saved } = this;
    if (!existsSync(site.root)) await cliJson(lab, 'deploy', saved.archive, site.uri);
  }

  /** Makes a site that is to be restored differ from its backup. */
  async prepare(): Promise<void> {
    const { lab, site, kind } = this;
    if (kind === 'restore') {
      const database = await currentDatabase(site);
      await lab.mariadb.query(`UPDATE \`${database}\`.wp_posts SET post_title = 'changed since' WHERE ID = 5`);
      await appendFile(join(site.root, 'wp-content/uploads/mit Leerzeichen.txt'), ' changed since');
    }
    if (kind !== 'deploy') this.before = await fingerprint(site, lab.nginx.port, lab.mariadb);
    this.known = new Set(this.journals().map(({ task }) => task));
    this.knownBackups = new Set(recordsOf(lab, site.uri).map(({ id }) => id));
  }

  /**
   * By a command, where what it says is looked at too, and where somebody has to vouch for an archive; else as a service does.
   */
  begin(client: KedgeClient, byCommand: boolean): void {
    const { kind } = this;
    const asked = kind === 'deploy' || byCommand ? this.askByCommand() : this.askBy(client, kind);
    this.command = asked.finally(() => (this.isOver = true));
  }

  private askByCommand(): Promise<Outcome> {
    const { uri } = this.site;
    const commands: Record<TaskKind, string[]> = {
      backup: ['backup', uri],
      'quiesced backup': ['backup', uri, '--quiesce'],
      restore: ['restore', uri, this.saved.backup, '--yes'],
      deploy: ['deploy', this.saved.archive, uri],
      verify: ['verify', uri],
    };
    return cli(this.lab, ...commands[this.kind], '--json');
  }

  /** What it comes to, in the words of a command. */
  private async askBy(client: KedgeClient, kind: Exclude<TaskKind, 'deploy'>): Promise<Outcome> {
    const { uri: site } = this.site;
    const { backup } = this.saved;
    const requests: Record<Exclude<TaskKind, 'deploy'>, () => Promise<TaskHandle<object>>> = {
      backup: () => client.backup({ site }),
      'quiesced backup': () => client.backup({ site, quiesce: true }),
      restore: () => client.restore({ site, backup }),
      verify: () => client.verify({ site }),
    };
    try {
      const result = await (await requests[kind]()).result();
      return { exitCode: 0, stdout: JSON.stringify(result), stderr: '' };
    } catch (error) {
      return { exitCode: 1, stdout: '', stderr: String(error) };
    }
  }

  /** What the command said at its end; nothing before. */
  async said(): Promise<Outcome> {
    return (await this.command) ?? { exitCode: -1, stdout: '', stderr: '' };
  }

  /** Waits until the command and the task have ended. */
  async ended(): Promise<void> {
    const { exitCode, stdout, stderr } = await this.said();
    const said = `its command ended with ${exitCode}: ${stdout}${stderr}`;
    const neverBegan = (): boolean => this.journals().every(({ task }) => this.known.has(task));
    if (neverBegan()) throw new Error(`${this.name}: there is no task; ${said}`);
    await until(`${this.name}: the task has ended; ${said}`, () => this.outcome !== null, 600_000);
  }

  /** How the site differs from what it should be after the end. */
  async lookAtSite(): Promise<string[]> {
    const { lab, site, kind } = this;
    const problems: string[] = [];
    const replaces = kind === 'restore' || kind === 'deploy';
    const expected = this.isDone && replaces ? this.saved.saved : this.before;
    if (expected === null) {
      if (existsSync(site.root)) problems.push(`${site.root} is there`);
    } else {
      // Whoever brings an archive does not say whose files are on this machine.
      if (kind === 'deploy') shell('chown', '1:1', join(site.root, 'wp-content/uploads/by-another.bin'));
      problems.push(...differences(expected, await fingerprint(site, lab.nginx.port, lab.mariadb)));
      const refusal = await whyItCannotWrite(site, lab.mariadb);
      if (refusal !== null) problems.push(`its account cannot write: ${refusal}`);
    }
    return problems;
  }

  /** Which backups are too many, or too few. */
  lookAtBackups({ mayHaveNone }: { readonly mayHaveNone: boolean }): string[] {
    const made = recordsOf(this.lab, this.site.uri).filter(({ id }) => !this.knownBackups.has(id));
    const saves = this.kind !== 'deploy' && this.kind !== 'verify';
    const atLeast = saves && !mayHaveNone ? 1 : 0;
    // What is published stays, whatever becomes of the task behind that.
    const isPublished = this.journal?.backup?.published === true;
    const atMost = saves && (this.kind === 'restore' || this.isDone || isPublished) ? 1 : 0;
    return made.length < atLeast || made.length > atMost ? [`${made.length} backups were made`] : [];
  }

  get isDone(): boolean {
    return this.outcome?.status === 'done';
  }

  /** How the task ended; null before, and when there is not just one. */
  get outcome(): JournalView['outcome'] {
    return this.journal?.outcome ?? null;
  }

  /** Of the task, once there is one, and no other. */
  get journal(): JournalView | null {
    const made = this.journals().filter(({ task }) => !this.known.has(task));
    return made.length === 1 ? (made[0] ?? null) : null;
  }

  private journals(): JournalView[] {
    return journalsOf(this.lab).filter(({ task }) => task.startsWith(`${this.site.uri}-`));
  }
}
