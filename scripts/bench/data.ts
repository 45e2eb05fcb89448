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
  for (let number = 0; number < files; number += 1) {
    const folder = join(root, `folder-${number % 40}`);
    if (number < 40) await mkdir(folder, { recursive: true });
    const content = Buffer.alloc(fileBytes, `text that compresses well, of file ${number}\n`);
    const noise = Math.floor((fileBytes * 0.6) / 4);
    for (let at = 0; at < noise; at += 1) content.writeUInt32LE(random(), at * 4);
    const file = await open(join(folder, `file-${number}.bin`), 'w');
    await file.writeFile(content);
    await file.close();
  }
}

/** Two tables, the same at every run: MariaDB's sequence engine and hashes make their rows. */
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
    CREATE TABLE wp_bench_long (id INT PRIMARY KEY, body LONGTEXT);
    INSERT INTO wp_bench_long SELECT seq, CONCAT(REPEAT(SHA2(seq, 512), 6), REPEAT('words that repeat. ', 40))
      FROM seq_1_to_${longRows};`);
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
