import fc from 'fast-check';
import { DumpFilter } from '../../../src/core/databases/dump-filter';
import type { Refusal } from '../../../src/core/databases/dump-refusal';
import { DumpScanner } from '../../../src/core/databases/dump-scanner';
import { readSql } from '../../../src/core/databases/sql-tokens';
import { IMPORT_RULES } from '../../../src/core/databases/statement-head';
import { type DatabaseLab, TRAILER, openLab } from './lab';

/** Text that looks like what it is not, wherever it stands. */
const fragment = fc.constantFrom(
  ...[
    "'",
    '"',
    '`',
    '\\',
    ';',
    ';;',
    '//',
    '$$',
    '\n',
    '\r\n',
    '--',
    '-- ',
    '#',
    '/*',
    '/*!50003 ',
    '/*M!100100 ',
    '*/',
    '(',
    ')',
    ',',
  ],
  ...[
    'DELIMITER ;;\n',
    '\ndelimiter //\n',
    'DROP TABLE t;',
    '\n-- Dump completed\n',
    "');DO SLEEP(9);-- ",
    'BEGIN ',
    ' END; ',
    '\\! id\n',
    'é',
    '\u00a0',
  ],
);
const text = fc
  .array(fc.oneof({ weight: 4, arbitrary: fragment }, fc.string({ maxLength: 5 })), { maxLength: 8 })
  .map((parts) => parts.join(''));
const withoutNul = text.map((value) => value.replaceAll('\0', ''));

const literal = fc
  .tuple(text, fc.boolean())
  .map(([value, doubled]) =>
    doubled
      ? `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
      : `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\0', '\\0').replaceAll('\n', '\\n')}'`,
  );
/** A name of at most 64 characters, which the server takes for any. */
const name = withoutNul.map((value) => `\`${`n${value.replace(/[^ -~]/g, '').slice(0, 20)}x`.replaceAll('`', '``')}\``);
const lineComment = fc
  .tuple(fc.constantFrom('-- ', '#'), withoutNul)
  .map(([mark, value]) => `${mark}${value.replaceAll(/[\r\n]/g, ' ')}\n`);
const blockComment = withoutNul.map(
  (value) => `/* ${value.replaceAll('*/', '* /').replaceAll(/\/+(?=\*M?!)/g, '')} */`,
);
const between = fc.oneof(
  fc.constant('\n'),
  lineComment.map((comment) => `\n${comment}`),
  blockComment.map((comment) => `\n${comment}\n`),
);

let count = 0;
const statement = fc
  .tuple(fc.nat(6), literal, literal, name, lineComment, blockComment)
  .map(([kind, one, two, quoted, line, block]) => {
    const table = `t${(count += 1)}`;
    switch (kind) {
      case 0:
        return `CREATE TABLE ${table} (${quoted} text ${block} COMMENT ${one}) ${line}COMMENT=${two};`;
      case 1:
        return `CREATE TABLE ${table} (a longtext, b longtext);\nINSERT INTO ${table} VALUES (${one},${two}),\n(NULL,0x00ff),(_binary ${two},-1.5e3);`;
      case 2:
        return `DELIMITER ;;\nCREATE PROCEDURE ${table}()\nBEGIN ${block} ${line} SELECT ${one} AS ${quoted}; IF 1 THEN SELECT ${two}; END IF;\nEND ;;\nDELIMITER ;`;
      case 3:
        return `/*!50001 CREATE VIEW ${table} AS SELECT ${one} AS ${quoted}, ${two} AS b */;`;
      case 4:
        return `CREATE TABLE ${table} (a int);\nDELIMITER ;;\n/*!50003 CREATE*/ /*!50003 TRIGGER ${table} BEFORE INSERT ON ${table} FOR EACH ROW SET @a = ${one}, @b = ${two} */;;\nDELIMITER ;`;
      case 5:
        return `CREATE TABLE ${table} (a int /*!80023 INVISIBLE */) /*!80016 DEFAULT ENCRYPTION='N' */;`;
      default:
        return `SET @saved_sql_mode = @@sql_mode;\nSET sql_mode = 'NO_BACKSLASH_ESCAPES';\nDELIMITER $$\nCREATE FUNCTION ${table}() RETURNS text DETERMINISTIC RETURN 'C:\\'$$\nDELIMITER ;\nSET sql_mode = @saved_sql_mode;`;
    }
  });
const dump = fc
  .array(fc.tuple(statement, between), { maxLength: 8 })
  .map((parts) => Buffer.from(parts.flat().join('') + TRAILER));

/** Text that dump programs have no comment before. */
const spelled = (bytes: Buffer): string => bytes.toString('latin1').replaceAll(/[;$\n]*\n(?=DELIMITER )/g, '\n');

test('text never becomes a statement, wherever it stands and however the dump is cut', () => {
  fc.assert(
    fc.property(dump, fc.array(fc.nat(600), { maxLength: 6 }), (bytes, cuts) => {
      const refused: Refusal[] = [];
      const filter = new DumpFilter({ rules: IMPORT_RULES, onRefused: (refusal) => void refused.push(refusal) });
      const chunks: Buffer[] = [];
      filter.on('data', (chunk: Buffer) => void chunks.push(chunk));
      let from = 0;
      for (const cut of [...cuts.filter((at) => at < bytes.length).toSorted((a, b) => a - b), bytes.length]) {
        filter.write(bytes.subarray(from, cut));
        from = cut;
      }
      filter.end();
      expect(refused).toEqual([]);
      expect(filter.contents.complete).toBe(true);
      expect(spelled(Buffer.concat(chunks))).toBe(spelled(bytes));
    }),
    { numRuns: 1500 },
  );
});

test('a statement that no dump may hold is found among any text', () => {
  fc.assert(
    fc.property(
      dump,
      dump,
      fc.constantFrom('DO SLEEP(1)', 'USE x', 'CALL p()', 'DROP DATABASE d'),
      (one, two, evil) => {
        const refused: Refusal[] = [];
        const scanner = new DumpScanner(
          {
            statement: () => undefined,
            inserted: () => undefined,
            trailer: () => undefined,
            refused: (refusal) => void refused.push(refusal),
          },
          IMPORT_RULES,
        );
        scanner.push(Buffer.concat([one, Buffer.from(`\n${evil};\n`), two]));
        scanner.end();
        expect(refused).toEqual([expect.objectContaining({ offset: one.length + 1 })]);
      },
    ),
    { numRuns: 300 },
  );
});

describe('the client of this machine', () => {
  let lab: DatabaseLab;
  beforeAll(async () => {
    lab = await openLab();
    await lab.query("SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = 1");
  });
  afterAll(() => lab?.close());

  /** The tokens of a statement, up to the first row. */
  const tokensOf = (sql: string, backslashEscapes = true): string => {
    const texts = readSql(sql, { backslashEscapes, ansiQuotes: false, highBytes: 'letters' }).tokens.map(
      (token) => token.text,
    );
    const values = /^(?:INSERT|REPLACE)$/i.test(texts[0] ?? '') ? texts.indexOf('VALUES') : -1;
    return texts.slice(0, values === -1 ? undefined : values).join(' ');
  };

  test('sends the statements that the scanner saw, and no other', async () => {
    const seed = Number(process.env['KEDGE_SEED'] ?? 20_261_126);
    const parts = fc.sample(fc.tuple(statement, between), { numRuns: 250, seed }).flat();
    const bytes = Buffer.from(`SET NAMES utf8mb4;\n${parts.join('')}${TRAILER}`);
    const seen: string[] = [];
    const scanner = new DumpScanner(
      {
        statement: (sql) => void seen.push(tokensOf(sql)),
        inserted: (table) => void seen.push(`INSERT INTO ${table}`),
        trailer: () => undefined,
        refused: (refusal) => {
          throw new Error(`seed ${seed}: ${JSON.stringify(refusal)}`);
        },
      },
      IMPORT_RULES,
    );
    scanner.push(bytes);
    scanner.end();
    const path = await lab.writeDump(bytes);
    // Among the texts are some that are no letters, of which the server warns when all is sent.
    await lab.restore(path, 'watched').catch((error: unknown) =>
      expect(error).toMatchObject({
        code: expect.stringMatching(/^(?:ImportFailed|DumpIncompatible)$/) as unknown,
        message: expect.stringMatching(
          /otherwise than the dump has them: t\d+\.\w+ \(warning 1366|are no letters/,
        ) as unknown,
      }),
    );
    const logged = await lab.query(
      `SELECT HEX(argument) FROM mysql.general_log WHERE command_type = 'Query' AND user_host LIKE 'watched%' ORDER BY event_time, thread_id`,
    );
    const sent = logged
      .split('\n')
      .map((hex) => tokensOf(Buffer.from(hex, 'hex').toString('latin1')))
      // What an import itself puts around rows, and what its client asks behind them.
      .filter((tokens) => tokens !== '' && !/^SET SESSION sql_mode = '[A-Z_,]*'$/.test(tokens))
      .filter((tokens) => !/^SELECT 'kedge [0-9a-f]{24} \d*'$|^SHOW WARNINGS$/i.test(tokens));
    // The first is what the client is told to begin with.
    expect(sent[0]).toContain("sql_mode = 'NO_AUTO_VALUE_ON_ZERO'");
    expect({ seed, sent: sent.slice(1) }).toEqual({ seed, sent: seen });
  });
});
