import type { AdminShell } from '../ssh/admin-shell';

/** A line with the folder, then the accounts of what lies there. */
const OWNERS = `for path; do printf '%s\\n' "$path"; find "$path" -xdev ! -user 0 -printf '%u\\n' 2>/dev/null | sort -u; done`;
/** An account that is none any more is a number, and no name. */
const ACCOUNT = /^[a-z_][a-z0-9_.-]*\$?$/i;

/** Accounts, beside root, that files in folders of a server belong to now, by the folder; nobody's where there is none yet. */
export async function fileOwnersOf(
  shell: AdminShell,
  folders: readonly string[],
): Promise<(folder: string) => readonly string[]> {
  const found = new Map<string, string[]>();
  if (folders.length > 0) {
    const { stdout } = await shell.run({ argv: ['sh', '-c', OWNERS, 'owners', ...folders] });
    let owners: string[] = [];
    for (const line of stdout.split('\n')) {
      if (line.startsWith('/')) found.set(line, (owners = []));
      else if (ACCOUNT.test(line)) owners.push(line);
    }
  }
  return (folder) => found.get(folder) ?? [];
}
