const VERSION = /^-- Server version\t(.+?)\r?$/m;
const HEADER = /^-- Host: .*? {4}Database: (.+?)\r?$/m;

/**
 * The database that a dump is of, as dump programs name it in a comment of its first lines; undefined where they do not. The
 * word of the dump: it may say what is to follow the name of the new database, and nothing else.
 */
export function databaseOfHeader(start: Buffer): string | undefined {
  return HEADER.exec(headerOf(start))?.[1];
}

/** The version of the server that a dump was made from, in the same way. */
export function versionOfHeader(start: Buffer): string | undefined {
  return VERSION.exec(headerOf(start))?.[1];
}

function headerOf(start: Buffer): string {
  const text = start.toString('utf8');
  const firstStatement = text.search(/^(?!--|\s|\/\*M?!999999)/m);
  return firstStatement === -1 ? text : text.slice(0, firstStatement);
}
