import { isKedgeError } from '../../../contract/errors';
import type { Host } from '../../hosts/host';
import { type Problem, problemOf } from '../problem';

/** Where machines are named. */
interface Places {
  readonly webHosts: ReadonlyMap<string, Host>;
  readonly flags: readonly { readonly host: Host; readonly path: string }[];
}

/** What is asked of a machine. */
interface Question {
  /** Whose things they are; null for what is not of one site. */
  readonly site: string | null;
  /** What an administrator does where the rules of the machine refuse it; one sentence, without the full stop. */
  readonly whenRefused: string;
}

/**
 * The machines of web servers, as one search asks them. What another machine than the master refuses or fails at is a problem, told once for
 * each machine and site, and holds up nothing elsewhere: a later search asks again. One that does not answer is asked nothing more.
 */
export class Machines {
  private readonly away = new Set<Host>();
  private readonly told = new Set<string>();

  /** `problems`: what is passed over, and why, is added there. */
  constructor(
    private readonly master: Host,
    private readonly problems: Problem[],
  ) {}

  /** The parts of a search, with the machines that it is about and that answer now. `wanted`: by the names of web servers; null for all. */
  async answering<T extends Places>(parts: T, wanted: ReadonlySet<string> | null): Promise<T> {
    const webHosts = [...parts.webHosts].filter(([name]) => wanted === null || wanted.has(name));
    const asked = new Set([this.master, ...webHosts.map(([, host]) => host)]);
    await Promise.all([...asked].map((host) => this.answers(host)));
    const isThere = (host: Host): boolean => asked.has(host) && !this.away.has(host);
    return {
      ...parts,
      webHosts: new Map(webHosts.filter(([, host]) => isThere(host))),
      flags: parts.flags.filter(({ host }) => isThere(host)),
    };
  }

  /** What `work` finds out at this machine, and at no other; null where it cannot. @throws what it throws on the master */
  async ask<T>(host: Host, question: Question, work: () => Promise<T>): Promise<T | null> {
    if (host === this.master) return work();
    if (this.away.has(host)) return null;
    try {
      return await work();
    } catch (error) {
      if (await this.answers(host)) this.tell(host, question, error);
      return null;
    }
  }

  private async answers(host: Host): Promise<boolean> {
    if (host === this.master) return true;
    try {
      await host.now();
      return true;
    } catch (error) {
      this.away.add(host);
      this.problems.push(problemOf(`${host.name} is passed over`, error));
      return false;
    }
  }

  private tell({ name }: Host, { site, whenRefused }: Question, error: unknown): void {
    const what = site === null ? `what was left on ${name}` : `what was left of ${site} on ${name}`;
    if (this.told.has(what)) return;
    this.told.add(what);
    const isRefused = isKedgeError(error) && error.code === 'HostRefused';
    const hint = isRefused ? whenRefused : isKedgeError(error) ? error.hint.replace(/\.$/, '') : null;
    this.problems.push(problemOf(`${what} is passed over`, `${textOf(error)}${hint === null ? '' : `. ${hint}`}`));
  }
}

/** For what the configuration of the master names, and the rules of the machine do not. */
export function prepareAgain({ name }: Host): string {
  return `Run \`kedge servers prepare ${name}\`: it writes what the configuration names into /etc/kedge/host.yaml there`;
}

/** For what closed tasks made, which the configuration may name no more. */
export function nameItAgain({ name }: Host): string {
  return (
    `Where the configuration has the site, run \`kedge servers prepare ${name}\`; ` +
    'otherwise name the folder in /etc/kedge/host.yaml there until `kedge doctor --sweep` has looked'
  );
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
