import type { Operation } from '../operation';
import { describeLoginElsewhere, loginElsewhere, refuseLoginElsewhere } from '../sites/login-elsewhere';
import type { SiteAtWork } from '../sites/site-at-work';
import type { SiteDatabase } from '../tasks/site-state';

/**
 * Whether files of the site besides its settings hold its login, which a restore changes: a warning where that is to be left
 * so. A site whose files cannot be looked through is told so, and not kept from its restore.
 * @throws KedgeError LoginElsewhere
 */
export async function checkLogins(
  { uri, folder, kind }: SiteAtWork,
  { database, account: { user }, password }: SiteDatabase,
  { leave }: { leave: boolean },
  operation: Operation,
): Promise<void> {
  const found = await loginElsewhere(folder, kind, { database, user, password }, operation).catch((error: unknown) => {
    operation.signal.throwIfAborted();
    operation.log.warn(
      `the login of ${uri} cannot be looked for in its other files: ${error instanceof Error ? error.message : String(error)}`,
    );
    return [];
  });
  if (!leave) refuseLoginElsewhere(folder, found);
  if (found.length > 0) operation.log.warn(describeLoginElsewhere(uri, found));
}
