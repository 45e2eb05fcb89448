import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { probeFolder } from './flag-paths';
import { prepareFlags } from './maintenance';

const PREFIX_LENGTH = 12;

/**
 * A name that nobody can guess, 32 hexadecimal digits, by which what a killed task left is known to be its own. What is done for a
 * task beside its steps has its mark too, behind a word and a hyphen: `undo-`, `finish-`, `look-`, `watchdog-`.
 */
export function newProbeName({ mark }: Pick<Operation, 'mark'>): string {
  const [ofTask = ''] = mark.replace(/^[a-z]+-/, '').split('/');
  return `${probePrefix(ofTask)}${randomBytes(16).toString('hex').slice(PREFIX_LENGTH)}`;
}

/** What the names of a task's probe files begin with, by the mark of the task. */
export function probePrefix(markOfTask: string): string {
  return createHash('sha256').update(markOfTask).digest('hex').slice(0, PREFIX_LENGTH);
}

/**
 * Does `work` while a file of this name exists where the web server and PHP can read it. The file is gone afterwards,
 * whatever happens; what a crash left the sweeper removes.
 */
export async function withProbeFile<T>(
  place: { readonly host: Host; readonly flags: string; readonly uri: string },
  name: string,
  content: string,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const { host, flags, uri } = place;
  const folder = probeFolder(flags, uri);
  await prepareFlags(host, flags);
  // Passable, not readable: other accounts of the server cannot list the tokens.
  await host.makeFolder(folder, { mode: 0o711 });
  const path = join(folder, name);
  try {
    await host.writeFile(path, content, { mode: 0o644 });
    return await work(path);
  } finally {
    await host.removeFile(path);
  }
}
