import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { PrivateMariadb } from '../lab/mariadb';

export interface DataSize {
  readonly files: number;
  /** Bytes of each file; six tenths of it do not compress. */
  readonly fileBytes: number;
  /** Rows of a table with short columns. */
  readonly rows: number;
  /** Rows of a table with long text. */
  readonly longRows: number;
}

/** Files in 40 folders, the same at every run. */
export async function writeFiles(root: string, { files, fileBytes }: DataSize): Promise<void> {
  const random = generator(20261124);
  const prose = proseOf(random);
  const noise = Math.floor((fileBytes * 0.6) / 4) * 4;
  for (let number = 0; number < files; number += 1) {
    const folder = join(root, `folder-${number % 40}`);
    if (number < 40) await mkdir(folder, { recursive: true });
    const content = Buffer.alloc(fileBytes);
    for (let at = 0; at < noise; at += 4) content.writeUInt32LE(random(), at);
    content.write(prose(fileBytes - noise), noise, 'latin1');
    const file = await open(join(folder, `file-${number}.bin`), 'w');
    await file.writeFile(content);
    await file.close();
  }
}

/** Two tables, the same at every run: short rows of hashes, and long ones of prose. */
export async function writeTables(
  mariadb: PrivateMariadb,
  database: string,
  { rows, longRows }: DataSize,
): Promise<void> {
  await mariadb.query(`
    USE \`${database}\`;
    CREATE TABLE wp_bench_short (id INT PRIMARY KEY, a VARCHAR(64), b VARCHAR(64), c INT, d DATETIME, KEY (a), KEY (c));
    INSERT INTO wp_bench_short SELECT seq, SHA2(seq, 256), SHA2(seq + 7, 256), seq % 1000,
      '2020-01-01' + INTERVAL seq SECOND FROM seq_1_to_${rows};
    CREATE TABLE wp_bench_long (id INT PRIMARY KEY, body LONGTEXT);`);
  const prose = proseOf(generator(20261125));
  for (let first = 1; first <= longRows; first += LONG_ROWS_AT_ONCE) {
    const count = Math.min(LONG_ROWS_AT_ONCE, longRows - first + 1);
    const values = Array.from({ length: count }, (_, at) => `(${first + at}, '${prose(LONG_ROW_BYTES)}')`);
    await mariadb.query(`USE \`${database}\`; INSERT INTO wp_bench_long VALUES ${values.join(', ')}`);
  }
}

const LONG_ROWS_AT_ONCE = 1_000;
const LONG_ROW_BYTES = 1_500;
const SYLLABLES = 'ka lo mi ter sen vo ra ni bel us tor an qui do fe ri sta mon gu el'.split(' ');

/**
 * Text of so many bytes of ASCII in which common words come often and rare ones seldom, so that compressors find about as
 * much to do in it as in what people write. Text that repeats would flatter every way that compresses.
 */
function proseOf(random: () => number): (bytes: number) => string {
  const fraction = (): number => random() / 2 ** 32;
  const word = (): string =>
    Array.from({ length: 1 + Math.floor(fraction() * 4) }, () => SYLLABLES[random() % SYLLABLES.length]).join('');
  const words = Array.from({ length: 8_000 }, word);
  return (bytes) => {
    const text: string[] = [];
    let length = 0;
    while (length < bytes) {
      const next = `${words[Math.floor(words.length * fraction() ** 3)] ?? ''}${random() % 9 === 0 ? '. ' : ' '}`;
      text.push(next);
      length += next.length;
    }
    return text.join('').slice(0, bytes);
  };
}

/** xorshift32: the same numbers from the same seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
