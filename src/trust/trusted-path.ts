import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { KedgeError } from '../contract/errors';

/** What an account who is neither root nor ourselves may do to a file is read from these. */
export interface Ownership {
  readonly uid: number;
  readonly mode: number;
}

const STICKY = 0o1000;
const WRITABLE_BY_OTHERS = 0o022;
const WRITABLE_BY_EVERYBODY = 0o002;
const MAXIMUM_LINKS = 40;
/** As Linux defines it on the architectures of Node; Node does not name it. Opens nothing, only looks. */
const O_PATH = 0o10000000;
const DEFAULT_MAXIMUM_BYTES = 1024 * 1024;

/** The account that this process runs as. */
export function ownUid(): number {
  return process.getuid?.() ?? 0;
}

export function isRoot(): boolean {
  return ownUid() === 0;
}

/** Root's, or that of the account this process runs as. */
export function isOurs({ uid }: Pick<Ownership, 'uid'>): boolean {
  return uid === 0 || uid === ownUid();
}

/**
 * What a file holds that nobody but root and ourselves can have written or put there: it belongs to one of the two, as does
 * every folder and link on the way, and nobody else may write any of them but for sticky folders. Links that others may
 * have laid are not followed. What is judged is what is read: it is opened once. An ordinary user's group is often his own:
 * what only a group may write is refused to root alone.
 * @throws KedgeError OwnerRefused, with what is to be mended; what opening throws, such as ENOENT
 */
export function readTrustedFile(path: string, maximumBytes = DEFAULT_MAXIMUM_BYTES): Buffer {
  // Without O_NONBLOCK a named pipe would hold us for ever.
  const descriptor = walk(path, (place) => openJudged(path, place, constants.O_RDONLY | constants.O_NONBLOCK));
  try {
    if (!fstatSync(descriptor).isFile())
      throw new KedgeError('FileRefused', `${path} is no regular file`, { hint: IS_IT_MEANT });
    const content = Buffer.alloc(maximumBytes + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length <= maximumBytes; length += read)
      read = readSync(descriptor, content, length, content.length - length, null);
    if (length > maximumBytes)
      throw new KedgeError('FileRefused', `${path} is larger than ${maximumBytes} bytes`, { hint: IS_IT_MEANT });
    return content.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}

const IS_IT_MEANT = 'Is it the file that was meant?';

/**
 * Sees to it that nobody but root and ourselves can have written a file, or laid what is in a folder, that another program
 * reads or runs for us. One that is not there, or that we may not look at, is for that program to complain of.
 * @throws KedgeError OwnerRefused, with what is to be mended
 */
export function assertTrusted(path: string): void {
  try {
    closeSync(walk(path, (place) => openJudged(path, place, O_PATH)));
  } catch (error) {
    if (error instanceof KedgeError && error.code === 'OwnerRefused') throw error;
  }
}

/**
 * A descriptor of what a path leads to, through folders and links that nobody but root and ourselves can change. What is
 * opened, for reading, is the caller's to judge and to close.
 * @throws as {@link readTrustedFile}
 */
export function openInTrustedFolders(path: string): number {
  return walk(path, (place) => openSync(place, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW));
}

/** From / down, as the kernel does it: each folder is judged before what is in it, which then is still what was met. */
function walk(path: string, openLast: (place: string) => number): number {
  let folder = '/';
  let names = namesOf(path);
  let links = 0;
  assertOurs(path, folder, lstatSync(folder));
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === '..') {
      folder = dirname(folder);
      continue;
    }
    const at = join(folder, name);
    const status = lstatSync(at);
    if (status.isSymbolicLink()) {
      // The mode of a link says nothing.
      assertOurs(path, at, { uid: status.uid, mode: 0 });
      // As the kernel says it.
      if ((links += 1) > MAXIMUM_LINKS) throw Object.assign(new Error(`ELOOP: ${path}`), { code: 'ELOOP' });
      const target = readlinkSync(at);
      if (target.startsWith('/')) folder = '/';
      names = [...namesOf(target), ...names];
    } else if (names.length === 0) {
      return openLast(at);
    } else {
      assertOurs(path, at, status);
      folder = at;
    }
  }
  return openLast(folder);
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

function openJudged(path: string, place: string, flags: number): number {
  const descriptor = openSync(place, flags | constants.O_NOFOLLOW);
  try {
    const status = fstatSync(descriptor);
    if (status.isDirectory()) assertOurs(path, place, status);
    // The sticky bit of a file says nothing.
    if (status.isFile()) assertOurs(path, place, { uid: status.uid, mode: status.mode & ~STICKY });
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function assertOurs(path: string, at: string, { uid, mode }: Ownership): void {
  const ours = isOurs({ uid });
  const writable = mode & (isRoot() ? WRITABLE_BY_OTHERS : WRITABLE_BY_EVERYBODY);
  // In a sticky folder nobody renames what root or we own.
  if (ours && (writable === 0 || (mode & STICKY) !== 0)) return;
  const where = at === path ? 'it' : at;
  const why = ours ? `has mode 0${(mode & 0o7777).toString(8)}` : `belongs to uid ${uid}`;
  const owner = isRoot() ? 'root' : String(ownUid());
  throw new KedgeError('OwnerRefused', `${path} can be changed by others than ${whom()}: ${where} ${why}`, {
    hint: `Look at who wrote it, then run \`${ours ? `chmod go-w ${at}` : `chown ${owner} ${at}`}\`, or keep it elsewhere.`,
  });
}

function whom(): string {
  return isRoot() ? 'root' : 'root and yourself';
}
