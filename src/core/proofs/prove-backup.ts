import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { PackedRecord } from '../../contract/backup-record';
import { KedgeError } from '../../contract/errors';
import { UNPROVEN } from '../../contract/names';
import type { Archives, DumpInspection } from '../archive/archive';
import { generatedName } from '../databases/generated-name';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import type { Proofs } from './proofs';
import { type Scratch, dropScratch, proveDefinitions } from './prove-definitions';
import type { Scratches } from './scratches';
import type { SiteAtWork } from '../sites/site-at-work';
import type { SiteDatabase } from '../tasks/site-state';

/** What a backup is proved through. */
export interface ProvingParts {
  readonly master: Host;
  readonly archives: Archives;
  readonly scratches: Scratches;
}

/** A backup of the catalogue, which was read back. */
export interface BackupToProve {
  readonly record: PackedRecord;
  readonly path: string;
  readonly dump: Pick<DumpInspection, 'definitions' | 'elsewhere'>;
}

/**
 * Asks the database server of a site whether it takes the definitions of a backup, as making it does (see `proveDefinitions`); where
 * that is known already the archive is not read again. Returns why it could not be tried; null when it takes them.
 * @throws KedgeError DumpIncompatible when it does not; the signal's reason
 */
export async function proveBackup(
  parts: ProvingParts,
  proofs: Proofs,
  site: SiteAtWork,
  { account: live }: SiteDatabase,
  { record, path, dump }: BackupToProve,
  operation: Operation,
): Promise<string | null> {
  const { master, scratches } = parts;
  const { database, spool } = site.target;
  const name = generatedName(site.uri, `${randomBytes(5).toString('hex')}1`);
  const scratch = { database: name, account: { user: name, hosts: [...live.hosts] } };
  const folder = join(spool, name);
  const note = ({ account: { user, hosts } }: Scratch): Promise<void> =>
    scratches.add({ databaseServer: database.name, database: name, account: { user, hosts: [...hosts] }, folder });
  let begun = false;
  try {
    const warning = await proveDefinitions(
      {
        ...{ site: site.uri, proofs, live, scratch, note },
        server: () => site.databaseServer(operation.signal),
        definitions: dump.definitions,
        elsewhere: dump.elsewhere,
        tables: record.database.tables.length,
        charset: record.database.charset,
        collation: record.database.collation,
        dump: async () => {
          begun = true;
          await note(scratch);
          await master.makeFolder(folder, { mode: 0o700 });
          const destination = join(folder, 'definitions.sql');
          const origin = { from: 'catalogue', owner: null } as const;
          await parts.archives.extractDefinitions({ path, origin, destination }, operation);
          return destination;
        },
      },
      operation,
    );
    if (warning?.startsWith(UNPROVEN) !== true) return warning;
    throw new KedgeError('DumpIncompatible', warning, {
      site: site.uri,
      server: database.name,
      state: 'the site is unchanged',
      hint: 'Change what the server says is in the way, then ask again.',
    });
  } finally {
    // What is not gone now is the sweeper's.
    if (begun) await discard(parts, site, { scratch, folder }, operation).catch(() => undefined);
  }
}

async function discard(
  parts: ProvingParts,
  site: SiteAtWork,
  { scratch, folder }: { scratch: Scratch; folder: string },
  operation: Operation,
): Promise<void> {
  await parts.master.removeTree(folder, operation);
  const server = await site.databaseServer(operation.signal);
  const { database, account } = scratch;
  if ((await server.databaseExists(database)) || (await server.accountExists(account)))
    await dropScratch(server, scratch);
  await parts.scratches.remove(scratch);
}
