import type { BackupRecord, PackedRecord } from '../../contract/backup-record';
import { KedgeError } from '../../contract/errors';
import type { SiteLocation } from '../../contract/target';
import type { ServerFacts } from '../databases/database-server';
import type { Inspection } from './archive';

/**
 * Judges what reading an archive back found against its record and against the server that is to import it.
 * @throws KedgeError BackupDamaged, DumpInvalid, DumpIncompatible
 */
export function checkRestorable(
  record: BackupRecord,
  inspection: Inspection,
  server: ServerFacts,
  site: SiteLocation,
): void {
  const context = { site: site.uri, state: 'the site is unchanged' };
  const name = `backup ${record.id}`;
  if (inspection.sha256 !== record.sha256 || inspection.bytes !== record.bytes) {
    throw new KedgeError(
      'BackupDamaged',
      `${name} has changed since it was made: its checksum is not that of its record`,
      context,
    );
  }
  checkImportable(record, inspection, server, site);
}

/**
 * Judges what an archive holds against the server that is to import it, and its dump against the record packed with it.
 * @throws KedgeError BackupDamaged for another kind of site, DumpInvalid, DumpIncompatible
 */
export function checkImportable(
  record: PackedRecord,
  inspection: Inspection,
  server: ServerFacts,
  site: SiteLocation,
): void {
  const context = { site: site.uri, state: 'the site is unchanged' };
  const name = `backup ${record.id}`;
  if (record.kind !== site.kind) {
    throw new KedgeError('BackupDamaged', `${name} is of a ${record.kind} site, ${site.uri} is ${site.kind}`, context);
  }
  const dump = inspection.dump;
  if (!dump) throw new KedgeError('DumpInvalid', `${name} holds no database.sql`, context);
  if (dump.bytes === 0) throw new KedgeError('DumpInvalid', `the dump in ${name} is empty`, context);
  if (!dump.complete)
    throw new KedgeError('DumpInvalid', `the dump in ${name} is cut short: its last line is missing`, context);
  const absent = record.database.tables.map((table) => table.name).filter((table) => !dump.tables.includes(table));
  if (absent.length > 0)
    throw new KedgeError('DumpInvalid', `the dump in ${name} lacks the tables ${absent.join(', ')}`, context);

  const unknown = [
    ...dump.charsets.filter((charset) => !server.charsets.has(charset)),
    ...dump.collations.filter((collation) => !server.collations.has(collation)),
  ];
  if (unknown.length > 0) {
    throw new KedgeError(
      'DumpIncompatible',
      `the dump in ${name} uses ${unknown.join(', ')}, unknown to server version ${server.version}`,
      context,
    );
  }
  if (dump.createsFunctions && !server.allowsFunctionCreators) {
    throw new KedgeError(
      'DumpIncompatible',
      `the dump in ${name} creates functions or triggers, which the server keeps to accounts with SUPER while it writes a binary log`,
      { ...context, hint: 'Set log_bin_trust_function_creators=1 on the database server.' },
    );
  }
  if (dump.refused.length > 0) {
    throw new KedgeError(
      'DumpIncompatible',
      `the dump in ${name} holds statements no site account may run: ${dump.refused.join('; ')}`,
      context,
    );
  }
}
