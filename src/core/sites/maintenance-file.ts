import type { Operation } from '../operation';
import type { Host } from '../hosts/host';

/** The file by which an application shuts itself. */
export interface MaintenanceFile {
  /** Relative to the site folder. */
  readonly path: string;
  /** ASCII. */
  readonly content: string;
}

/** A site's folder, as far as its file goes. */
export interface FileFolder {
  readonly host: Host;
  /** Where it is now. */
  readonly path: string;
  /** Where the site sees it. */
  readonly site: { readonly root: string };
}

const TAKEN = 11;
const TIME_LIMIT_MS = 30_000;

// $2 name, $3 content. No more is read than ours is long: what the owner laid there may have no end.
const IS_OURS = `
is_ours() {
  [ -f "$2" ] && [ ! -L "$2" ] && [ "$(stat -c %s -- "$2")" = "\${#3}" ] && [ "$(head -c "\${#3}" -- "$2")" = "$3" ]
}
`;

// $1 folder, $2 name, $3 content. noclobber opens with O_EXCL, which follows no link. The folder keeps its time, for
// nothing of the site has changed.
const RAISE = `${IS_OURS}
set -eu
cd -- "$1"
if [ -e "$2" ] || [ -L "$2" ]; then
  is_ours "$@" || exit ${TAKEN}
  exit 0
fi
touch -r . /tmp/before
umask 022
set -C
printf %s "$3" > "$2"
touch -r /tmp/before .
sync .
`;

const LOWER = `${IS_OURS}
set -eu
cd -- "$1"
is_ours "$@" || exit 0
touch -r . /tmp/before
rm -f -- "$2"
touch -r /tmp/before .
sync .
`;

/**
 * Shuts the application by its own file, so that its cron and command line stop too. False when a file of that name was
 * there: it is somebody else's and stays. Idempotent. @throws KedgeError ProgramFailed, DiskFull
 */
export async function raiseMaintenanceFile(
  folder: FileFolder,
  file: MaintenanceFile,
  operation: Operation,
): Promise<boolean> {
  return (await change(folder, file, RAISE, operation)) === 0;
}

/** Takes away what `raiseMaintenanceFile` wrote, and nothing else. Idempotent. @throws KedgeError ProgramFailed */
export async function lowerMaintenanceFile(
  folder: FileFolder,
  file: MaintenanceFile,
  operation: Operation,
): Promise<void> {
  await change(folder, file, LOWER, operation);
}

async function change(
  { host, path, site }: FileFolder,
  file: MaintenanceFile,
  script: string,
  operation: Operation,
): Promise<number> {
  const { exitCode } = await host.run({
    argv: ['sh', '-c', script, 'sh', site.root, file.path, file.content],
    sandbox: { writable: [{ from: path, to: site.root }], capabilities: ['FOWNER', 'DAC_OVERRIDE'] },
    acceptExitCodes: [0, TAKEN],
    limits: { timeoutMs: TIME_LIMIT_MS },
    operation,
  });
  return exitCode;
}
