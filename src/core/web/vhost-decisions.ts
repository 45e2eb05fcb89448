import type { SiteLocation } from '../../contract/target';
import { stampOf, wasManaged } from './stamp';
import type { FileFault, VhostBefore, VhostFiles } from './web-server';

/* What is done with the files of a site, decided by what was seen and by nothing else: VhostFolder looks, and acts. */

/** The vhost that answers at an address: one of Kedge's by its stamp, `other` for another one or none; nothing listens: `down`. */
export type Running =
  { readonly state: 'stamp'; readonly stamp: string } | { readonly state: 'other' } | { readonly state: 'down' };

/** The same of one address, `address:port`. */
export type RunningAt = Running & { readonly at: string };

/** How it is seen that the server took the files. */
export interface Seen {
  /** Of the vhost that is to run; null where none of Kedge's is. */
  readonly stamp: string | null;
  /** Of the one that is to run no more. */
  readonly leaving: string | null;
  /** Where `stamp` is to run: left out at every address. */
  readonly at?: readonly string[];
}

/** Something an operator is to know that stops nothing. */
export interface Notice {
  readonly file: keyof VhostFiles;
  readonly what: 'is yours now' | 'is still included' | 'was edited meanwhile';
  /** Where it is included, for `is still included`. */
  readonly places?: readonly string[];
}

export type WriteDecision =
  /** What is there is as it should be. */
  | { readonly action: 'nothing'; readonly notices: readonly Notice[] }
  /** It depends on what nobody looked at yet. */
  | { readonly action: 'look'; readonly at: 'others' | 'inForce' }
  | {
      readonly action: 'refuse';
      readonly file: keyof VhostFiles;
      readonly because: 'edited by hand' | 'written by somebody else' | 'served by nobody then';
    }
  | {
      readonly action: 'write';
      readonly files: VhostFiles;
      /** What stays where the server refuses it, or does not obey. A new snippet does: somebody has to include it. */
      readonly otherwise: VhostFiles;
      /** How the result is seen: by the stamp that runs (null: none of Kedge's), or by a drill of the snippet. */
      readonly see: Seen | 'snippet';
      readonly notices: readonly Notice[];
    };

/** What `write` knows. */
export interface BeforeWriting {
  readonly mode: SiteLocation['vhost'];
  readonly found: VhostFiles;
  /** What the mode asks for. */
  readonly wanted: VhostFiles;
  /** What server blocks that are not Kedge's have to do with the site; null before they were looked at. */
  readonly others: { readonly serve: boolean; readonly inclusions: readonly string[] } | null;
  /** Whether the server runs what is wanted; null before it was asked. */
  readonly inForce: boolean | null;
}

/** How the files of a site become what its vhost mode wants. */
export function decideWrite({ mode, found, wanted, others, inForce }: BeforeWriting): WriteDecision {
  if (mode === 'none' && found.vhost === null && found.snippet === null) return { action: 'nothing', notices: [] };
  const notices: Notice[] = [];
  let { vhost, snippet } = wanted;
  if (vhost === null && found.vhost !== null) {
    if (stampOf(found.vhost) === null) {
      notices.push({ file: 'vhost', what: 'is yours now' });
      ({ vhost } = found);
    } else if (others === null) return { action: 'look', at: 'others' };
    else if (!others.serve) return { action: 'refuse', file: 'vhost', because: 'served by nobody then' };
  }
  if (snippet === null && found.snippet !== null) {
    if (others === null) return { action: 'look', at: 'others' };
    if (others.inclusions.length > 0) {
      notices.push({ file: 'snippet', what: 'is still included', places: others.inclusions });
      ({ snippet } = found);
    }
  }
  for (const file of ['vhost', 'snippet'] as const) {
    const content = wanted[file] === null ? null : found[file];
    if (content === null || stampOf(content) !== null) continue;
    return { action: 'refuse', file, because: strangeness(content) };
  }
  const files = { vhost, snippet };
  if (same(found, files)) {
    if (mode === 'none' || inForce === true) return { action: 'nothing', notices };
    if (inForce === null) return { action: 'look', at: 'inForce' };
  }
  return {
    action: 'write',
    files,
    otherwise: { ...found, snippet: found.snippet ?? wanted.snippet },
    see: mode === 'include' ? 'snippet' : { stamp: stampIn(wanted.vhost), leaving: stampIn(found.vhost) },
    notices,
  };
}

export type PutBackDecision =
  | { readonly action: 'nothing'; readonly notices: readonly Notice[] }
  /** It depends on what the server runs. */
  | { readonly action: 'look' }
  | {
      readonly action: 'write';
      readonly files: VhostFiles;
      /** A server that is down reads the files when it starts; one that runs loads them, and may be seen to. */
      readonly load: 'nothing' | 'reload' | Seen;
      readonly notices: readonly Notice[];
    };

/** What `putBack` knows. */
export interface BeforePuttingBack {
  readonly mode: SiteLocation['vhost'];
  readonly found: VhostFiles;
  /** The files as they were before `write`, and what ran. */
  readonly before: VhostBefore;
  /** At every address; null before the server was asked. */
  readonly running: readonly RunningAt[] | null;
}

/**
 * How the files of a site become what they were, and the server runs what it ran: a vhost that it did not run before is not asked of
 * it now. What somebody edited meanwhile stays: holding up an undo would serve nobody.
 */
export function decidePutBack({ mode, found, before, running }: BeforePuttingBack): PutBackDecision {
  const notices: Notice[] = [];
  const unlessEdited = (file: keyof VhostFiles, earlier: string | null): string | null => {
    const content = found[file];
    if (content === null || content === earlier || stampOf(content) !== null) return earlier;
    notices.push({ file, what: 'was edited meanwhile' });
    return content;
  };
  const files = {
    vhost: unlessEdited('vhost', before.vhost),
    snippet: unlessEdited('snippet', before.snippet ?? found.snippet),
  };
  const stays = same(found, files);
  if (stays && files.vhost === null && mode !== 'managed') return { action: 'nothing', notices };
  if (stays && found.vhost !== before.vhost) return { action: 'nothing', notices };
  if (running === null) return { action: 'look' };
  const { ran } = before;
  const stamp = stampIn(files.vhost);
  const ofSomebody = files.vhost !== null && stamp === null;
  const now = ranOf(running);
  const [leaving = null] = Object.values(now);
  const isDown = running.every(({ state }) => state === 'down');
  const isAsBefore =
    ran === null ? leaving === stamp : running.every(({ at }) => now[at] === ran[at] || (now[at] ?? null) === stamp);
  if (stays && (ofSomebody || isDown || isAsBefore)) return { action: 'nothing', notices };
  if (isDown) return { action: 'write', files, load: 'nothing', notices };
  // Somebody else's server block may win against a vhost that comes back beside it, and serves the site as well.
  const isSeen = mode === 'managed' && !(ofSomebody && found.vhost === files.vhost);
  return { action: 'write', files, load: isSeen ? seenBack(stamp, now, ran) : 'reload', notices };
}

/** Where the vhost that is put back ran it is to run again; elsewhere what came since is to go, and what ran before may stay. */
function seenBack(stamp: string | null, now: Stamps, ran: Stamps | null): Seen {
  const came = Object.entries(now).filter(([at, running]) => running !== stamp && running !== ran?.[at]);
  const leaving = came[0]?.[1] ?? null;
  if (ran === null || stamp === null) return { stamp, leaving };
  return { stamp, leaving, at: Object.keys(ran).filter((at) => ran[at] === stamp) };
}

/** Stamps that run, by their addresses. */
type Stamps = Readonly<Record<string, string>>;

/** The stamps that run, of what runs at each address. */
export function ranOf(addresses: readonly RunningAt[]): Stamps {
  return Object.fromEntries(addresses.flatMap((each) => (each.state === 'stamp' ? [[each.at, each.stamp]] : [])));
}

/** True when every address runs what is to be seen there: the stamp; or, where that is not asked for, no longer what was left. */
export function isRunning(addresses: readonly RunningAt[], { stamp, leaving, at }: Seen): boolean {
  const runs = (running: Running, wanted: string | null): boolean =>
    running.state === 'stamp' && running.stamp === wanted;
  return addresses.every((each) =>
    stamp !== null && (at === undefined || at.includes(each.at)) ? runs(each, stamp) : !runs(each, leaving),
  );
}

/** How the files that are there differ from those that are wanted. Somebody else's file of this name is in nobody's way. */
export function faultsOfFiles(found: VhostFiles, wanted: VhostFiles): FileFault[] {
  return (['vhost', 'snippet'] as const).flatMap((file): FileFault[] => {
    const [content, expected] = [found[file], wanted[file]];
    if (content === expected) return [];
    if (content === null) return [{ file, fault: 'missing' }];
    if (stampOf(content) !== null) return [{ file, fault: expected === null ? 'left from another mode' : 'outdated' }];
    if (expected === null) return [];
    return [{ file, fault: strangeness(content) }];
  });
}

function strangeness(content: string): 'edited by hand' | 'written by somebody else' {
  return wasManaged(content) ? 'edited by hand' : 'written by somebody else';
}

function stampIn(content: string | null): string | null {
  return content === null ? null : stampOf(content);
}

function same(one: VhostFiles, other: VhostFiles): boolean {
  return one.vhost === other.vhost && one.snippet === other.snippet;
}
