import { basename, dirname } from 'node:path';

/** What begins the name of what a task has in the catalogue before it publishes. */
export const UNFINISHED = '.tmp-';

/**
 * All that a task has in the catalogue beside what it publishes: the folder `.tmp-<token>`, with an archive of each attempt. A Kedge
 * before had the one archive itself there.
 */
export function unfinishedPath({ temporaryArchive }: { readonly temporaryArchive: string }): string {
  const folder = dirname(dirname(temporaryArchive));
  return basename(folder).startsWith(UNFINISHED) ? folder : temporaryArchive;
}
