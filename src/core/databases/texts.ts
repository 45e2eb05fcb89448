import { z } from 'zod';
import type { AdminConnection } from './admin-connection';
import type { TextQuery, TextRow } from './database-server';
import { quoteIdentifier, quoteLiteral } from './identifiers';

const row = z.object({ key: z.coerce.string(), text: z.coerce.string() });
/** Of each text; the rest is cut off. */
const TEXT_BYTES = 16 * 1024;
const ANSWER_BYTES = 64 * 1024 * 1024;

/** `DatabaseServer.textsOf`; its contract is there. */
export async function textsOf(admin: AdminConnection, database: string, query: TextQuery): Promise<TextRow[]> {
  const { table, key, text, where, limit } = query;
  const what = `reading ${table} of ${database}`;
  // A view could call functions of the site's, and the admin account would run them.
  const tables = await admin.rows(
    `SELECT TABLE_NAME AS \`key\`, '' AS text FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = ${quoteLiteral(database)} AND TABLE_NAME = ${quoteLiteral(table)} AND TABLE_TYPE = 'BASE TABLE'`,
    row,
    { what },
  );
  if (tables.length === 0) return [];
  const connection = await admin.session(database, ANSWER_BYTES, { what });
  try {
    const rows = await connection.query(
      `SELECT ${quoteIdentifier(key)} AS \`key\`, LEFT(${quoteIdentifier(text)}, ${TEXT_BYTES}) AS text FROM ${quoteIdentifier(table)}
        WHERE ${quoteIdentifier(where.column)} = ${quoteLiteral(where.equals)} LIMIT ${Math.trunc(limit)}`,
    );
    return z.array(row).parse(rows);
  } catch (error) {
    throw admin.errorOf(error, { what });
  } finally {
    connection.destroy();
  }
}
