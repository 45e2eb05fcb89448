import { encodingOf, isWellFormed, rankOf, suspicionOf } from '../../../src/core/databases/well-formed-text';
import { type DatabaseLab, openLab } from './lab';

let lab: DatabaseLab;
beforeAll(async () => void (lab = await openLab()));
afterAll(() => lab?.close());

/** Bytes at which letters of some character set begin, go on or end otherwise. */
const EDGES =
  '0041 5c7f 808e 8f90 9fa0 a1bf c0c2 d7d8 dbdc dfe0 edef f0f1 f4f5 fefc ff10 11'.replaceAll(' ', '').match(/../g) ??
  [];
const EVERY = Array.from({ length: 256 }, (_each, byte) => byte.toString(16).padStart(2, '0'));

/** All texts of so many bytes, of these. */
function textsOf(bytes: readonly string[], length: number): string[] {
  return length === 0 ? [''] : textsOf(bytes, length - 1).flatMap((text) => bytes.map((byte) => text + byte));
}

test('what bytes are letters is what the server takes as they are', async () => {
  const charsets = (
    await lab.query(
      "SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME <> 'binary'",
    )
  ).split('\n');
  const short = textsOf(EVERY, 1).map((text) => text.toUpperCase());
  const texts = [...textsOf(EVERY, 2), ...textsOf(EDGES, 3)];
  // Too many for all: of those that some take for four bytes.
  const longer = textsOf(
    EDGES.filter((byte) => /^(?:00|41|80|8f|90|bf|d8|dc|df|ed|f0|f1|f4|f5|10|11)$/.test(byte)),
    4,
  );
  const all = [...short, ...[...texts, ...longer].map((text) => text.toUpperCase())];
  await lab.query('CREATE DATABASE letters; CREATE TABLE letters.b (b VARBINARY(4)) ENGINE=MyISAM');
  for (let at = 0; at < all.length; at += 20_000)
    await lab.query(
      `INSERT INTO letters.b VALUES ${all
        .slice(at, at + 20_000)
        .map((text) => `(x'${text}')`)
        .join(',')}`,
    );
  const differing: Record<string, string[]> = {};
  for (const charset of charsets.filter((name) => name !== '')) {
    const encoding = encodingOf(charset);
    const some = encoding === undefined ? short : all;
    const changed = new Set(
      (
        await lab.query(`SET sql_mode = ''; USE letters; CREATE OR REPLACE TABLE t (b VARBINARY(4), c VARCHAR(8) CHARACTER SET ${charset}) ENGINE=MyISAM;
          INSERT INTO t SELECT b, b FROM b LIMIT ${some.length}; SELECT HEX(b) FROM t WHERE HEX(b) <> HEX(c)`)
      ).split('\n'),
    );
    const wrong = some.filter((text) => {
      const bytes = Buffer.from(text, 'hex');
      const isLetters = encoding === undefined || isWellFormed(encoding, bytes);
      // What is not looked at is well-formed.
      if (
        !isLetters &&
        encoding &&
        suspicionOf(Buffer.concat([Buffer.from("'"), bytes, Buffer.from("'")])) < rankOf(encoding)
      )
        return true;
      return isLetters === changed.has(text);
    });
    if (wrong.length > 0) differing[charset] = wrong.slice(0, 20);
  }
  expect(differing).toEqual({});
});
