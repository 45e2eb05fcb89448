import { spawn } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

export interface Place {
  readonly socket: string;
  readonly database: string;
  /** The site folder. */
  readonly root: string;
  /** Where archives and unpacked files go. */
  readonly scratch: string;
}

const DUMP = 'mariadb-dump --no-defaults --socket="$SOCKET" --single-transaction --quick --no-autocommit "$DATABASE"';

/** Aegir's backup: the dump into the site folder, then one tar with gzip. */
export async function aegirBackup(place: Place): Promise<void> {
  await shell(
    place,
    `${DUMP} > "$ROOT/database.sql" && cd "$ROOT" && tar cpfz "$SCRATCH/aegir.tar.gz" . && rm database.sql`,
  );
}

/** Aegir's restore: its backup first, unpack beside, import into a new database. */
export async function aegirRestore(place: Place): Promise<void> {
  await aegirBackup(place);
  const unpacked = join(place.scratch, 'site.restore');
  await mkdir(unpacked);
  await shell(
    place,
    `tar xpfz "$SCRATCH/aegir.tar.gz" -C "$SCRATCH/site.restore" &&
     mariadb --no-defaults --socket="$SOCKET" -e 'CREATE DATABASE aegir_restore' &&
     mariadb --no-defaults --socket="$SOCKET" aegir_restore < "$SCRATCH/site.restore/database.sql"`,
  );
}

/** Takes away what a round has made; not measured. */
export async function clear(place: Place): Promise<void> {
  await rm(place.scratch, { recursive: true, force: true });
  await mkdir(place.scratch, { recursive: true });
  await shell(place, `mariadb --no-defaults --socket="$SOCKET" -e 'DROP DATABASE IF EXISTS aegir_restore'`);
}

/** Every round finds the database and the files in memory, whoever was there before; not measured. */
export async function warm(place: Place): Promise<void> {
  await shell(place, `${DUMP} > /dev/null && tar --create --directory="$ROOT" . | cat > /dev/null`);
}

/** Dump and folder, each to zstd, side by side: no checks, no orchestration. */
export async function pipeline(place: Place): Promise<void> {
  await Promise.all([
    shell(place, `${DUMP} | zstd -q -1 -o "$SCRATCH/database.sql.zst"`),
    shell(place, `tar --create --directory="$ROOT" . | zstd -q -T0 -1 -o "$SCRATCH/site.tar.zst"`),
  ]);
}

async function shell({ socket, database, root, scratch }: Place, script: string): Promise<void> {
  const child = spawn('bash', ['-o', 'pipefail', '-c', script], {
    env: { ...process.env, SOCKET: socket, DATABASE: database, ROOT: root, SCRATCH: scratch },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`a peer ended with ${String(code)}: ${script}`);
}
