import { posix } from 'node:path';
import { Writable } from 'node:stream';
import { KedgeError } from '../../contract/errors';
import type { ErrorCode } from '../../contract/error-codes';
import { SITE_FOLDER } from '../../contract/target';
import type { Operation } from '../operation';
import { sideBySide } from '../side-by-side';
import { type ShownFolder, type SiteFolder, isBelow, shownFolders } from './site-folder';

/** What the folders of a site hold. */
export interface FolderContent {
  readonly warnings: string[];
  /** Of all regular files; hard links count once. */
  readonly bytes: number;
  /** Everything below the folders but folders. */
  readonly files: number;
  /** Bytes of each, the site folder first. */
  readonly folders: readonly { readonly path: string; readonly bytes: number }[];
  /** Files of other accounts than the owner of the site. */
  readonly foreignOwners: boolean;
}

/** How many paths a message names. */
const NAMED = 5;

/**
 * Looks through the folders of a site, confined to each, for what a backup or restore would stumble over.
 * @throws KedgeError SiteFolderRefused when one is missing, a link or no folder, when something is mounted at or
 *   below it, a file is immutable, folders are nested too deep, or a hard link joins two of them; OwnerRefused when files
 *   belong to others or to other groups and the worker is not root; FileRefused when a folder cannot be read
 */
export async function checkSiteFolder(folder: SiteFolder, operation: Operation): Promise<FolderContent> {
  await requireFolder(folder);
  const hardLinks = new Map<string, ShownFolder>();
  const folders: { path: string; bytes: number }[] = [];
  const content = { warnings: [] as string[], bytes: 0, files: 0, foreignOwners: false, folders };
  for (const shown of shownFolders(folder)) {
    const survey = await checkOne(folder, shown, hardLinks, operation);
    if (survey.leavingLinks.length > 0)
      content.warnings.push(
        `links lead out of ${nameOf(shown)}; what they lead to is in no backup: ${some(survey.leavingLinks)}`,
      );
    content.bytes += survey.bytes;
    content.files += survey.files;
    content.foreignOwners ||= survey.foreign.length > 0;
    folders.push({ path: shown.from, bytes: survey.bytes });
  }
  return content;
}

async function checkOne(
  folder: SiteFolder,
  shown: ShownFolder,
  hardLinks: Map<string, ShownFolder>,
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
  if (survey.otherDevices.length > 0) {
    throw refused(
      folder,
      'SiteFolderRefused',
      `another file system is mounted in ${name}: ${some(survey.otherDevices)}`,
      'A restore replaces the folder by a rename, which a mount does not follow: mount it outside and leave a link.',
    );
  }
  if (survey.sharedLinks.length > 0) {
    throw refused(
      folder,
      'SiteFolderRefused',
      `hard links join ${name} to another folder of the site: ${some(survey.sharedLinks)}`,
      'Put a copy in the place of one of the two: each folder is replaced by itself.',
    );
  }
  if (survey.foreign.length > 0 && !host.privileged) {
    throw refused(
      folder,
      'OwnerRefused',
      `${name} holds files of others: ${some(survey.foreign)}`,
      'Run the worker as root, or give the files to the owner of the site.',
    );
  }
  // An ordinary user's namespace knows one group: neither the archive nor the restored site could hold another.
  if (survey.foreignGroup.length > 0 && !host.privileged) {
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
export async function requireFolder(folder: SiteFolder): Promise<void> {
  for (const shown of shownFolders(folder)) {
    const status = await folder.host.status(shown.from);
    if (status?.type === 'folder') continue;
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

/** How messages name a folder of a site. */
function nameOf({ name, from }: ShownFolder): string {
  return name === SITE_FOLDER ? `the site folder ${from}` : `the declared path ${from}`;
}

interface Survey {
  bytes: number;
  files: number;
  foreign: string[];
  foreignGroup: string[];
  leavingLinks: string[];
  /** Files that another folder of the site holds too. */
  sharedLinks: string[];
  otherDevices: string[];
}

/** One record an entry, fields and records ended by NUL, which no name holds. */
const FIELDS = ['%y', '%s', '%U', '%G', '%n', '%i', '%D', '%Y', '%P', '%l'];

async function lookThrough(
  folder: SiteFolder,
  shown: ShownFolder,
  hardLinks: Map<string, ShownFolder>,
  operation: Operation,
): Promise<Survey> {
  const { host, site } = folder;
  const all = shownFolders(folder);
  const survey: Survey = {
    bytes: 0,
    files: 0,
    foreign: [],
    foreignGroup: [],
    leavingLinks: [],
    sharedLinks: [],
    otherDevices: [],
  };
  let device: string | undefined;
  let examined = 0;
  const see = (fields: string[]): void => {
    const [type = '', size = '0', owner = '', group = '', links = '', inode = '', on = '', target = ''] = fields;
    const [name = '', link = ''] = fields.slice(8);
    examined += 1;
    if (examined % 10_000 === 0) operation.progress({ bytes: survey.bytes, note: `${examined} files` });
    device ??= on;
    if (on !== device) keep(survey.otherDevices, name);
    if (Number(owner) !== site.owner.uid) keep(survey.foreign, name);
    if (Number(group) !== site.owner.gid) keep(survey.foreignGroup, name);
    if (type === 'd') return;
    survey.files += 1;
    const linked = links === '1' ? undefined : hardLinks.get(`${on}:${inode}`);
    if (linked !== undefined && linked !== shown) keep(survey.sharedLinks, name);
    if (links !== '1') hardLinks.set(`${on}:${inode}`, linked ?? shown);
    if (type === 'f' && linked === undefined) survey.bytes += Number(size);
    // Of what lies outside nothing is known in there but the system's own folders: all else may be a folder.
    if (type === 'l' && target !== 'f' && leaves(all, shown, name, link))
      keep(survey.leavingLinks, `${name} -> ${link}`);
  };
  const completed = await host.run({
    argv: ['sh', '-c', 'find "$1" -printf "$2" || exit 20', 'sh', shown.to, `${FIELDS.join('\\0')}\\0`],
    sandbox: { readOnly: [shown], capabilities: ['DAC_READ_SEARCH'] },
    output: records(FIELDS.length, see, (start) =>
      refused(
        folder,
        'SiteFolderRefused',
        `folders of ${nameOf(shown)} are nested too deep: ${start.slice(0, 200)}`,
        'Remove them: no archive holds such paths.',
      ),
    ),
    // find is not content when files vanish meanwhile.
    acceptExitCodes: [0, 20],
    operation,
  });
  const problems = completed.stderr
    .split('\n')
    .filter((line) => line !== '' && !line.endsWith(': No such file or directory'));
  if (problems.length > 0) {
    throw refused(
      folder,
      'FileRefused',
      `${nameOf(shown)} cannot be looked through: ${some(problems)}`,
      'Make every folder of the site readable for the worker.',
    );
  }
  return survey;
}

/** No path is longer by far. The owner could have folders nested until their names fill the memory. */
const MAXIMUM_FIELD_BYTES = 64 * 1024;

/** Takes NUL-separated fields apart, `count` a record. Names are bytes: what is no UTF-8 is shown as such. */
function records(count: number, see: (fields: string[]) => void, tooLong: (start: string) => Error): Writable {
  let rest: Buffer = Buffer.alloc(0);
  let fields: string[] = [];
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, start)) {
        fields.push(bytes.toString('utf8', start, end));
        start = end + 1;
        if (fields.length === count) {
          see(fields);
          fields = [];
        }
      }
      rest = bytes.subarray(start);
      done(rest.length > MAXIMUM_FIELD_BYTES ? tooLong(rest.toString('utf8', 0, MAXIMUM_FIELD_BYTES)) : null);
    },
  });
}

/** True when a link, as it stands, leads out of the folders of the site. */
function leaves(all: readonly ShownFolder[], { to }: ShownFolder, name: string, link: string): boolean {
  const target = posix.resolve(to, posix.dirname(name), link);
  return !all.some((folder) => isBelow(folder.to, target));
}

/** Immutable and append-only files, which can neither be replaced nor removed, not even by root. */
async function findImmutable(folder: SiteFolder, shown: ShownFolder, operation: Operation): Promise<string[]> {
  const marked: string[] = [];
  let rest = '';
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines)
        if (/^\S*[ia]\S* \//.test(line) && !line.startsWith('/')) keep(marked, line.slice(line.indexOf('/')));
      done();
    },
  });
  await folder.host.run({
    argv: ['sh', '-c', 'lsattr -R -a "$1" || exit 20', 'sh', shown.to],
    sandbox: { readOnly: [shown], capabilities: ['DAC_READ_SEARCH'] },
    output,
    // Not every file system knows such flags, not every system the program.
    acceptExitCodes: [0, 20],
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
