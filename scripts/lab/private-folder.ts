import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { assertTrusted } from '../../src/trust/trusted-path';

const OTHERS_MAY_PASS = 0o001;

/**
 * A fresh folder for private servers: below `wanted` when every folder above it can be passed by other accounts and changed by
 * none, as Kedge wants it of its configuration, and sockets in it have short enough names, else in /var/tmp. Site owners and the web server must be able to pass.
 */
export async function makePrivateFolder(wanted: string | null): Promise<string> {
  if (wanted !== null && wanted.length < 50) {
    await mkdir(wanted, { recursive: true, mode: 0o755 });
    if ((await othersMayPass(wanted)) && isTrusted(wanted)) return fresh(wanted);
  }
  return fresh('/var/tmp');
}

/** Removes it, whatever modes and attributes its files have. */
export function removePrivateFolder(folder: string): void {
  execFileSync('chmod', ['-R', 'u+rwX', '--', folder], { stdio: 'ignore' });
  execFileSync('rm', ['-rf', '--one-file-system', '--', folder]);
}

async function fresh(parent: string): Promise<string> {
  const folder = await mkdtemp(join(parent, 'kedge-'));
  await chmod(folder, 0o755);
  return folder;
}

function isTrusted(folder: string): boolean {
  try {
    assertTrusted(folder);
    return true;
  } catch {
    return false;
  }
}

async function othersMayPass(folder: string): Promise<boolean> {
  for (let path = folder; ; path = dirname(path)) {
    if (((await stat(path)).mode & OTHERS_MAY_PASS) === 0) return false;
    if (path === dirname(path)) return true;
  }
}
