import type { BackupRecord, PackedRecord } from '../../contract/backup-record';
import { KedgeError } from '../../contract/errors';
import { SITE_FOLDER, type SiteLocation, type SiteRoot, rootsOf } from '../../contract/target';
import type { ServerFacts } from '../databases/database-server';
import { lacksKey } from '../databases/forced-keys';
import { lackingNames, namesOf } from '../databases/server-contents';
import { firstOf } from '../findings';
import { checkServerHas } from './another-server';
import type { DumpInspection, Inspection } from './archive';

/**
 * Judges a backup as far as neither site nor server is needed for it: the checksum, the folders, the statements of the dump,
 * its end, its tables.
 * @throws KedgeError BackupDamaged, DumpInvalid, DumpIncompatible
 */
export function checkAgainstRecord(record: BackupRecord, inspection: Inspection): void {
  checkSameArchive(record, inspection);
  checkRoots(record, inspection);
  checkDump(record, inspection);
}

/** The archive holds the folders that its record names, and no other. @throws KedgeError BackupDamaged */
export function checkRoots(record: PackedRecord, inspection: Inspection): void {
  const { lacking, beyond } = differingNames(record.roots, inspection.roots);
  if (lacking.length + beyond.length === 0) return;
  const what = lacking.length > 0 ? `lacks ${firstOf(lacking)}` : `holds ${firstOf(beyond)} beyond them`;
  throw new KedgeError(
    'BackupDamaged',
    `the archive of ${record.id} does not hold the folders its record names: it ${what}`,
    {
      site: record.site,
    },
  );
}

/** Names of the one that the other lacks, and of the other that the one lacks. Every site has a site folder. */
function differingNames(
  wanted: readonly { name: string }[],
  found: readonly { name: string }[],
): { lacking: string[]; beyond: string[] } {
  const without = (some: readonly { name: string }[], others: readonly { name: string }[]): string[] =>
    some.map(({ name }) => name).filter((name) => name !== SITE_FOLDER && !others.some((other) => other.name === name));
  return { lacking: without(wanted, found), beyond: without(found, wanted) };
}

function checkSameArchive(record: BackupRecord, inspection: Inspection): void {
  const context = { site: record.site, state: 'the site is unchanged' };
  const name = `backup ${record.id}`;
  if (inspection.sha256 !== record.sha256 || inspection.bytes !== record.bytes) {
    throw new KedgeError(
      'BackupDamaged',
      `${name} has changed since it was made: its checksum is not that of its record`,
      context,
    );
  }
}

function checkDump(record: PackedRecord, inspection: Inspection): DumpInspection {
  const context = { site: record.site, state: 'the site is unchanged' };
  const name = `backup ${record.id}`;
  const dump = inspection.dump;
  // First: such a statement may also be why its end is not found.
  if (dump && dump.refused.length > 0) {
    throw new KedgeError(
      'DumpIncompatible',
      `the dump in ${name} holds statements that no dump of a site may hold: ${dump.refused.join('; ')}`,
      { ...context, hint: 'Take these statements out of the dump, or write it anew with mariadb-dump or mysqldump.' },
    );
  }
  if (!dump) throw new KedgeError('DumpInvalid', `${name} holds no database.sql`, context);
  if (dump.bytes === 0) throw new KedgeError('DumpInvalid', `the dump in ${name} is empty`, context);
  if (!dump.complete)
    throw new KedgeError('DumpInvalid', `the dump in ${name} is cut short: its last line is missing`, context);
  const wrong = differencesFromRecord(record, dump);
  if (wrong.length > 0) throw new KedgeError('DumpInvalid', `the dump in ${name} ${wrong.join('; ')}`, context);
  return dump;
}

/**
 * What a dump does not hold of what its record says, a few words each: `lacks the tables wp_posts`. Records of an earlier Kedge say
 * less, and are compared by what they have.
 */
export function differencesFromRecord({ database }: PackedRecord, { contents }: DumpInspection): string[] {
  const names = { ...database, tables: database.tables.map(({ name }) => name) };
  const lacking = lackingNames(names, namesOf(contents), { ignoreCase: false, list: firstOf });
  const others = database.tables.flatMap(({ name, rows }) => {
    const held = contents.tables.get(name);
    return held === undefined || held === rows ? [] : [`${name} (${held} of ${rows})`];
  });
  return [
    ...lacking.map((what) => `lacks ${what}`),
    ...(others.length === 0 ? [] : [`has not the rows of ${firstOf(others)}`]),
    ...(contents.notMade.length === 0
      ? []
      : [`has rows of the tables ${firstOf(contents.notMade)}, and does not define them`]),
    ...(contents.dropped.length === 0 ? [] : [`drops its own tables ${firstOf(contents.dropped)}`]),
  ];
}

/**
 * Judges what reading an archive back found against its record and against the server that is to import it.
 * @throws KedgeError BackupDamaged, ArchiveInvalid for a safety backup without the files of the site, PathsDiffer, DumpInvalid, DumpIncompatible
 */
export function checkRestorable(
  record: BackupRecord,
  inspection: Inspection,
  server: ServerFacts,
  site: SiteLocation,
): void {
  checkSameArchive(record, inspection);
  checkHoldsFiles(record, inspection);
  checkImportable(record, inspection, server, site);
}

/** A site put back as an empty folder would be taken back at once, its settings being gone. */
function checkHoldsFiles(record: BackupRecord, { roots }: Inspection): void {
  const held = roots.find(({ name }) => name === SITE_FOLDER);
  // The folder itself is one.
  if (record.incomplete === undefined || (held && (held.members > 1 || held.bytes > 0))) return;
  throw new KedgeError('ArchiveInvalid', `backup ${record.id} was made without the files of the site`, {
    site: record.site,
    state: 'the site is unchanged',
    hint: record.kept
      ? 'The originals are kept: `kedge backups show` names them. Put them back by hand, or choose another backup.'
      : 'Choose another backup.',
  });
}

/**
 * Judges what an archive holds against the server that is to import it, and its dump against the record packed with it.
 * @throws KedgeError BackupDamaged for another kind of site, PathsDiffer, DumpInvalid, DumpIncompatible
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
  checkRoots(record, inspection);
  checkDeclared(record, site);
  const dump = checkDump(record, inspection);
  const unknown = [
    ...dump.charsets.filter((charset) => !server.charsets.has(charset)),
    ...dump.collations.filter((collation) => !server.collations.has(collation)),
  ];
  if (unknown.length > 0) {
    throw new KedgeError(
      'DumpIncompatible',
      `the dump in ${name} uses ${firstOf(unknown)}, unknown to server version ${server.version}`,
      context,
    );
  }
  checkServerHas({ name, dump, madeOn: record.database.serverVersion }, server, context);
  checkValues(name, dump, server, context);
  if (dump.createsFunctions && !server.allowsFunctionCreators) {
    throw new KedgeError(
      'DumpIncompatible',
      `the dump in ${name} creates functions or triggers, which the server keeps to accounts with SUPER while it writes a binary log`,
      { ...context, hint: 'Set log_bin_trust_function_creators=1 on the database server.' },
    );
  }
}

/** What the server takes from no account at all. @throws KedgeError DumpIncompatible */
function checkValues(
  name: string,
  { longestValue, withoutPrimaryKey }: DumpInspection,
  { maxAllowedPacket, forcedKeys }: ServerFacts,
  context: { site: string; state: string },
): void {
  if (longestValue !== null && longestValue.bytes > maxAllowedPacket) {
    const where = longestValue.table === undefined ? '' : ` in table ${longestValue.table}`;
    throw new KedgeError(
      'DumpIncompatible',
      `the dump in ${name} holds a value of ${longestValue.bytes} bytes${where}, and the server takes ${maxAllowedPacket} at most`,
      { ...context, hint: `Set max_allowed_packet of the database server to ${longestValue.bytes} or more.` },
    );
  }
  const keyless = forcedKeys === null ? [] : withoutPrimaryKey.filter((keys) => lacksKey(keys, forcedKeys));
  if (forcedKeys === null || keyless.length === 0) return;
  throw new KedgeError(
    'DumpIncompatible',
    `the dump in ${name} holds tables without the key that ${forcedKeys.by} of the server forces: ${firstOf(keyless.map(({ table }) => table))}`,
    { ...context, hint: `Let the server take them for this restore: see ${forcedKeys.by} in its manual.` },
  );
}

/**
 * Text that no server takes as it is, for its bytes are no letters of its column's character set: refused, unless question marks
 * may take their place. Then what is to be said of it; null where there is none.
 * @throws KedgeError DumpIncompatible
 */
export function checkText(
  { id, site }: PackedRecord,
  { dump }: Inspection,
  { mayBeReplaced }: { mayBeReplaced: boolean },
): string | null {
  const columns = dump?.illFormed ?? [];
  if (columns.length === 0) return null;
  const what = `the dump in backup ${id} holds text whose bytes are no letters of its character set, so that no server takes it as it is: ${firstOf(columns)}`;
  if (mayBeReplaced) return `${what}; question marks take their place`;
  throw new KedgeError('DumpIncompatible', what, {
    site,
    state: 'the site is unchanged',
    hint: 'Mend these values where they come from, and back up again; or say --replace-text: question marks take the place of such bytes.',
  });
}

/** What of the backup would be lost, and what of the site would stay in another time. @throws KedgeError PathsDiffer */
function checkDeclared(record: PackedRecord, site: SiteLocation): void {
  const { lacking, beyond } = differingNames(rootsOf(site), record.roots);
  if (lacking.length + beyond.length === 0) return;
  const context = { site: site.uri, state: 'the site is unchanged' };
  const pathOf = (name: string): string => record.roots.find((root) => root.name === name)?.path ?? '';
  if (beyond.length > 0) {
    const entries = beyond.map((name) => `${name}: ${pathOf(name)}`).join(', ');
    throw new KedgeError(
      'PathsDiffer',
      `backup ${record.id} holds ${beyond.join(', ')}, which the configuration does not declare: it would be lost`,
      { ...context, hint: `Add { ${entries} } to \`paths:\` of ${site.uri}, with the folders of now.` },
    );
  }
  throw new KedgeError(
    'PathsDiffer',
    `backup ${record.id} does not hold ${lacking.join(', ')}, which the configuration declares`,
    {
      ...context,
      hint: `Take ${lacking.join(', ')} out of \`paths:\` of ${site.uri} for this restore: what lies there stays as it is.`,
    },
  );
}

/** Declared paths that have moved since the backup was made: they are restored to where they are now. */
export function movedPaths(record: PackedRecord, site: SiteLocation): { name: string; from: string; to: string }[] {
  const before = new Map(record.roots.map(({ name, path }: SiteRoot) => [name, path]));
  return rootsOf(site).flatMap(({ name, path: to }) => {
    const from = before.get(name);
    return name === SITE_FOLDER || from === undefined || from === to ? [] : [{ name, from, to }];
  });
}
