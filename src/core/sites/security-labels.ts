import { isKedgeError } from '../../contract/errors';
import type { Operation } from '../operation';
import { type SiteFolder, shownFolders } from './site-folder';

/** What SELinux of a machine is reached by. */
export interface LabelSystem {
  /** Where its file system is mounted; it is where SELinux is enabled, and nowhere else (man 7 selinux). */
  readonly fileSystem: string;
  /** Its rules: which label belongs to which path. */
  readonly rules: string;
  /** Program and first arguments. */
  readonly restorecon: readonly [string, ...string[]];
}

const SYSTEM: LabelSystem = {
  fileSystem: '/sys/fs/selinux',
  rules: '/etc/selinux',
  restorecon: ['restorecon', '-R'],
};
/** A million files take minutes. */
const LIMIT_MS = 60 * 60_000;

/**
 * Gives what waits for the switch the SELinux labels that the rules of the machine have for where it will live: it was unpacked
 * elsewhere, and a rename keeps labels, so that the web server might not be let in. The program sees the folders at the paths the
 * site lives at, and nothing else that it could change; their owner cannot reach them. Where SELinux is not enabled nothing
 * happens. Labels that cannot be given are a warning: whether the site is served without them the probe sees.
 */
export async function restoreLabels(folder: SiteFolder, operation: Operation, system = SYSTEM): Promise<void> {
  const { host, site } = folder;
  if ((await host.status(`${system.fileSystem}/enforce`)) === undefined) return;
  const folders = shownFolders(folder);
  try {
    await host.run({
      argv: [...system.restorecon, '--', ...folders.map(({ to }) => to)],
      sandbox: {
        readOnly: [{ from: system.rules }],
        // The library takes one that is mounted read-only for SELinux that is not enabled.
        writable: [...folders.map(({ from, to }) => ({ from, to })), { from: system.fileSystem }],
        capabilities: ['FOWNER', 'DAC_OVERRIDE', 'DAC_READ_SEARCH'],
      },
      limits: { timeoutMs: LIMIT_MS },
      operation,
    });
    operation.log.info(`${site.uri} was given the SELinux labels of ${host.name}`);
  } catch (error) {
    operation.signal.throwIfAborted();
    if (!isKedgeError(error)) throw error;
    operation.log.warn(
      `files of ${site.uri} keep the SELinux labels that they were unpacked with: ${error.message}. Run \`restorecon -R ${site.root}\` where the web server is not let in`,
    );
  }
}
