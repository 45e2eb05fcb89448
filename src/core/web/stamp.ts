import { createHash } from 'node:crypto';

/* A file of Kedge's carries a hash of itself, by which hand edits are noticed; what runs tells it to a probe. */

/** Where what a web server loaded tells its stamp to a probe of its own site, and only to a probe. */
export const STAMP_PATH = '/.well-known/kedge-vhost';

const MANAGED = '# managed by Kedge';
const FIRST_LINE = new RegExp(`^${MANAGED}, sha256 ([0-9a-f]{64})\\n`);

/** A text under its stamp; `render` is given the stamp, or nothing where it is to be left out. */
export function stamped(render: (stamp: string) => string): string {
  const stamp = hashOf(render(''));
  return `${MANAGED}, sha256 ${stamp}\n${render(stamp)}`;
}

/** The stamp of a file that Kedge wrote; null for a file that Kedge did not write, or that was edited since. */
export function stampOf(content: string): string | null {
  const [firstLine = '', stamp] = FIRST_LINE.exec(content) ?? [];
  if (stamp === undefined) return null;
  return hashOf(content.slice(firstLine.length).replaceAll(stamp, '')) === stamp ? stamp : null;
}

/** True for a file that Kedge once wrote, edited or not. */
export function wasManaged(content: string): boolean {
  return content.startsWith(MANAGED);
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
