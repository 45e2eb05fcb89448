import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { BackupRecord } from '../../src/contract/backup-record';

export const BACKUP = 'gazette.example-20260102.030405';

/** A fresh folder with a configuration of two sites, one of which has a backup. */
export async function makeConfiguredFolder(): Promise<{ folder: string; environment: Record<string, string> }> {
  const folder = await mkdtemp('/var/tmp/kc');
  const site = { kind: 'wordpress', server: 'local', db: 'local', owner: 'nobody', php: { socket: '/run/x.sock' } };
  await writeFile(
    join(folder, 'kedge.yaml'),
    stringify({
      master: 'lab',
      backups: join(folder, 'backups'),
      state: join(folder, 'state'),
      servers: {
        local: {
          web: { kind: 'nginx', vhosts: '/etc/nginx/kedge.d', flags: '/var/lib/kedge-web' },
          db: { kind: 'mariadb', socket: '/run/x.sock', admin: { user: 'root' } },
        },
      },
      sites: {
        'gazette.example': { ...site, root: '/srv/gazette' },
        'garden.example': { ...site, root: '/srv/garden' },
      },
    }),
  );
  const record: BackupRecord = {
    schema: 1,
    id: BACKUP,
    site: 'gazette.example',
    kind: 'wordpress',
    description: 'before\n the\u001b update',
    trigger: 'request',
    who: 'test',
    task: 'none',
    created: '2026-01-02T03:04:05.000Z',
    roots: [],
    dumpBytes: 0,
    database: { charset: '', collation: '', serverVersion: '', tables: [], views: [], enabledEvents: [] },
    codeVersion: null,
    contentMark: null,
    archive: `${BACKUP}.tar.zst`,
    bytes: 1,
    sha256: '0'.repeat(64),
    members: 1,
    warnings: [],
  };
  const catalogue = join(folder, 'backups/gazette.example');
  await mkdir(catalogue, { recursive: true });
  await writeFile(join(catalogue, `${BACKUP}.json`), JSON.stringify(record));
  await writeFile(join(catalogue, `${BACKUP}.tar.zst`), 'x');
  return { folder, environment: { KEDGE_CONFIG: join(folder, 'kedge.yaml') } };
}
