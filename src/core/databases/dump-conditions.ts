import type { NextStatement } from './dump-listener';

/** Under it values come in as they are: 0 where a number would be made up, and dates that no calendar has. */
const ROW_MODES = ['NO_AUTO_VALUE_ON_ZERO', 'ALLOW_INVALID_DATES'];
/** What of the dump's own sql_mode its rows are read by; the rest would change what comes in. */
const READ_BY = new Set([
  ...['no_backslash_escapes', 'no_auto_value_on_zero'],
  ...['ansi_quotes', 'ansi', 'db2', 'maxdb', 'mssql', 'oracle', 'postgresql'],
]);

/** What a dump says of how it is to be imported, beside what its program writes. */
const CONDITIONS = [
  `SET SESSION sql_mode='${ROW_MODES.join(',')}'`,
  // Tables and rows that an earlier server, or a session without checks, let in.
  '/*M!100201 SET innodb_strict_mode=0, check_constraint_checks=0 */',
];

/**
 * The statements that Kedge adds to a dump whose program spoke binary: definitions are text in UTF-8, rows are bytes as the server
 * keeps them. Under one character set for both, either ENUM labels and defaults or values would come back as others.
 */
export function statementsOfADump(): (next: NextStatement) => readonly string[] {
  let begun = false;
  let binary = true;
  return (next) => {
    const added: string[] = [];
    if (!begun && next.firstWord !== 'SET') {
      begun = true;
      added.push(...CONDITIONS);
    }
    if (next.kind === 'rows' && !binary) {
      added.push('SET NAMES binary');
      binary = true;
    } else if (next.kind === 'other' && next.created?.kind === 'table') {
      added.push('SET NAMES utf8mb4');
      binary = false;
    }
    return added;
  };
}

/**
 * The statements that an import adds to a dump: rows go in under a sql_mode that keeps values as they are; everything else under
 * the dump's own, which is kept with triggers and routines.
 */
export function statementsOfAnImport(): (next: NextStatement) => readonly string[] {
  /** What was set instead of the dump's own. */
  let instead: string | undefined;
  return ({ kind, settings }) => {
    const own = settings.mode;
    if (kind === 'rows') {
      const wanted = rowMode(own);
      if (sameModes(instead ?? own, wanted)) return [];
      instead = wanted;
      return [`SET SESSION sql_mode='${wanted}'`];
    }
    if (instead === undefined) return [];
    instead = undefined;
    return [`SET SESSION sql_mode='${own}'`];
  };
}

function rowMode(own: string): string {
  const kept = modes(own).filter((mode) => READ_BY.has(mode));
  return [...new Set([...kept.map((mode) => mode.toUpperCase()), 'ALLOW_INVALID_DATES'])].join(',');
}

function sameModes(one: string, other: string): boolean {
  return modes(one).toSorted().join(',') === modes(other).toSorted().join(',');
}

function modes(text: string): string[] {
  return text
    .toLowerCase()
    .split(',')
    .filter((mode) => mode !== '');
}
