import { createHash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { isKedgeError } from '../../contract/errors';
import type { Operation } from '../operation';
import { settingsInvalid } from './settings-error';
import { folderOfFile, seenPath } from './site-folder';
import type { SettingsFile } from './settings-formats/settings-format';

/** Larger settings are refused: nobody writes them by hand, and all of it is held in memory. */
export const MAXIMUM_FILE_BYTES = 256 * 1024;

const PROBLEMS = new Map([
  [10, 'lie in a folder that is missing'],
  [11, 'are a symbolic link, which is not followed'],
  [12, 'are missing'],
  [13, 'are no regular file'],
  [14, 'have an owner, group or mode that the worker cannot keep'],
  [15, 'were changed while they were rewritten'],
  [16, 'cannot be read by the owner of the site'],
]);
const EXIT_CODES = [0, ...PROBLEMS.keys()];

// $1 folder, $2 name. dd, because it can refuse a link at the moment of opening, and does not wait for a pipe.
const READ = `
cd -- "$1" || exit 10
[ ! -L "$2" ] || exit 11
[ -e "$2" ] || exit 12
[ -f "$2" ] || exit 13
dd "if=./$2" iflag=nofollow,nonblock,fullblock bs=64K count=5 status=none >&4 || exit 16
`;

/**
 * Reads a settings file (or its candidate) as the owner of the site, confined to its folder. No link is followed.
 * @throws KedgeError SettingsInvalid when it is missing, no regular file, unreadable or too large
 */
export async function readSiteFile(file: SettingsFile, operation: Operation): Promise<Buffer> {
  const { host, site } = file.folder;
  const completed = await host.run({
    argv: ['sh', '-c', READ, 'sh', ...place(file, file.candidate ?? file.path)],
    sandbox: { readOnly: [folderOfFile(file.folder, file.path)] },
    owner: site.owner,
    wantsResult: true,
    acceptExitCodes: EXIT_CODES,
    limits: { timeoutMs: 10_000 },
    operation,
  });
  refuse(file, completed.exitCode);
  if (completed.result.length > MAXIMUM_FILE_BYTES) {
    throw settingsInvalid(file, `are larger than ${MAXIMUM_FILE_BYTES} bytes`);
  }
  return completed.result;
}

/** True when every account of the server may read the settings file, as far as its own mode goes. */
export async function readableByAll(file: SettingsFile, operation: Operation): Promise<boolean> {
  const { host, site } = file.folder;
  const completed = await host.run({
    argv: ['stat', '-c', '%a', seenPath(file.folder, file.path)],
    sandbox: { readOnly: [folderOfFile(file.folder, file.path)] },
    owner: site.owner,
    operation,
  });
  return (Number.parseInt(completed.stdout, 8) & 0o004) !== 0;
}

// $1 folder, $2 name, $3 name of the candidate, $4 sha256 of what is replaced. All attributes are set through the
// descriptor: the owner of the folder may put something else under the name meanwhile.
const STAGE = `
set -eu
cd -- "$1" || exit 10
[ ! -L "$2" ] || exit 11
[ -e "$2" ] || exit 12
[ -f "$2" ] || exit 13
rm -f -- "$3"
umask 077
set -C
exec 5> "$3"
cat >&5
cp -P --attributes-only --preserve=mode,ownership -- "$2" /dev/fd/5
[ "$(stat -L -c %u:%g:%a /dev/fd/5)" = "$(stat -c %u:%g:%a -- "$2")" ] || exit 14
# The same second as before would leave opcache with the old file.
now=$(stat -L -c %Y /dev/fd/5)
[ "$now" != "$(stat -c %Y -- "$2")" ] || touch -m -d "@$((now + 1))" /dev/fd/5
sync /dev/fd/5
[ "$(sha256sum < "$2")" = "$4  -" ] || exit 15
`;

// $1 folder, $2 name, $3 name of the candidate.
const PUBLISH = `
set -eu
cd -- "$1" || exit 10
[ ! -L "$2" ] || exit 11
[ -f "$2" ] || exit 13
mv -fT -- "$3" "$2"
sync .
`;

const DISCARD = `
cd -- "$1" || exit 0
rm -f -- "$3"
`;

/**
 * Writes new content for a settings file beside it, with its owner, group, mode and ACL, durably. Nothing of an earlier
 * attempt stays. Returns the file with its candidate, to be evaluated, then published or discarded.
 * @throws KedgeError SettingsInvalid when the file is no regular file, is not `before` any more, or its owner or mode
 *   cannot be kept; DiskFull
 */
export async function stageSiteFile(
  file: SettingsFile,
  before: Buffer,
  content: Buffer,
  operation: Operation,
): Promise<SettingsFile & { candidate: string }> {
  // The ending stays, so that a web server treats what a crash left behind as it treats the settings.
  const candidate = join(dirname(file.path), `.kedge-${basename(file.path)}`);
  const staged = { ...file, candidate };
  await change(staged, STAGE, [createHash('sha256').update(before).digest('hex')], content, operation);
  return staged;
}

/** Puts the candidate in the place of the settings file, atomically and durably. */
export async function publishSiteFile(
  staged: SettingsFile & { candidate: string },
  operation: Operation,
): Promise<void> {
  await change(staged, PUBLISH, [], undefined, operation);
}

/** Removes the candidate; nothing happens when there is none. */
export async function discardSiteFile(
  staged: SettingsFile & { candidate: string },
  operation: Operation,
): Promise<void> {
  await change(staged, DISCARD, [], undefined, operation);
}

async function change(
  file: SettingsFile & { candidate: string },
  script: string,
  extra: readonly string[],
  input: Buffer | undefined,
  operation: Operation,
): Promise<void> {
  const { host } = file.folder;
  const completed = await host
    .run({
      argv: ['sh', '-c', script, 'sh', ...place(file, file.path), basename(file.candidate), ...extra],
      sandbox: {
        writable: [folderOfFile(file.folder, file.path)],
        capabilities: ['CHOWN', 'FOWNER', 'DAC_OVERRIDE'],
      },
      ...(input === undefined ? {} : { input }),
      acceptExitCodes: EXIT_CODES,
      limits: { timeoutMs: 60_000 },
      operation,
    })
    .catch((error: unknown) => {
      // What these programs print names files and nothing else.
      if (isKedgeError(error) && error.code === 'ProgramFailed') {
        throw settingsInvalid(file, `cannot be rewritten: ${error.message}`);
      }
      throw error;
    });
  refuse(file, completed.exitCode);
}

/** Folder and name of a file, as they are seen in the sandbox. */
function place({ folder }: SettingsFile, path: string): [string, string] {
  const seen = seenPath(folder, path);
  return [dirname(seen), basename(seen)];
}

function refuse(file: SettingsFile, exitCode: number): void {
  const problem = PROBLEMS.get(exitCode);
  if (problem !== undefined) throw settingsInvalid(file, problem);
}
