import { type Bytes, END, bytesOf, header, member } from './tar-blocks';

/** What unpacking must bring to the folder beyond what the sound archive holds. */
export interface ExpectedFile {
  readonly type: 'file' | 'folder' | 'link';
  /** Permission bits; of a link none. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly content?: Bytes;
  readonly target?: Bytes;
  /** Seconds. */
  readonly mtime?: number;
}

/** By name as bytes (latin-1), relative to the folder of the site. */
export type ExpectedFiles = Readonly<Record<string, ExpectedFile>>;

export type Expectation =
  { readonly refused: 'ArchiveRefused' | 'ArchiveInvalid' } | { readonly accepted: ExpectedFiles };

/** An archive that somebody built by hand, and what must become of it. */
export interface HostileArchive {
  readonly name: string;
  /** The archive, given the members of a sound one without its end. It holds `./`, a record, a dump and `./index.php`. */
  readonly bytes: (sound: Buffer) => Buffer;
  readonly expected: Expectation;
  /** What the catalogue's own archives are granted where it differs: they hold whatever a site's owner made. */
  readonly fromCatalogue?: Expectation;
  /** Real programs disagree on it, which a test shows. */
  readonly differential?: true;
}

type Options = Pick<HostileArchive, 'fromCatalogue' | 'differential'>;

export const DISPUTED: Options = { differential: true };

/** Members behind those of a sound archive: something that a backup of a site never holds. */
export function refused(name: string, members: readonly Buffer[], options: Options = {}): HostileArchive {
  return { name, bytes: behind(members), expected: { refused: 'ArchiveRefused' }, ...options };
}

/** Members behind those of a sound archive: something that is not plainly an archive. */
export function invalid(name: string, members: readonly Buffer[], options: Options = {}): HostileArchive {
  return { name, bytes: behind(members), expected: { refused: 'ArchiveInvalid' }, ...options };
}

/** Members behind those of a sound archive: odd, and plainly understood. */
export function accepted(
  name: string,
  members: readonly Buffer[],
  files: ExpectedFiles,
  options: Options = {},
): HostileArchive {
  return { name, bytes: behind(members), expected: { accepted: files }, ...options };
}

function behind(members: readonly Buffer[]): HostileArchive['bytes'] {
  return (sound) => Buffer.concat([sound, ...members, END]);
}

/** What an attacker wants to have unpacked: a program that runs as root. Two blocks. */
export const EVIL = member({ name: './evil', mode: 0o4755 }, '#!/bin/sh\n');

/** A dump to be taken for the one that was judged. Two blocks. */
export const OTHER_DUMP = member({ name: './database.sql' }, 'DROP TABLE posts;\n-- Dump completed\n');

/** An ordinary file, for what stands before it to act on. */
export const PLAIN = member({ name: './plain', mode: 0o640, uid: 1234, gid: 2345 }, 'plain\n');
export const PLAIN_FILE: ExpectedFile = { type: 'file', mode: 0o640, uid: 1234, gid: 2345, content: 'plain\n' };

/** A link as tar programs write one. */
export const symlink = (name: Bytes, target: Bytes): Buffer => header({ name, type: '2', linkname: target });
export const hardLink = (name: Bytes, target: Bytes): Buffer => header({ name, type: '1', linkname: target });
export const folder = (name: Bytes): Buffer => header({ name, type: '5', mode: 0o755 });
export const file = (name: Bytes, content = 'x'): Buffer => member({ name }, bytesOf(content));
