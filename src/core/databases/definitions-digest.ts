import { createHash } from 'node:crypto';
import type { NameElsewhere } from './definition-names';
import { nameOf, readSql } from './sql-tokens';
import { TokenReader } from './token-reader';

/** So many names of other databases are kept. */
const KEPT = 1000;

/** Variables of the session by which a server takes a definition or does not, and keeps it. */
const DECIDING: ReadonlySet<string> = new Set([
  ...['sql_mode', 'character_set_client', 'collation_connection', 'time_zone', 'default_storage_engine'],
  ...['explicit_defaults_for_timestamp', 'sql_require_primary_key', 'innodb_strict_mode', 'check_constraint_checks'],
  ...['foreign_key_checks', 'system_versioning_alter_history'],
]);

/**
 * A digest of what a dump defines, and under which settings: whatever rows it holds, however far its counters are and whenever it
 * was made. The same for a dump while it is written and for the file.
 */
export class DefinitionsDigest {
  private readonly hash = createHash('sha256');
  private readonly names = new Map<string, NameElsewhere>();
  /** By name, those of the dump's own with `@`. */
  private readonly values = new Map<string, string>();

  /** A statement other than INSERT as it stands in the dump, in latin1. */
  add(statement: string): void {
    const [, word = ''] = FIRST_WORD.exec(statement) ?? [];
    if (/^set$/i.test(word)) this.follow(statement);
    if (!/^(?:create|alter)$/i.test(word) || SWITCHES_KEYS.test(statement)) return;
    // How far it has counted.
    const lasting = statement.replace(/(\) ENGINE=[^\n]{0,200}?) AUTO_INCREMENT=\d+/, '$1');
    const settings = [...DECIDING].map((name) => this.values.get(name) ?? '').join('\n');
    for (const text of [settings, lasting]) this.hash.update(`${text.length}:`).update(text, 'latin1');
  }

  /** What a definition names in other databases. */
  name(elsewhere: readonly NameElsewhere[]): void {
    for (const name of elsewhere) if (this.names.size < KEPT) this.names.set(JSON.stringify(name), name);
  }

  get elsewhere(): NameElsewhere[] {
    return [...this.names.values()];
  }

  digest(): string {
    return this.hash.copy().digest('hex');
  }

  /** A SET. What it sets that decides nothing is kept too: a dump gives values back that it has saved. */
  private follow(statement: string): void {
    if (statement.length > LONGEST_SET) return;
    const reader = new TokenReader(readSql(statement).tokens, 1);
    if (reader.takeWords('NAMES')) {
      const token = reader.next();
      // Rows come under another one: what it does to a comparison of texts depends on whether there are any.
      if (token) this.values.set('character_set_client', nameOf(token));
      return;
    }
    while (!reader.atEnd) {
      const target = reader.variable();
      reader.takeSymbol(':');
      if (!target || !reader.takeSymbol('=')) return;
      let value = '';
      let depth = 0;
      while (!reader.atEnd && (depth > 0 || reader.symbol() !== ',')) {
        if (reader.symbol() === '(') depth += 1;
        if (reader.symbol() === ')') depth -= 1;
        const saved = reader.symbol() === '@' ? reader.variable() : undefined;
        if (saved) value += this.values.get(keyOf(saved)) ?? '';
        else value += textOf(reader.next()?.text ?? '');
      }
      reader.takeSymbol(',');
      if (this.values.size < VALUES_KEPT) this.values.set(keyOf(target), value.slice(0, LONGEST_VALUE));
    }
  }
}

const FIRST_WORD = /^\s*(?:\/\*M?!\d*\s*)?([a-z]+)\b/i;
const SWITCHES_KEYS = /^\s*(?:\/\*M?!\d*\s*)?ALTER\s+TABLE\s[^(]*\s(?:DISABLE|ENABLE)\s+KEYS\b/i;
/** One that is longer holds a piece of a row. */
const LONGEST_SET = 4096;
/** More than any dump program sets. */
const VALUES_KEPT = 1000;
const LONGEST_VALUE = 1000;

function keyOf({ name, own }: { name: string; own: boolean }): string {
  return own ? `@${name}` : name;
}

function textOf(token: string): string {
  return /^['"]/.test(token) ? token.slice(1, -1) : token.toLowerCase();
}
