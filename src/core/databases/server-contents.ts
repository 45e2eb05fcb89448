import { z } from 'zod';
import type { AdminConnection } from './admin-connection';
import { type DumpContents, NAMED_KINDS, type NamedKind } from './dump-census';
import { quoteLiteral } from './identifiers';

/** A table as the server keeps it. */
export interface ServerTable {
  readonly name: string;
  readonly engine: string;
  /** It keeps the rows it had. */
  readonly versioned: boolean;
}

/** What a database holds, by names. */
export type ServerContents = { readonly tables: readonly ServerTable[] } & Readonly<
  Record<NamedKind, readonly string[]>
>;

const named = z.object({ name: z.string(), type: z.string() });

/** Reads what there is in a database. @throws KedgeError as statements of the admin connection do */
export async function readServerContents(admin: AdminConnection, database: string): Promise<ServerContents> {
  const context = { what: `looking at what the database ${database} holds` };
  const schema = quoteLiteral(database);
  const tables = await admin.rows(
    `SELECT TABLE_NAME AS name, TABLE_TYPE AS type, COALESCE(ENGINE, '') AS engine
      FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${schema}`,
    named.extend({ engine: z.string() }),
    context,
  );
  const routines = await admin.rows(
    `SELECT ROUTINE_NAME AS name, ROUTINE_TYPE AS type FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ${schema}`,
    named,
    context,
  );
  const others = async (kind: 'TRIGGER' | 'EVENT'): Promise<string[]> => {
    const rows = await admin.rows(
      `SELECT ${kind}_NAME AS name, '' AS type FROM information_schema.${kind}S WHERE ${kind}_SCHEMA = ${schema}`,
      named,
      context,
    );
    return rows.map(({ name }) => name);
  };
  const ofType = (all: readonly { name: string; type: string }[], type: string): string[] =>
    all.filter((each) => each.type === type).map(({ name }) => name);
  return {
    tables: tables
      .filter(({ type }) => type === 'BASE TABLE' || type === 'SYSTEM VERSIONED')
      .map(({ name, type, engine }) => ({ name, engine, versioned: type === 'SYSTEM VERSIONED' })),
    views: ofType(tables, 'VIEW'),
    sequences: ofType(tables, 'SEQUENCE'),
    triggers: await others('TRIGGER'),
    functions: ofType(routines, 'FUNCTION'),
    procedures: ofType(routines, 'PROCEDURE'),
    packages: ofType(routines, 'PACKAGE'),
    packageBodies: ofType(routines, 'PACKAGE BODY'),
    events: await others('EVENT'),
  };
}

/** The tables and names alone, to be compared. */
export type Names = { readonly tables: readonly string[] } & Readonly<Record<NamedKind, readonly string[]>>;

export function namesOf(contents: DumpContents | ServerContents): Names {
  const { tables } = contents;
  return { ...contents, tables: 'size' in tables ? [...tables.keys()] : tables.map(({ name }) => name) };
}

const KINDS = ['tables', ...NAMED_KINDS] as const;

const IN_WORDS: Readonly<Partial<Record<(typeof KINDS)[number], string>>> = { packageBodies: 'bodies of packages' };

/**
 * What of `wanted` is not in `held`: `the tables a, b`, one text a kind. `wanted` may know of some kinds alone. Letters beyond ASCII, whose case
 * and character set a dump and a server may see otherwise, are taken for lacking only where there are fewer such names.
 */
export function lackingNames(
  wanted: Partial<Names>,
  held: Names,
  { ignoreCase, list }: { ignoreCase: boolean; list: (names: readonly string[]) => string },
): string[] {
  return KINDS.flatMap((kind) => {
    const fold = (name: string): string =>
      ignoreCase && ['tables', 'views', 'sequences', 'triggers'].includes(kind) ? name.toLowerCase() : name;
    const there = new Set(held[kind].map(fold));
    const absent = (wanted[kind] ?? []).filter((name) => !there.has(fold(name)));
    const odd = absent.filter(isBeyondAscii);
    const same = new Set(wanted[kind]?.map(fold));
    const oddBeyond = held[kind].filter((name) => isBeyondAscii(name) && !same.has(fold(name)));
    const lacking = odd.length > oddBeyond.length ? absent : absent.filter((name) => !isBeyondAscii(name));
    return lacking.length === 0 ? [] : [`the ${IN_WORDS[kind] ?? kind} ${list(lacking)}`];
  });
}

function isBeyondAscii(name: string): boolean {
  return /[^\0-\x7f]/.test(name);
}
