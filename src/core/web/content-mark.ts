import type { ContentMark } from '../../contract/backup-record';

const MAXIMUM_TITLE = 1000;

/** Status and `<title>` of an answer. The body is hostile: this looks through it once, without backtracking. */
export function contentMarkOf(status: number, contentType: string | undefined, body: Buffer): ContentMark {
  if (contentType !== undefined && !/html/i.test(contentType)) return { status, title: null };
  return { status, title: titleOf(decoded(contentType, body)) };
}

/**
 * How an answer compares with the mark taken at backup. A title may tell the time or count something, so another one
 * alone does not make a site broken; another status, or no title where one was, does.
 */
export function compareMarks(expected: ContentMark, found: ContentMark): 'same' | 'other title' | 'broken' {
  if (found.status !== expected.status) return 'broken';
  if (found.title === expected.title) return 'same';
  return found.title === null ? 'broken' : 'other title';
}

function titleOf(html: string): string | null {
  const element = html.search(/<title[\s>]/i);
  if (element === -1) return null;
  const start = html.indexOf('>', element);
  if (start === -1) return null;
  const rest = html.slice(start + 1);
  const end = rest.search(/<\/title/i);
  if (end === -1) return null;
  return rest.slice(0, end).slice(0, MAXIMUM_TITLE).replaceAll(/\s+/g, ' ').trim();
}

function decoded(contentType: string | undefined, body: Buffer): string {
  const charset = /charset="?([\w.:-]+)/i.exec(contentType ?? '')?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(charset).decode(body);
  } catch {
    // An unknown charset.
    return body.toString('utf8');
  }
}
