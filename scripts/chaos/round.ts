import { chown } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { siteWorkflowId, turnsWorkflowId } from '../../src/contract/names';
import { type Outcome, kedge } from '../demo/kedge';
import { differences } from '../lab/fingerprint';
import type { Lab } from '../lab/lab';
import { type JournalView, journalsOf } from '../lab/leftovers';
import { loseSite } from '../lab/lose-site';
import { whyItCannotWrite } from '../lab/site-login';
import type { SmallDisk } from '../lab/small-disk';
import { unowned } from '../lab/unowned';
import { type FaultCounts, Faults } from './faults';
import { type Kind, type PlannedTask, type RoundPlan, describeFault } from './plan';
import { type ChaosSite, type Saved, document } from './sites';
import { writeVersion } from './versions';
import { Visitor, Witness, judgeAnswer, visit } from './visitor';
import type { Workers } from './workers';

/** A task that has not ended by then, with everything well again, never will: ms. */
const LONGEST_ROUND_MS = 10 * 60_000;
/** Attempts that were given up end by themselves, and remove what they made: ms. */
const LONGEST_TIDYING_MS = 60_000;
const ASK_EVERY_MS = 100;

export interface RoundParts {
  readonly lab: Lab;
  readonly sites: readonly ChaosSite[];
  readonly workers: Workers;
  readonly disk: SmallDisk | null;
  readonly client: Client;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** What a round was, in numbers, and what was not as it should be. */
export interface RoundReport {
  readonly broken: string[];
  /** How the tasks ended. */
  readonly outcomes: Record<string, number>;
  readonly faults: FaultCounts;
  readonly answers: Witness['counts'];
  readonly backupsChecked: number;
}

/** Runs a round: prepares the sites, lets tasks, faults and a visitor loose, waits until all tasks have ended, and compares. */
export async function runRound(plan: RoundPlan, parts: RoundParts): Promise<RoundReport> {
  const { lab, sites, workers, signal, say } = parts;
  for (const site of sites) if (!site.isThere) await document(lab, ['deploy', site.archive, site.uri], signal);
  // A reload of the web server may cut what it answers at that moment: none comes while sites are looked at.
  for (const { kind, site } of plan.tasks) if (kind === 'deploy') await lose(lab, sites[site]);
  const cases = await Promise.all(plan.tasks.map((task) => Case.prepare(plan, task, parts)));
  const uriOf = (site: number): string => cases[site]?.uri ?? '';
  const faults = new Faults({
    ...parts,
    journalOf: (site) => cases[site]?.journal(),
    isOver: (site) => cases[site]?.isOver ?? true,
    uriOf,
  });
  for (const one of cases) one.watch(faults);
  const visitor = new Visitor(
    lab.nginx.port,
    cases.map(({ uri, witness }) => ({ uri, witness })),
  );
  const counts: FaultCounts = {};
  const broken: string[] = [];
  try {
    for (const one of cases) one.begin();
    await Promise.all(
      plan.faults.map(async (fault) => {
        if (await faults.bring(fault)) counts[fault.kind] = (counts[fault.kind] ?? 0) + 1;
        else say(`  did not come: ${describeFault(fault, uriOf(fault.site))}`);
      }),
    );
    await workers.ready();
    broken.push(...(await untilEnded(cases, parts)));
    if (broken.length === 0) await untilWhole(cases, lab);
  } finally {
    await visitor.stop();
  }
  for (const one of cases) broken.push(...(await one.look()));
  broken.push(...(await nothingLeft(lab)));
  const made = cases.flatMap((one) => one.made());
  broken.push(...(await checkBackups(lab, made, signal)));
  for (const one of cases) await one.learn();
  const outcomes: Record<string, number> = {};
  for (const { ending } of cases) if (ending !== null) outcomes[ending] = (outcomes[ending] ?? 0) + 1;
  return { broken, outcomes, faults: counts, answers: sum(cases), backupsChecked: made.length };
}

/** What a deploy is for. */
async function lose(lab: Lab, site: ChaosSite | undefined): Promise<void> {
  if (!site) return;
  await loseSite(site.site, lab);
  await untilShown(lab, site.uri, null);
}

/** One site in a round. */
class Case {
  witness = new Witness({ before: null, after: null, maintenance: false }, []);
  isOver = true;
  private command: Promise<Outcome> | null = null;

  private constructor(
    private readonly task: PlannedTask,
    private readonly parts: RoundParts,
    private readonly site: ChaosSite,
    /** What the site is when the round begins; null for one that is to be deployed. */
    private readonly before: Saved | null,
    private readonly after: Saved | null,
    private readonly knownTasks: ReadonlySet<string>,
    private readonly knownBackups: ReadonlySet<string>,
  ) {}

  /** Makes the site another version than any backup holds; one that is to be deployed is lost already. */
  static async prepare(plan: RoundPlan, task: PlannedTask, parts: RoundParts): Promise<Case> {
    const { lab, sites } = parts;
    const site = sites[task.site];
    if (!site) throw new RangeError(`there is no site ${task.site}`);
    const version = `round-${plan.round}-${site.uri}`;
    if (task.kind !== 'deploy') {
      await writeVersion(site.site, lab.mariadb, version);
      await untilShown(lab, site.uri, version);
    }
    const before = task.kind === 'deploy' ? null : { backup: '', version, fingerprint: await site.look() };
    const after =
      task.kind === 'deploy'
        ? site.first
        : task.kind === 'restore'
          ? ((task.source === 'newest' ? site.newest : null) ?? site.first)
          : null;
    const known = new Set(journalsOf(lab).map((journal) => journal.task));
    return new Case(task, parts, site, before, after, known, new Set(site.backups()));
  }

  get uri(): string {
    return this.site.uri;
  }

  /** Status its task ended with; null for a site that had none. */
  get ending(): string | null {
    if (this.task.kind === null) return null;
    return this.journal()?.outcome?.status ?? 'never began';
  }

  watch({ outages }: Faults): void {
    const { kind } = this.task;
    const maintenance = kind === 'restore' || kind === 'quiesced backup';
    const { before, after } = this;
    this.witness = new Witness(
      { before: before?.version ?? null, after: after?.version ?? null, maintenance },
      outages,
    );
  }

  begin(): void {
    const { kind } = this.task;
    if (kind === null) return;
    const { lab, signal } = this.parts;
    this.isOver = false;
    this.command = kedge([...this.argumentsOf(kind), '--json'], lab.environment, undefined, signal).finally(
      () => (this.isOver = true),
    );
    this.command.catch(() => undefined);
  }

  private argumentsOf(kind: Kind): string[] {
    const { uri, archive } = this.site;
    switch (kind) {
      case 'backup':
        return ['backup', uri];
      case 'quiesced backup':
        return ['backup', uri, '--quiesce'];
      case 'restore':
        return ['restore', uri, this.after?.backup ?? '', '--yes'];
      case 'deploy':
        return ['deploy', archive, uri];
      case 'verify':
        return ['verify', uri];
    }
  }

  /** Of the task of this round, once there is one. */
  journal(): JournalView | undefined {
    return this.journals().at(-1);
  }

  private journals(): JournalView[] {
    return journalsOf(this.parts.lab).filter(({ task, site }) => site === this.uri && !this.knownTasks.has(task));
  }

  /** Why it has not ended; null when it has. */
  async whyOpen(client: Client): Promise<string | null> {
    if (!this.isOver) return `the command for ${this.uri} has not ended`;
    for (const { task, step, undoing, outcome } of this.journals())
      if (outcome === null) return `${task} has not ended: it stands at ${step}${undoing ? ', undoing' : ''}`;
    for (const id of [siteWorkflowId(this.uri), turnsWorkflowId(this.uri)])
      if (await runs(client, id)) return `the workflow ${id} has not ended`;
    return null;
  }

  /** What the site should be now. */
  private expected(): Saved | null {
    return this.ending === 'done' && this.after !== null ? this.after : this.before;
  }

  async look(): Promise<string[]> {
    const broken = this.witness.broken.slice(0, 5).map((what) => `a visitor of ${this.uri}: ${what}`);
    broken.push(...(await this.lookAtCommand()));
    const { lab } = this.parts;
    const expected = this.expected();
    const { site } = this.site;
    if (expected === null) {
      if (this.site.isThere) broken.push(`${site.root} is there, although its deploy is ${this.ending}`);
      return broken;
    }
    if (!this.site.isThere) return [...broken, `${site.root} is not there, its task is ${this.ending}`];
    // Whoever brings an archive does not say whose files are on this machine.
    if (this.task.kind === 'deploy') await chown(join(site.root, 'wp-content/uploads/by-another.bin'), 1, 1);
    const allowed = { before: expected.version, after: null, maintenance: false };
    const verdict = judgeAnswer(await visit(lab.nginx.port, this.uri), allowed, []);
    if (verdict !== 'before')
      broken.push(`${this.uri}, whose task is ${this.ending}, answers ${JSON.stringify(verdict)}`);
    const differs = differences(expected.fingerprint, await this.site.look());
    broken.push(...differs.slice(0, 10).map((line) => `${this.uri}, whose task is ${this.ending}: ${line}`));
    const refusal = await whyItCannotWrite(site, lab.mariadb);
    if (refusal !== null) broken.push(`the account of ${this.uri} cannot write: ${refusal}`);
    return broken;
  }

  /** A command may fail to follow its task; what it says of the end is true. */
  private async lookAtCommand(): Promise<string[]> {
    if (!this.command || !this.isOver) return [];
    const { exitCode, stdout, stderr } = await this.command;
    const saysDone = exitCode === 0 || exitCode === 3;
    const isTrue = saysDone
      ? this.ending === 'done'
      : exitCode !== 130 || this.ending === 'cancelled' || this.ending === 'never began';
    const broken = isTrue ? [] : [`the command of ${this.uri} ended with ${exitCode}, its task is ${this.ending}`];
    if (this.journals().length > 1) broken.push(`${this.uri} had ${this.journals().length} tasks`);
    if (!isTrue || (!saysDone && this.ending === 'done'))
      this.parts.say(`  ${this.uri}: ${exitCode} ${stdout}${stderr}`);
    return broken;
  }

  /** Backups of this round. */
  made(): string[] {
    return this.site.backups().filter((id) => !this.knownBackups.has(id));
  }

  /** What the backups of this round hold is what the site was before. */
  async learn(): Promise<void> {
    const [newest] = this.made();
    if (newest !== undefined && this.before !== null) this.site.newest = { ...this.before, backup: newest };
    await this.site.forgetOthers();
  }
}

async function runs(client: Client, workflowId: string): Promise<boolean> {
  try {
    return (await client.workflow.getHandle(workflowId).describe()).status.name === 'RUNNING';
  } catch (error) {
    if ((error as Error).name === 'WorkflowNotFoundError') return false;
    throw error;
  }
}

/** Waits until no task goes on; what stands in the way when that takes too long. */
async function untilEnded(cases: readonly Case[], { client, signal }: RoundParts): Promise<string[]> {
  for (const began = performance.now(); ;) {
    signal.throwIfAborted();
    const open = (await Promise.all(cases.map((one) => one.whyOpen(client)))).filter((why) => why !== null);
    if (open.length === 0) return [];
    if (performance.now() - began > LONGEST_ROUND_MS) return open;
    await delay(ASK_EVERY_MS);
  }
}

/** A reload of the web server takes a moment. Of a site that stays as it should not be, the comparison tells. */
async function untilWhole(cases: readonly Case[], lab: Lab): Promise<void> {
  for (const one of cases) {
    for (let tries = 0; tries < 50; tries += 1) {
      const { status } = await visit(lab.nginx.port, one.uri);
      if (status === 200 || status === null) break;
      await delay(ASK_EVERY_MS);
    }
  }
}

/** Waits until a prepared site shows its version, which PHP may have cached; or, for null, until it is gone. */
async function untilShown(lab: Lab, uri: string, version: string | null): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const answer = await visit(lab.nginx.port, uri);
    const verdict = judgeAnswer(answer, { before: version, after: null, maintenance: false }, []);
    if (verdict === (version === null ? 'absent' : 'before')) return;
    if (tries > 300) throw new Error(`${uri} does not come to be ${version ?? 'away'}: ${JSON.stringify(answer)}`);
    await delay(ASK_EVERY_MS);
  }
}

async function nothingLeft(lab: Lab): Promise<string[]> {
  for (const began = performance.now(); ;) {
    const left = await unowned(lab);
    if (left.length === 0 || performance.now() - began > LONGEST_TIDYING_MS) return left.map((one) => `left: ${one}`);
    await delay(ASK_EVERY_MS);
  }
}

async function checkBackups(lab: Lab, ids: readonly string[], signal: AbortSignal): Promise<string[]> {
  if (ids.length === 0) return [];
  const { exitCode, stdout, stderr } = await kedge(['backups', 'check', ...ids], lab.environment, undefined, signal);
  return exitCode === 0 ? [] : [`the catalogue: ${stdout}${stderr}`];
}

function sum(cases: readonly Case[]): Witness['counts'] {
  const total = { before: 0, after: 0, maintenance: 0, outage: 0, absent: 0, cut: 0 };
  for (const { witness } of cases)
    for (const verdict of Object.keys(total) as (keyof typeof total)[]) total[verdict] += witness.counts[verdict];
  return total;
}
