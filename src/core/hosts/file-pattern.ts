import { dirname, join } from 'node:path';
import type { Host } from './host';

/** Whether a path matches a pattern of the shell's (`*`, `?`, `[…]`; none of them matches a slash). */
export function matchesPattern(pattern: string, path: string): boolean {
  if (!/[*?[]/.test(pattern)) return pattern === path;
  const expression = pattern
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replace(/\[!/g, '[^')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]')
    // As to the shell: no wildcard stands for the dot of a hidden file.
    .replace(/\/(?=\[)/g, '/(?!\\.)');
  try {
    return new RegExp(`^${expression}$`).test(path);
  } catch {
    // An open bracket stands for itself.
    return pattern === path;
  }
}

/** Files of a folder that match a pattern whose wildcards stand in its last part, as in `pool.d/*.conf`. */
export async function matchingFiles(host: Host, pattern: string): Promise<string[]> {
  const folder = dirname(pattern);
  return (await host.list(folder)).map((name) => join(folder, name)).filter((path) => matchesPattern(pattern, path));
}
