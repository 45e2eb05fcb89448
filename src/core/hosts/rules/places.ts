import { dirname, join, normalize } from 'node:path/posix';
import { siteUriSchema } from '../../../contract/target';
import { FLAG_LOCK, LOOKED } from '../../flags/flag-paths';
import { matchesPattern } from '../file-pattern';
import { UNFINISHED_FILE } from '../durable-file';
import { type HostRules, type SiteFolders, type WebRules, isWithin } from './host-rules';

/** What a path is to the rules. Paths are compared as they are written: that nothing on the way is a link is seen to by who opens them. */
export type Place =
  /** The folder of sites, or something in it. */
  | { readonly kind: 'site'; readonly site: SiteFolders; readonly names: readonly string[] }
  /** The staging folder, or something in it. `names` begin with the token of a task. */
  | { readonly kind: 'staging'; readonly site: SiteFolders; readonly names: readonly string[] }
  | { readonly kind: 'vhosts'; readonly web: WebRules; readonly names: readonly string[] }
  | { readonly kind: 'flags'; readonly web: WebRules; readonly names: readonly string[] }
  /** A folder above one of those. */
  | { readonly kind: 'above' }
  /** Whatever else the rules name. */
  | { readonly kind: 'named' }
  | { readonly kind: 'other' };

/** The same staging folder serves several folders of sites that lie side by side. */
export function placeOf(rules: HostRules, path: string): Place {
  if (normalize(path) !== path || (path !== '/' && path.endsWith('/'))) return { kind: 'other' };
  for (const site of rules.sites)
    if (isWithin(site.staging, path)) return { kind: 'staging', site, names: namesBelow(site.staging, path) };
  for (const site of rules.sites)
    if (isWithin(site.folder, path)) return { kind: 'site', site, names: namesBelow(site.folder, path) };
  const { web } = rules;
  if (web) {
    if (isWithin(web.vhosts, path)) return { kind: 'vhosts', web, names: namesBelow(web.vhosts, path) };
    if (isWithin(web.flags, path)) return { kind: 'flags', web, names: namesBelow(web.flags, path) };
  }
  const named = namedPaths(rules);
  if (named.includes(path)) return { kind: 'named' };
  const tops = [...rules.sites.flatMap(({ folder, staging }) => [folder, staging]), ...named];
  if (web) tops.push(web.vhosts, web.flags);
  return tops.some((top) => isWithin(path, top)) ? { kind: 'above' } : { kind: 'other' };
}

function namedPaths({ connect, space }: HostRules): string[] {
  return [...connect.sockets, ...space];
}

function namesBelow(top: string, path: string): string[] {
  return path.slice(top.length).split('/').slice(1);
}

/** A folder of folders of before, or of folders that were taken back, of one task: what lies there came from visitors, and stays as it is. */
export function isOfBefore([token = '']: readonly string[]): boolean {
  return token.endsWith('.previous') || token.endsWith('.back');
}

/** True for a name that sites here may answer to. */
export function mayAnswerTo({ names }: WebRules, name: string): boolean {
  if (!siteUriSchema.safeParse(name).success) return false;
  return names.some((allowed) => (allowed.startsWith('*.') ? name.endsWith(allowed.slice(1)) : name === allowed));
}

/** True for a name that a site here may have: of those without a vhost of Kedge's the flag alone is Kedge's. */
function mayBeShut(web: WebRules, name: string): boolean {
  return mayAnswerTo(web, name) || web.withoutVhost.includes(name);
}

/** The names of the files of a site in the folder of vhosts. */
export function isVhostFile(web: WebRules, names: readonly string[]): boolean {
  const [file = '', ...more] = names;
  const site = /^(.+)\.(?:conf|include)$/.exec(file)?.[1];
  return more.length === 0 && site !== undefined && mayAnswerTo(web, site);
}

/** How far a path below the folder of flags is a place of Kedge's. */
export function flagPlace(
  web: WebRules,
  names: readonly string[],
): 'folder' | 'flag' | 'lock' | 'looked' | 'probes' | 'probe' | 'unfinished' | null {
  const [first, second, ...more] = names;
  if (first === undefined) return 'folder';
  if (more.length > 0) return null;
  if (second === undefined && UNFINISHED_FILE.test(first)) return 'unfinished';
  if (second === undefined && first === FLAG_LOCK) return 'lock';
  if (second === undefined && first === LOOKED) return 'looked';
  if (second === undefined && mayBeShut(web, first)) return 'flag';
  const site = /^(.+)\.probe$/.exec(first)?.[1];
  if (site === undefined || !mayBeShut(web, site)) return null;
  if (second === undefined) return 'probes';
  return /^[0-9a-f]{32}(?:\.maintenance|\.php)?$/.test(second) || UNFINISHED_FILE.test(second) ? 'probe' : null;
}

/** True for a file that managed vhosts may name, and for the folder of a pattern among those. */
export function isFileOfVhosts({ files }: WebRules, path: string): boolean {
  return files.some((file) => matchesPattern(file, path) || (isPattern(file) && dirname(file) === path));
}

/** True for a folder whose names may be asked for, because a pattern of files lies in it. */
export function holdsFilesOfVhosts({ files }: WebRules, path: string): boolean {
  return files.some((file) => isPattern(file) && dirname(file) === path);
}

function isPattern(path: string): boolean {
  return /[*?[]/.test(path);
}

/** Where the lock of the folder of vhosts is. */
export function isVhostLock({ vhosts }: WebRules, path: string): boolean {
  return path === join(vhosts, '.kedge.lock');
}
