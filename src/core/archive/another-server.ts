import { KedgeError } from '../../contract/errors';
import type { ServerFacts } from '../databases/database-server';
import { type Era, eraOf } from '../databases/era';
import { firstOf } from '../findings';
import type { DumpInspection } from './archive';

/** A dump as it is judged. */
interface JudgedDump {
  /** `backup shop.example-20261124.031502` */
  readonly name: string;
  readonly dump: DumpInspection;
  /** Version of the server that it was made on. */
  readonly madeOn: string;
}

/**
 * Sees that a server has what the server of before had and the dump needs: engines, plugins, names by their case, the end of time.
 * Without them an import ends in the middle, or goes on and changes what it brings, in silence.
 * @throws KedgeError DumpIncompatible
 */
export function checkServerHas(
  { name, dump, madeOn }: JudgedDump,
  server: ServerFacts,
  context: { readonly site: string; readonly state: string },
): void {
  const refuse = (why: string, hint: string): KedgeError =>
    new KedgeError('DumpIncompatible', `the dump in ${name} ${why}`, { ...context, hint });
  const lackedBy = `which server version ${server.version} does not have`;
  const without = (wanted: readonly string[], has: ReadonlySet<string>): string[] =>
    wanted.filter((one) => !has.has(one));

  const engines = without(dump.engines, server.engines);
  if (engines.length > 0)
    throw refuse(
      `has tables of the engines ${firstOf(engines)}, ${lackedBy}`,
      'Install the engine on the database server (`INSTALL SONAME`), then try again.',
    );
  const types = without(dump.types, server.types);
  if (types.length > 0)
    throw refuse(
      `has columns of the types ${firstOf(types)}, ${lackedBy}`,
      'Use a database server that is as new as the one the backup was made on.',
    );
  const parsers = without(dump.parsers, server.parsers);
  if (parsers.length > 0)
    throw refuse(
      `has full-text indexes with the parsers ${firstOf(parsers)}, ${lackedBy}`,
      'Install the plugin on the database server (`INSTALL SONAME`), then try again.',
    );
  if (dump.encrypts && !server.encrypts)
    throw refuse(
      'has encrypted tables, and the server has no plugin that holds keys',
      'Set up encryption on the database server (`file_key_management`, say), or take ENCRYPTED off the tables where they come from.',
    );

  const twins = server.ignoresCase ? caseTwins([...dump.contents.tables.keys(), ...dump.views]) : [];
  if (twins.length > 0)
    throw refuse(
      `has tables whose names differ in case alone, which are one table to this server: ${firstOf(twins)}`,
      'Import it into a server with lower_case_table_names = 0, or rename the tables where they come from.',
    );

  const era = eraOf(madeOn);
  if (dump.holdsHistory && era !== server.era)
    throw refuse(
      `holds the history of tables in which a row of now ends in ${era}, and to this server it ends in ${server.era}: rows of now would be taken for history, or refused`,
      `Import it into a server ${ofEra(era)}, convert it there, and back it up again.`,
    );
}

function ofEra(era: Era): string {
  return era === 2106 ? 'of MariaDB 11.5 or later' : 'of MariaDB before 11.5';
}

/** Names of which another differs in case alone, as `Posts and posts`. */
function caseTwins(names: readonly string[]): string[] {
  const seen = new Map<string, string>();
  const twins: string[] = [];
  for (const name of names) {
    const other = seen.get(name.toLowerCase());
    if (other !== undefined && other !== name) twins.push(`${other} and ${name}`);
    else seen.set(name.toLowerCase(), name);
  }
  return twins;
}
