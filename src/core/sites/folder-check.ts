import { posix } from 'node:path';
import { Writable } from 'node:stream';
import { KedgeError } from '../../contract/errors';
import type { ErrorCode } from '../../contract/error-codes';
import type { Operation } from '../operation';
import type { SiteFolder } from './site-kind';

/** What a site folder holds. */
export interface FolderContent {
  readonly warnings: string[];
  /** Of all regular files; hard links count once. */
  readonly bytes: number;
  /** Everything below the folder but folders. */
  readonly files: number;
  /** Files of other accounts than the owner of the site. */
  readonly foreignOwners: boolean;
}

/** How many paths a message names. */
const NAMED = 5;

/**
 * Looks through a site folder, confined to it, for what a backup or restore would stumble over.
 * @throws KedgeError SiteFolderRefused when the folder is missing, a link or no folder, when something is mounted at or
 *   below it, a file is immutable, or folders are nested too deep; OwnerRefused when files belong to others or to other groups and the worker is not
 *   root; FileRefused when a folder of it cannot be read
 */
export async function checkSiteFolder(folder: SiteFolder, operation: Operation): Promise<FolderContent> {
  const { host, path } = folder;
  await requireFolder(folder);
  const mounts = await host.mountsBelow(path);
  if (mounts.length > 0) {
    throw refused(
      folder,
      'SiteFolderRefused',
      `something is mounted in the site folder ${path}: ${some(mounts)}`,
      'A restore replaces the folder by a rename, which a mount does not follow: mount it outside and leave a link.',
    );
  }
  const survey = await lookThrough(folder, operation);
  if (survey.otherDevices.length > 0) {
    throw refused(
      folder,
      'SiteFolderRefused',
      `another file system is mounted in the site folder ${path}: ${some(survey.otherDevices)}`,
      'A restore replaces the folder by a rename, which a mount does not follow: mount it outside and leave a link.',
    );
  }
  if (survey.foreign.length > 0 && !host.privileged) {
    throw refused(
      folder,
      'OwnerRefused',
      `the site folder ${path} holds files of others: ${some(survey.foreign)}`,
      'Run the worker as root, or give the files to the owner of the site.',
    );
  }
  // An ordinary user's namespace knows one group: neither the archive nor the restored site could hold another.
  if (survey.foreignGroup.length > 0 && !host.privileged) {
    throw refused(
      folder,
      'OwnerRefused',
      `the site folder ${path} holds files of other groups: ${some(survey.foreignGroup)}`,
      `Run the worker as root, or give the files to the group of ${folder.site.owner.user}.`,
    );
  }
  await refuseImmutable(folder, operation);
  const warnings =
    survey.leavingLinks.length === 0
      ? []
      : [`links lead out of the site folder ${path}; what they lead to is in no backup: ${some(survey.leavingLinks)}`];
  return { warnings, bytes: survey.bytes, files: survey.files, foreignOwners: survey.foreign.length > 0 };
}

/**
 * The site folder is there, and no link.
 * @throws KedgeError SiteFolderRefused
 */
export async function requireFolder(folder: SiteFolder): Promise<void> {
  const { host, path } = folder;
  const status = await host.status(path);
  if (status?.type === 'folder') return;
  const problem = { file: 'a file', other: 'no folder', link: 'a symbolic link' };
  throw refused(
    folder,
    'SiteFolderRefused',
    `the site folder ${path} is ${status ? problem[status.type] : 'missing'}`,
    status?.type === 'link'
      ? 'Set `root:` of the site to the folder the link leads to.'
      : 'Check `root:` of the site in the configuration.',
  );
}

interface Survey {
  bytes: number;
  files: number;
  foreign: string[];
  foreignGroup: string[];
  leavingLinks: string[];
  otherDevices: string[];
}

/** One record an entry, fields and records ended by NUL, which no name holds. */
const FIELDS = ['%y', '%s', '%U', '%G', '%n', '%i', '%D', '%Y', '%P', '%l'];

async function lookThrough(folder: SiteFolder, operation: Operation): Promise<Survey> {
  const { host, path, site } = folder;
  const survey: Survey = {
    bytes: 0,
    files: 0,
    foreign: [],
    foreignGroup: [],
    leavingLinks: [],
    otherDevices: [],
  };
  const counted = new Set<string>();
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
    if (type === 'f' && !(links !== '1' && counted.has(inode))) {
      survey.bytes += Number(size);
      if (links !== '1') counted.add(inode);
    }
    // Of what lies outside nothing is known in there but the system's own folders: all else may be a folder.
    if (type === 'l' && target !== 'f' && leaves(site.root, name, link))
      keep(survey.leavingLinks, `${name} -> ${link}`);
  };
  const completed = await host.run({
    argv: ['sh', '-c', 'find "$1" -printf "$2" || exit 20', 'sh', site.root, `${FIELDS.join('\\0')}\\0`],
    sandbox: { readOnly: [{ from: path, to: site.root }], capabilities: ['DAC_READ_SEARCH'] },
    output: records(FIELDS.length, see, (start) =>
      refused(
        folder,
        'SiteFolderRefused',
        `folders of the site folder ${path} are nested too deep: ${start.slice(0, 200)}`,
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
      `the site folder ${path} cannot be looked through: ${some(problems)}`,
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

/** True when a link, as it stands, leads out of the folder. */
function leaves(root: string, name: string, link: string): boolean {
  const target = posix.resolve(root, posix.dirname(name), link);
  return target !== root && !target.startsWith(`${root}/`);
}

/** Immutable and append-only files can neither be replaced nor removed, not even by root. */
async function refuseImmutable(folder: SiteFolder, operation: Operation): Promise<void> {
  const { host, path, site } = folder;
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
  await host.run({
    argv: ['sh', '-c', 'lsattr -R -a "$1" || exit 20', 'sh', site.root],
    sandbox: { readOnly: [{ from: path, to: site.root }], capabilities: ['DAC_READ_SEARCH'] },
    output,
    // Not every file system knows such flags, not every system the program.
    acceptExitCodes: [0, 20],
    operation,
  });
  if (marked.length > 0) {
    throw refused(
      folder,
      'SiteFolderRefused',
      `files of the site folder ${path} are immutable or append-only: ${some(marked)}`,
      'Take the flags away with `chattr -i -a`.',
    );
  }
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
