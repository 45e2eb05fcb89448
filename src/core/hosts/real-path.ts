import { readlink, realpath } from 'node:fs/promises';
import { posix } from 'node:path';

/** As many as the kernel follows. */
const MAXIMUM_LINKS = 40;

/** Where a path leads, every link on it followed, also where nothing is there any more; null for links in a circle. */
export async function realPathOf(path: string): Promise<string | null> {
  try {
    return await realpath(path);
  } catch {
    return followed(path, { left: MAXIMUM_LINKS });
  }
}

async function followed(path: string, links: { left: number }): Promise<string | null> {
  if (path === '/') return path;
  const parent = await followed(posix.dirname(path), links);
  if (parent === null) return null;
  const here = posix.join(parent, posix.basename(path));
  const target = await readlink(here).catch(() => null);
  if (target === null) return here;
  links.left -= 1;
  return links.left < 0 ? null : followed(posix.resolve(parent, target), links);
}
