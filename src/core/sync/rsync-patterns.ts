/** A piece of a pattern: a byte taken literally, a run of stars, or any other character. */
const PIECES = /\\[^]|\*+|[^]/g;

/**
 * What backups leave out of a folder, as rsync is told it (`man rsync`, PATTERN MATCHING RULES). Both read wildcards alike: neither a
 * star nor a question mark stands for a slash. But for rsync two stars do, and a backslash quotes only in a pattern that has a
 * wildcard, be it a quoted one. A pattern that tar reads otherwise is left to tar, which packs what was brought.
 *
 * @param patterns about the folder, relative to it
 */
export function rsyncExclusions(patterns: readonly string[]): string[] {
  return patterns
    .filter((pattern) => pattern !== '' && !pattern.startsWith('/') && !pattern.endsWith('/'))
    .map((pattern) => {
      const pieces = pattern.match(PIECES) ?? [];
      const isWild = pieces.some((piece) => /^\\?[*?[]/.test(piece));
      const anchored = pieces.map((piece) => {
        if (piece.startsWith('*')) return '*';
        return isWild || piece.length === 1 ? piece : piece.slice(1);
      });
      return `--exclude=/${anchored.join('')}`;
    });
}
