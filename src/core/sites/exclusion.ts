import { SITE_FOLDER } from '../../contract/target';

const WILDCARD = /[*?[\]\\]/;

/** Arguments of `find`, which runs in a folder of a site, that are true for what backups leave out of it. */
export function excludedTest(
  { name, path }: { readonly name: string; readonly path: string },
  exclude: readonly string[],
): string[] {
  // Patterns about a declared path begin with it; all others are about the site folder.
  const patterns = exclude.flatMap((pattern) => {
    if (name === SITE_FOLDER) return [pattern];
    return pattern.startsWith(`${path}/`) ? [pattern.slice(path.length + 1)] : [];
  });
  // tar and find read patterns alike but for the slash, which find lets a `*` match: more is left out, below that folder.
  const tests = patterns.flatMap((pattern) => [
    ...['-o', '-path', `./${pattern}`],
    ...(WILDCARD.test(pattern) ? [] : ['-o', '-path', `./${pattern}/*`]),
  ]);
  return ['(', '-false', ...tests, ')'];
}
