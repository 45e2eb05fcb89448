import { SITE_FOLDER, type SiteRoot } from '../../contract/target';

const WILDCARD = /[*?[\]\\]/;

/** Patterns of what backups leave out that are about a folder of a site, relative to it. */
export function patternsAbout({ name, path }: SiteRoot, exclude: readonly string[]): string[] {
  // Patterns about a declared path begin with it; all others are about the site folder.
  return exclude.flatMap((pattern) => {
    if (name === SITE_FOLDER) return [pattern];
    return pattern.startsWith(`${path}/`) ? [pattern.slice(path.length + 1)] : [];
  });
}

/** Arguments of `find`, which runs in a folder of a site, that are true for what backups leave out of it. */
export function excludedTest(folder: SiteRoot, exclude: readonly string[]): string[] {
  const patterns = patternsAbout(folder, exclude);
  // tar and find read patterns alike but for the slash, which find lets a `*` match: more is left out, below that folder.
  const tests = patterns.flatMap((pattern) => [
    ...['-o', '-path', `./${pattern}`],
    ...(WILDCARD.test(pattern) ? [] : ['-o', '-path', `./${pattern}/*`]),
  ]);
  return ['(', '-false', ...tests, ')'];
}
