import { isAbsolute, normalize, relative } from 'node:path/posix';
import type { Owner } from '../../../contract/target';
import type { Bind, Command, Sandbox } from '../host';
import { bindsOf } from '../sandbox';
import { type SiteFolders, SYSTEM_PLACES, isWithin, overlap } from './host-rules';
import type { KnownRules } from './known-rules';
import { isOfBefore, placeOf } from './places';
import { refused } from './refusal';

/** What a confined command is held to. */
export interface Confinement {
  /** Whose files it may make; null for one that runs as an owner, whom the kernel holds to his own. */
  readonly owners: readonly Owner[] | null;
  /** It may set the setuid and setgid bit: what it writes to is looked through before anybody gets to it. */
  readonly setsSpecialBits: boolean;
  /** Folders of tasks in staging folders that it writes to. */
  readonly writesTo: readonly string[];
  /** Staging folders, as they have to be: nobody else gets in. */
  readonly stagingFolders: readonly string[];
  /** Files that are shown within another folder that is shown, in the place of others. */
  readonly covered: readonly { readonly file: string; readonly inPlaceOf: string; readonly task: string }[];
}

/** Above the folders that a sandbox has by itself nothing can be shown, nor in their places. */
const PROGRAMS = ['/usr', '/bin', '/sbin'];
const SANDBOXES_OWN = [...SYSTEM_PLACES, '/tmp'];

/**
 * Judges a confined command by the rules. Which program it is does not matter: what it can reach is what counts.
 * @throws KedgeError HostRefused
 */
export function confinementOf(known: KnownRules, server: string, command: Command, sandbox: Sandbox): Confinement {
  const refuse = (what: string, because?: string): Error => refused(server, what, because);
  const owner = command.owner && known.ownerOf(command.owner);
  if (command.owner && !owner) throw refuse(`running ${command.argv[0]} as ${command.owner.user}`);
  if (sandbox.capabilities?.includes('SETFCAP')) throw refuse('giving files capabilities');
  const binds = bindsOf(sandbox).map((bind) => shownBind(known, refuse, bind, owner));
  const [program] = command.argv;
  if (program.includes('/') && !isShown(program, binds)) throw refuse(`running ${program}`);
  const written = binds.filter(({ writable }) => writable);
  const hooksAllowed = written.every(({ site }) => site?.hooks === true);
  if (sandbox.network && !(owner && written.length > 0 && hooksAllowed))
    throw refuse(`the network, for ${command.argv[0]}`, 'it is for hooks alone, which run as an owner');
  if (owner && !hooksAllowed) throw refuse(`writing as ${owner.user}`, 'no hooks are allowed there');
  if (owner && written.some(({ task }) => task !== null)) throw refuse(`writing as ${owner.user} to what is staged`);
  const sites = binds.flatMap(({ site }) => site ?? []);
  const isLive = written.some(({ task }) => task === null);
  if (isLive && !owner && sandbox.capabilities?.includes('FSETID'))
    throw refuse('keeping setuid and setgid bits in the folder of a site');
  return {
    owners: owner ? null : known.ownersOf(sites.flatMap(({ staging }) => known.servedBy(staging))),
    setsSpecialBits: written.length > 0 && !isLive,
    writesTo: written.flatMap(({ task }) => task ?? []),
    stagingFolders: [...new Set(written.flatMap(({ site, task }) => (site && task !== null ? [site.staging] : [])))],
    covered: coveredIn(binds, refuse),
  };
}

/** A program that is named by its path lies where a sandbox has it: whether there is one elsewhere is nobody's business. */
function isShown(program: string, binds: readonly ShownBind[]): boolean {
  if (normalize(program) !== program) return false;
  const places = [...PROGRAMS, ...binds.flatMap(({ from, to }) => (from === to ? [to] : []))];
  return places.some((place) => isWithin(place, program));
}

interface ShownBind {
  readonly from: string;
  readonly to: string;
  readonly writable: boolean;
  /** Null for the programs of the system. */
  readonly site: SiteFolders | null;
  /** The folder of the task that staged it; null for what lies among the sites. */
  readonly task: string | null;
}

function shownBind(
  known: KnownRules,
  refuse: (what: string, because?: string) => Error,
  { from, to = from, writable }: Bind & { writable: boolean },
  owner: Owner | undefined,
): ShownBind {
  if (!isAbsolute(to) || normalize(to) !== to || SANDBOXES_OWN.some((place) => overlap(place, to)))
    throw refuse(`showing something at ${to}`);
  // Every sandbox has it.
  if (from === '/usr' && !writable) return { from, to, writable, site: null, task: null };
  const place = placeOf(known.rules, from);
  const what = `showing ${from} to a program`;
  if (place.kind !== 'site' && place.kind !== 'staging') throw refuse(what);
  const { site, names } = place;
  const served = place.kind === 'staging' ? known.servedBy(site.staging) : [site];
  if (owner && !known.ownersOf(served).includes(owner)) throw refuse(what, `it is none of ${owner.user}'s`);
  if (place.kind === 'site') {
    const within = writable ? known.rules.sites.find(({ staging }) => isWithin(from, staging)) : undefined;
    if (within) throw refuse(what, `what is staged in ${within.staging} is in it`);
    return { from, to, writable, site, task: null };
  }
  const [token] = names;
  if (token === undefined) throw refuse(what, 'what several tasks staged is in it');
  if (writable && isOfBefore(names)) throw refuse(what, 'what was there before stays as it is');
  return { from, to, writable, site, task: `${site.staging}/${token}` };
}

/**
 * Who shows one thing within another has bubblewrap walk through what lies there, as root: no link may be on that way. So it is allowed for
 * single files of what a task has staged, while nothing changes there.
 */
function coveredIn(
  binds: readonly ShownBind[],
  refuse: (what: string, because?: string) => Error,
): Confinement['covered'] {
  return binds.flatMap((inner, at) => {
    const outer = binds.find((other, otherAt) => otherAt !== at && isWithin(other.to, inner.to));
    if (!outer) return [];
    const isFileOfTask = !inner.writable && !outer.writable && outer.task !== null && inner.to !== outer.to;
    if (!isFileOfTask) throw refuse(`showing ${inner.from} within ${outer.from}`);
    const inPlaceOf = `${outer.from}/${relative(outer.to, inner.to)}`;
    return [{ file: inner.from, inPlaceOf, task: outer.task ?? '' }];
  });
}
