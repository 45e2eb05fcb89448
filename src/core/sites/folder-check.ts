import { posix } from 'node:path';
import { KedgeError } from '../../contract/errors';
import type { ErrorCode } from '../../contract/error-codes';
import { SITE_FOLDER } from '../../contract/target';
import type { Operation } from '../operation';
import { specialFiles, tooLongPaths } from '../archive/left-out';
import { tooLongPattern } from '../archive/layout';
import { Findings } from '../findings';
import type { FileStatus } from '../hosts/host';
import { LineReader, linesInto } from '../lines';
import { nullRecords } from '../null-records';
import { sideBySide } from '../side-by-side';
import { excludedTest } from './exclusion';
import { type ShownFolder, type SiteFolder, isBelow, shownFolders } from './site-folder';

/** What the folders of a site hold. */
export interface FolderContent {
  readonly warnings: readonly string[];
  /** Those of the warnings that say what no backup holds. */
  readonly notBackedUp: readonly string[];
  /** Of all regular files; hard links count once. */
  readonly bytes: number;
  /** Everything below the folders but folders. */
  readonly files: number;
  /** Bytes of each, the site folder first. */
  readonly folders: readonly { readonly path: string; readonly bytes: number }[];
  /** Files of other accounts than the owner of the site. */
  readonly foreignOwners: boolean;
  /** Where links lead that lead out of the folders, the first hundred: absolute paths, as the links stand. */
  readonly linkedTo: readonly string[];
}

/** How many paths an error names. */
const NAMED = 5;
const NAMED_LINKS = 100;

/**
 * Looks through the folders of a site, confined to each, for what a backup or restore would stumble over. What their owner
 * can do is a warning, a sentence each kind: what no backup holds, what a restore brings back otherwise. Errors are what
 * root alone can do and undo.
 * @throws KedgeError SiteFolderRefused when one is missing, a link or no folder, when something is mounted at or
 *   below it, or a file is immutable; OwnerRefused when files belong to others or to other groups and the worker is not
 *   root; FileRefused when a whole folder cannot be read
 * @param mayLack folders: what is missing then, or is no folder, is a sentence of `notBackedUp`
 */
export async function checkSiteFolder(
  folder: SiteFolder,
  operation: Operation,
  { mayLack = false }: { readonly mayLack?: boolean } = {},
): Promise<FolderContent> {
  const lacking = mayLack ? await lackingFolders(folder) : [];
  await requireFolder(folder, lacking);
  const hardLinks: HardLinks = new Map();
  const folders: { path: string; bytes: number }[] = [];
  const notBackedUp: string[] = lacking.map(
    (shown) => `${nameOf(shown)} is missing, or is no folder: the safety backup holds an empty one`,
  );
  const others: string[] = [];
  const linkedTo: string[] = [];
  const content = { bytes: 0, files: 0, foreignOwners: false, folders, linkedTo };
  for (const shown of shownFolders(folder).filter(({ name }) => !lacking.some((other) => other.name === name))) {
    const survey = await checkOne(folder, shown, hardLinks, operation);
    notBackedUp.push(...survey.notBackedUp.flatMap((findings) => findings.conclude() ?? []));
    others.push(...survey.others.flatMap((findings) => findings.conclude() ?? []));
    content.bytes += survey.bytes;
    content.files += survey.files;
    content.foreignOwners ||= survey.foreign.length > 0;
    linkedTo.push(...survey.linkedTo.slice(0, NAMED_LINKS - linkedTo.length));
    folders.push({ path: shown.from, bytes: survey.bytes });
  }
  return { ...content, warnings: [...notBackedUp, ...others], notBackedUp };
}

async function checkOne(
  folder: SiteFolder,
  shown: ShownFolder,
  hardLinks: HardLinks,
  operation: Operation,
): Promise<Survey> {
  const { host } = folder;
  const name = nameOf(shown);
  const mounts = await host.mountsBelow(shown.from);
  if (mounts.length > 0) {
    throw refused(
      folder,
      'SiteFolderRefused',
      `something is mounted in ${name}: ${some(mounts)}`,
      'A restore replaces the folder by a rename, which a mount does not follow: mount it outside and leave a link.',
    );
  }
  const [survey, marked] = await sideBySide([
    lookThrough(folder, shown, hardLinks, operation),
    findImmutable(folder, shown, operation),
  ]);
  const { privileged } = await host.account();
  if (survey.foreign.length > 0 && !privileged) {
    throw refused(
      folder,
      'OwnerRefused',
      `${name} holds files of others: ${some(survey.foreign)}`,
      'Run the worker as root, or give the files to the owner of the site.',
    );
  }
  // An ordinary user's namespace knows one group: neither the archive nor the restored site could hold another.
  if (survey.foreignGroup.length > 0 && !privileged) {
    throw refused(
      folder,
      'OwnerRefused',
      `${name} holds files of other groups: ${some(survey.foreignGroup)}`,
      `Run the worker as root, or give the files to the group of ${folder.site.owner.user}.`,
    );
  }
  if (marked.length > 0) {
    throw refused(
      folder,
      'SiteFolderRefused',
      `files of ${name} are immutable or append-only: ${some(marked)}`,
      'Take the flags away with `chattr -i -a`.',
    );
  }
  return survey;
}

/**
 * The folders of the site are there, and no links.
 * @throws KedgeError SiteFolderRefused
 */
export async function requireFolder(folder: SiteFolder, except: readonly ShownFolder[] = []): Promise<void> {
  for (const shown of shownFolders(folder)) {
    const status = await folder.host.status(shown.from);
    if (status?.type === 'folder' || except.some(({ name }) => name === shown.name)) continue;
    const problem = { file: 'a file', other: 'no folder', link: 'a symbolic link' };
    const key = shown.name === SITE_FOLDER ? 'root:' : `paths.${shown.name}:`;
    throw refused(
      folder,
      'SiteFolderRefused',
      `${nameOf(shown)} is ${status ? problem[status.type] : 'missing'}`,
      status?.type === 'link'
        ? `Set \`${key}\` of the site to the folder the link leads to.`
        : `Check \`${key}\` of the site in the configuration${status ? '' : ', or make the folder, owned by the owner of the site'}.`,
    );
  }
}

/** True where a folder of a site is gone, or something else lies in its place. A link may lead to it. */
export function isLacking(status: FileStatus | undefined): boolean {
  return status === undefined || (status.type !== 'folder' && status.type !== 'link');
}

async function lackingFolders(folder: SiteFolder): Promise<ShownFolder[]> {
  const lacking: ShownFolder[] = [];
  for (const shown of shownFolders(folder)) if (isLacking(await folder.host.status(shown.from))) lacking.push(shown);
  return lacking;
}

/** How messages name a folder of a site. */
function nameOf({ name, from }: ShownFolder): string {
  return name === SITE_FOLDER ? `the site folder ${from}` : `the declared path ${from}`;
}

/** The folder in which each file of several names was first seen, by device and inode. */
type HardLinks = Map<string, ShownFolder>;
/** So many are remembered. Of more, each name counts as a file of its own. */
const MAXIMUM_HARD_LINKS = 200_000;

interface Survey {
  bytes: number;
  files: number;
  foreign: string[];
  foreignGroup: string[];
  /** Where links out of the site lead. */
  linkedTo: string[];
  /** What no backup holds. */
  notBackedUp: Findings[];
  /** What is worth knowing, or comes back otherwise. */
  others: Findings[];
}

const SETUID = 0o4000;
const SETGID = 0o2000;

/**
 * One record an entry, fields and records ended by NUL, which no name holds. Before them stands what the entry is to a
 * backup: left out, too long a path, or held.
 */
const FIELDS = ['%y', '%s', '%U', '%G', '%m', '%n', '%i', '%D', '%Y', '%P', '%l'];
const [LEFT_OUT, TOO_LONG, HELD] = ['x', 'l', 'h'];

async function lookThrough(
  folder: SiteFolder,
  shown: ShownFolder,
  hardLinks: HardLinks,
  operation: Operation,
): Promise<Survey> {
  const { host, site } = folder;
  const { owner } = site;
  const { log } = operation;
  const all = shownFolders(folder);
  const root = { name: shown.name, path: shown.from };
  const name = nameOf(shown);
  const finding = (what: string): Findings => new Findings(log, what);
  const special = specialFiles(log, root);
  const tooLong = tooLongPaths(log, root);
  const unreadable = finding(
    `folders in ${shown.from} that cannot be looked through, of which no backup holds more than tar can read`,
  );
  const elsewhere = finding(`folders in ${shown.from} on another file system, what is in them is in no backup`);
  const leavingLinks = finding(`links that lead out of ${name}; what they lead to is in no backup`);
  const joining = finding(
    `hard links that join ${name} to another folder of the site; a restore makes a file of its own of each`,
  );
  const setuid = finding(
    `files in ${shown.from} with a setuid or setgid bit that are not the site's own; a restore takes the bits away`,
  );
  const survey: Survey = {
    bytes: 0,
    files: 0,
    foreign: [],
    foreignGroup: [],
    linkedTo: [],
    notBackedUp: [special, tooLong, unreadable, elsewhere],
    others: [leavingLinks, joining, setuid],
  };
  let device: string | undefined;
  let examined = 0;
  const see = (record: readonly Buffer[]): void => {
    const fields = record.map((field) => field.toString());
    const [held = '', type = '', size = '0', uid = '', gid = '', mode = '0', links = '', inode = '', on = ''] = fields;
    const [target = '', path = '', link = ''] = fields.slice(9);
    examined += 1;
    if (examined % 10_000 === 0) operation.progress({ bytes: survey.bytes, note: `${examined} files` });
    device ??= on;
    // As a restore has it: nothing acts as root because a site says so.
    const own = Number(uid) === owner.uid && Number(gid) === owner.gid && uid !== '0' && gid !== '0';
    if (Number(uid) !== owner.uid) keep(survey.foreign, path);
    if (Number(gid) !== owner.gid) keep(survey.foreignGroup, path);
    if (held === TOO_LONG) return tooLong.add(path);
    if (held === HELD && on !== device) elsewhere.add(path);
    if (type === 'd') return;
    survey.files += 1;
    const linked = links === '1' ? undefined : hardLinks.get(`${on}:${inode}`);
    if (linked !== undefined && linked !== shown && held === HELD) joining.add(path);
    if (links !== '1' && hardLinks.size < MAXIMUM_HARD_LINKS) hardLinks.set(`${on}:${inode}`, linked ?? shown);
    if (type === 'f' && linked === undefined) survey.bytes += Number(size);
    if (held !== HELD) return;
    if (type === 'l') {
      // Of what lies outside nothing is known in there but the system's own folders: all else may be a folder.
      if (target === 'f' || !leaves(all, shown, path, link)) return;
      leavingLinks.add(`${path} -> ${link}`);
      if (survey.linkedTo.length < NAMED_LINKS) survey.linkedTo.push(leadsTo(shown, path, link));
    } else if (type !== 'f') special.add(path);
    else if ((Number.parseInt(mode, 8) & (SETUID | SETGID)) !== 0 && !own) setuid.add(path);
  };
  const print = (what: string): string[] => ['-printf', `${[what, ...FIELDS].join('\\0')}\\0`];
  const deep = ['-path', `./${tooLongPattern(shown.name)}`, '-prune'];
  const complaints = new LineReader('utf8', (line) => {
    if (!line.startsWith('find: ') || line.endsWith(': No such file or directory')) return;
    unreadable.add(line.slice('find: '.length));
  });
  const completed = await host.run({
    argv: [
      'find',
      '.',
      '-xdev',
      ...['(', ...excludedTest({ name: shown.name, path: shown.to }, site.exclude), ...print(LEFT_OUT)],
      // Paths of any length would be printed whole, of each file below once more.
      ...['(', ...deep, '-o', '-true', ')', ')'],
      ...['-o', '(', ...deep, ...print(TOO_LONG), ')'],
      ...['-o', ...print(HELD)],
    ],
    sandbox: { readOnly: [shown], capabilities: ['DAC_READ_SEARCH'], workingFolder: shown.to },
    environment: { LC_ALL: 'C' },
    output: nullRecords(FIELDS.length + 1, see),
    // find is not content when files vanish meanwhile.
    acceptExitCodes: [0, 1],
    onErrorOutput: (chunk) => complaints.take(chunk),
    operation,
  });
  complaints.end();
  const whole = /^find: '\.': (?!No such file).*$/m.exec(completed.stderr);
  if (whole) {
    throw refused(
      folder,
      'FileRefused',
      `${name} cannot be looked through: ${whole[0]}`,
      'Make the folder readable for the worker.',
    );
  }
  return survey;
}

/** True when a link, as it stands, leads out of the folders of the site. */
function leaves(all: readonly ShownFolder[], { to }: Pick<ShownFolder, 'to'>, name: string, link: string): boolean {
  const target = leadsTo({ to }, name, link);
  return !all.some((folder) => isBelow(folder.to, target));
}

/** Where a link leads, as it stands. */
function leadsTo({ to }: Pick<ShownFolder, 'to'>, name: string, link: string): string {
  return posix.resolve(to, posix.dirname(name), link);
}

/** Immutable and append-only files, which can neither be replaced nor removed, not even by root. */
async function findImmutable(folder: SiteFolder, shown: ShownFolder, operation: Operation): Promise<string[]> {
  const marked: string[] = [];
  const output = linesInto('utf8', (line) => {
    const path = /^\S*[ia]\S* \.(?:\/(.*))?$/.exec(line);
    if (path) keep(marked, path[1] ?? '');
  });
  await folder.host.run({
    argv: [
      ...(['find', '.', '-xdev', '-path', `./${tooLongPattern(shown.name)}`, '-prune'] as const),
      // lsattr prints names as they are: with a newline in one its owner could have any file look immutable.
      ...['-o', '-path', '*\n*', '-prune', '-o', '-type', 'f,d', '-exec', 'lsattr', '-d', '{}', '+'],
    ],
    sandbox: { readOnly: [shown], capabilities: ['DAC_READ_SEARCH'], workingFolder: shown.to },
    environment: { LC_ALL: 'C' },
    output,
    // Not every file system knows such flags, not every system the program.
    acceptExitCodes: [0, 1],
    operation,
  });
  return marked;
}

function keep(list: string[], entry: string): void {
  // One more than is named, so that it can be said that there are more.
  if (list.length <= NAMED) list.push(entry === '' ? '.' : entry);
}

function some(entries: readonly string[]): string {
  const named = entries.slice(0, NAMED).map((entry) => entry.replace(/\p{Cc}/gu, '?').slice(0, 300));
  return named.join(', ') + (entries.length > NAMED ? ' and more' : '');
}

function refused(folder: SiteFolder, code: ErrorCode, message: string, hint: string): KedgeError {
  return new KedgeError(code, message, { site: folder.site.uri, server: folder.host.name, hint });
}
