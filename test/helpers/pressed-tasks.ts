import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Draw } from '../../scripts/lab/draw';
import { unowned } from '../../scripts/lab/unowned';
import { KedgeClient } from '../../src/client';
import { siteWorkflowId, turnsWorkflowId } from '../../src/contract/names';
import { isStepName } from '../../src/contract/steps';
import { whoRuns } from '../../src/temporal/running';
import { ComparedTask, type SavedSite, checkCatalogue, prepareSites, saveSites } from './compared-tasks';
import { type Lab, withWorkerInProcess } from './e2e';
import { Gate, type GatePoint, Gates, type Standing } from './gates';
import { type Place, everyPlace } from './struck-tasks';
import { until } from './until';
import { BUTTONS, type Button, PRESSER, REASON, WebUi } from './web-ui';

/** Buttons that a task lives through; the first two begin the attempt of a step again. */
const AGAIN = ['pause', 'reset activity'] as const;
const GENTLE = ['unpause', 'update activity options', 'update options', 'signal', 'start'] as const;
/** Buttons that end a task. */
export const ENDING = ['cancel', 'terminate', 'reset'] as const;
type Ending = (typeof ENDING)[number];

/** A place where buttons are pressed, one after the other. */
interface Stop extends GatePoint {
  readonly buttons: readonly Button[];
  /** The queue of the site is pressed, not the task. */
  readonly queue?: true;
  /** What ends the task has time to be heard by the attempt that stands; else that goes on in the same moment. */
  readonly waits: boolean;
}

/** A task, and where what is pressed in it. */
export interface Presses {
  readonly kind: Place['kind'];
  readonly fails: string | null;
  readonly stops: readonly Stop[];
}

/** Every step of every kind of task, and every undo. What closes a task is none of its steps. */
export const PLACES: readonly Place[] = everyPlace().filter(({ activity }) => activity !== 'closeTask');

const stepOf = ({ activity, occurrence }: Pick<Place, 'activity' | 'occurrence'>): string =>
  `${activity} ${occurrence}`;

/** Tasks in which each button that a task lives through is pressed in each of their steps, and in each undo. */
export function walks(draw: Draw): Presses[] {
  const walked = new Map<string, Place[]>();
  for (const place of PLACES) {
    const key = `${place.kind} ${place.fails}`;
    walked.set(key, [...(walked.get(key) ?? []), place]);
  }
  return [...walked.values()].flatMap((places) => {
    const { kind, fails } = places[0] as Place;
    // Two tasks each, so that an attempt is begun again once in each step of either.
    return [0, 1].map((turn) => ({
      ...{ kind, fails },
      stops: places.map((place, index) => ({
        ...point(place, draw),
        buttons: draw.several([AGAIN[(index + turn) % 2] as Button, ...(turn === 0 ? [] : GENTLE)], BUTTONS.length),
        waits: true,
      })),
    }));
  });
}

/** Tasks in which each button that ends a task is pressed in each step, of a kind of task that is drawn. */
export function ends(draw: Draw): Presses[] {
  const steps = [...new Set(PLACES.map(stepOf))];
  return steps.flatMap((step) =>
    ENDING.map((button) => ended(draw.of(PLACES.filter((place) => stepOf(place) === step)), button, draw)),
  );
}

/** Tasks in which anything is pressed anywhere. */
export function anyhow(draw: Draw, count: number): Presses[] {
  return Array.from({ length: count }, () => {
    const first = draw.of(PLACES);
    const beside = PLACES.filter(({ kind, fails }) => kind === first.kind && fails === first.fails);
    const places = draw.several(beside, draw.between(1, 4));
    const stops = places.map((place): Stop => {
      const gentle = { ...point(place, draw), waits: draw.percent(50) };
      if (draw.percent(20))
        return { ...gentle, queue: true, buttons: [draw.of(['signal', 'reset', 'cancel', 'terminate'])] };
      return { ...gentle, buttons: draw.several([...AGAIN, ...GENTLE], draw.between(1, 3)) };
    });
    return { kind: first.kind, fails: first.fails, stops };
  });
}

export function ended(place: Place, button: Ending, draw: Draw): Presses {
  const { kind, fails } = place;
  return { kind, fails, stops: [{ ...point(place, draw), buttons: [button], waits: draw.percent(50) }] };
}

function point({ activity, occurrence }: Place, draw: Draw): GatePoint {
  return { activity, occurrence, when: draw.of(['before', 'after']) };
}

export function countOf(all: readonly Presses[]): number {
  return all.flatMap(({ stops }) => stops.flatMap(({ buttons }) => buttons)).length;
}

/** A lab in which tasks run side by side, each on a site of its own, while somebody presses buttons. */
export class PressedLab {
  private constructor(
    private readonly lab: Lab,
    private readonly sites: readonly SavedSite[],
    private readonly gates: Gates,
    private readonly client: KedgeClient,
  ) {}

  /** Runs `work` with a lab that has no worker; its sites get hooks, and each a backup. */
  static async with(lab: Lab, work: (pressed: PressedLab) => Promise<void>): Promise<void> {
    await prepareSites(lab);
    const gates = new Gates();
    await withWorkerInProcess(lab, gates.around, async () => {
      const sites = await saveSites(lab);
      const client = await KedgeClient.connect('lab', lab.environment);
      try {
        await work(new PressedLab(lab, sites, gates, client));
      } finally {
        await client.close();
      }
    });
  }

  /** Presses all that is given, so many tasks at a time as there are sites. Returns what is not as it should be, and how often was pressed. */
  async pressAll(all: readonly Presses[], seed: number): Promise<{ problems: string[]; pressed: number }> {
    const total = { problems: [] as string[], pressed: 0 };
    for (let first = 0; first < all.length; first += this.sites.length) {
      const { problems, pressed } = await this.press(all.slice(first, first + this.sites.length), seed + first);
      total.problems.push(...problems);
      total.pressed += pressed;
    }
    return total;
  }

  private async press(batch: readonly Presses[], seed: number): Promise<{ problems: string[]; pressed: number }> {
    const { lab, sites, gates, client } = this;
    const tasks = batch.map(
      (presses, index) =>
        new PressedTask(lab, sites[index] as SavedSite, presses, { client, gates, draw: new Draw(seed, index) }),
    );
    // A reload of the web server may cut what it answers at that moment: none comes while sites are looked at.
    for (const task of tasks) await task.loseSite();
    await Promise.all(tasks.map((task) => task.prepare()));
    await Promise.all(tasks.map((task) => task.play()));
    const problems: string[] = [];
    for (const task of tasks) problems.push(...(await task.look()));
    problems.push(...(await this.nothingLeft()), ...(await checkCatalogue(lab, sites)));
    for (const task of tasks) await task.bringSiteBack();
    return { problems, pressed: tasks.reduce((sum, { pressed }) => sum + pressed, 0) };
  }

  /** Attempts that were given up end by themselves. */
  private async nothingLeft(): Promise<string[]> {
    let left: string[] = [];
    await until('nothing is left', async () => (left = await unowned(this.lab)).length === 0).catch(() => undefined);
    return left.map((one) => `left: ${one}`);
  }
}

interface Playing {
  readonly client: KedgeClient;
  readonly gates: Gates;
  readonly draw: Draw;
}

/** One task, in which somebody presses. */
class PressedTask extends ComparedTask {
  pressed = 0;
  private readonly problems: string[] = [];
  private readonly webUi: WebUi;
  private readonly unreached: Set<Stop>;

  constructor(
    lab: Lab,
    saved: SavedSite,
    private readonly presses: Presses,
    private readonly playing: Playing,
  ) {
    super(lab, saved, presses.kind, describePresses(presses));
    this.unreached = new Set(presses.stops);
    this.webUi = new WebUi(playing.client.temporal, 'lab');
  }

  /** Runs the task to its end, pressing on the way. */
  async play(): Promise<void> {
    const { client, gates } = this.playing;
    const { stops, fails } = this.presses;
    const gate = new Gate(stops, fails);
    gates.set(this.site.uri, gate);
    try {
      this.begin(client, false);
      const over = this.said();
      for (let standing = await gate.next(over); standing; standing = await gate.next(over)) {
        const stop = stops.find((one) => one === standing?.point) as Stop;
        this.unreached.delete(stop);
        let stands: Standing | null = standing;
        for (const button of stop.buttons) {
          if (stands === null) break;
          stands = await this.pressAt(button, stop, stands, gate, over);
        }
        gate.pass(stop);
        stands?.open();
      }
      await this.ended();
      await this.untilFree();
    } finally {
      gates.set(this.site.uri, null);
    }
  }

  /** The attempt that stands there then; null when the task has been ended. */
  private async pressAt(
    button: Button,
    stop: Stop,
    standing: Standing,
    gate: Gate,
    over: Promise<unknown>,
  ): Promise<Standing | null> {
    const { uri: site } = this.site;
    const at = { site, activity: stop.activity, workflowId: siteWorkflowId(site) };
    const press = async (one: Button): Promise<void> => {
      this.problems.push(...(await this.webUi.press(one, at, this.playing.draw)));
      this.pressed += 1;
    };
    if (stop.queue) {
      // A queue that waits for its task is not reset.
      await this.webUi.press(button, { ...at, workflowId: turnsWorkflowId(site) }, this.playing.draw);
      this.pressed += 1;
      return standing;
    }
    if (isEnding(button)) {
      gate.pass(stop);
      await press(button);
      const isHeard = button !== 'cancel' || (isForward(stop) && this.presses.fails === null);
      if (stop.waits && isHeard) await standing.left;
      standing.open();
      return null;
    }
    await press(button);
    if (button !== 'pause' && button !== 'reset activity') return standing;
    await standing.left;
    if (button === 'pause') {
      await this.expectNamed(at);
      await press('unpause');
    }
    return gate.next(over, stop);
  }

  /** The log of the task says who paused it, and why. */
  private async expectNamed({ activity }: { activity: string }): Promise<void> {
    const path = join(this.lab.state, 'tasks', `${this.journal?.task}.ndjson`);
    const isNamed = (): boolean =>
      existsSync(path) &&
      readFileSync(path, 'utf8')
        .split('\n')
        .some((line) => line.includes(`"step":"${activity}"`) && NAMED.every((part) => line.includes(part)));
    await until(`the log tells who paused ${activity}`, isNamed).catch((error: unknown) =>
      this.problems.push(String(error)),
    );
  }

  /** Recovery ends a moment after the task. */
  private async untilFree(): Promise<void> {
    const { temporal } = this.playing.client;
    const { uri } = this.site;
    await until(
      `${uri} is free`,
      async () =>
        (await whoRuns(temporal, siteWorkflowId(uri))) === null &&
        (await whoRuns(temporal, turnsWorkflowId(uri))) === null,
      120_000,
    );
  }

  /** What is not as it should be after the end. */
  async look(): Promise<string[]> {
    const { presses, outcome } = this;
    const { status, code } = outcome ?? { status: 'none', code: null };
    const ending = presses.stops.flatMap(({ buttons, queue }) => (queue ? [] : buttons)).find(isEnding);
    const problems = [...this.problems];
    for (const { activity } of this.unreached) problems.push(`it never came to ${activity}`);
    if (!mayEnd(presses.fails, ending).includes(status)) problems.push(`it ended as ${status} ${code}`);
    const { stdout, stderr } = await this.said();
    const words = ending && presses.fails === null && status !== 'done' ? SAID[ending] : null;
    if (words && !words.test(`${stdout}${stderr}`)) problems.push(`whoever waited was told: ${stdout}${stderr}`);
    problems.push(...(await this.lookAtSite()));
    problems.push(...this.lookAtBackups({ mayHaveNone: status !== 'done' }));
    return problems.map((problem) => `${describePresses(presses)}: ${problem}`);
  }
}

const NAMED = [`paused in Temporal by ${PRESSER} since`, REASON];

/** What somebody who waits for the task is told. */
const SAID: Record<Ending, RegExp> = {
  cancel: /cancelled/,
  terminate: /was terminated in Temporal/,
  reset: /was reset in Temporal/,
};

/** How a task may end. One that is committed, or has published its backup, ends well whatever is pressed. */
function mayEnd(fails: string | null, ending: Ending | undefined): readonly string[] {
  if (ending === undefined) return [fails === null ? 'done' : 'failed'];
  const asItWould = fails === null ? 'done' : 'failed';
  const pressed = { cancel: 'cancelled', terminate: 'recovered', reset: 'failed' } as const;
  return [asItWould, pressed[ending]];
}

function isEnding(button: Button): button is Ending {
  return ENDING.some((one) => one === button);
}

/** A step that a cancel ends. */
function isForward({ activity }: GatePoint): boolean {
  return (isStepName(activity) && activity !== 'commitSwitch') || activity === 'runHook';
}

export function describePresses({ kind, fails, stops }: Presses): string {
  const all = stops.map(({ activity, occurrence, when, buttons, queue }) => {
    const which = occurrence === 1 ? activity : `${activity} ${occurrence}`;
    return `${buttons.join(', ')}${queue ? ' of the queue' : ''} ${when} ${which}`;
  });
  return `${kind}${fails === null ? '' : ` after ${fails} failed`}: ${all.join('; ')}`;
}
