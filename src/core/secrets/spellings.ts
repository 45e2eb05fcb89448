/**
 * The ways a secret may be spelled in a log line, an error or a statement: raw, and as URLs, JSON, SQL, PHP, shell and
 * HTML write it, and in base64 and hex. Longest first, none shorter than `minimumLength`.
 */
export function spellingsOf(secret: string, minimumLength: number): string[] {
  const bytes = Buffer.from(secret, 'utf8');
  const plain = [secret, bytes.toString('latin1')];
  const all = new Set<string>();
  for (const text of plain) {
    all.add(text);
    for (const spelling of [...urlSpellings(text), ...quotedSpellings(text)]) all.add(spelling);
  }
  for (const spelling of [...hexSpellings(bytes), ...base64Spellings(bytes)]) all.add(spelling);
  return [...all].filter((spelling) => spelling.length >= minimumLength).sort((a, b) => b.length - a.length);
}

function urlSpellings(text: string): string[] {
  if (!text.isWellFormed()) return [];
  const component = encodeURIComponent(text);
  const strict = component.replace(/[!'()*]/g, percent);
  const form = new URLSearchParams({ '': text }).toString().slice(1);
  // A tilde is escaped by forms and by old PHP, an asterisk by neither.
  const spellings = [
    component,
    strict,
    strict.replaceAll('~', '%7E'),
    form,
    encodeURI(text),
    strict.replaceAll('%20', '+'),
  ];
  return spellings.flatMap((spelling) => [
    spelling,
    spelling.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase()),
  ]);
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

function quotedSpellings(text: string): string[] {
  const json = JSON.stringify(text).slice(1, -1);
  const asciiJson = escapeNonAscii(json);
  return [
    json,
    asciiJson,
    // PHP's json_encode escapes slashes.
    asciiJson.replaceAll('/', '\\/'),
    json.replaceAll('/', '\\/'),
    // JSON within JSON.
    JSON.stringify(json).slice(1, -1),
    JSON.stringify(asciiJson).slice(1, -1),
    // PHP, and SQL with backslashes.
    text.replace(/[\\']/g, '\\$&'),
    // SQL, with NO_BACKSLASH_ESCAPES and without.
    text.replaceAll("'", "''"),
    text.replaceAll('\\', '\\\\').replaceAll("'", "''"),
    // mysql_real_escape_string and option files.
    text.replace(/[\\'"\n\r\0\x1a]/g, (character) => MYSQL_ESCAPES[character] ?? character),
    text.replace(/[\\"\n\r\t]/g, (character) => MYSQL_ESCAPES[character] ?? character),
    // PHP with double quotes.
    text.replace(/[\\"$]/g, '\\$&'),
    // Shell.
    text.replaceAll("'", `'\\''`),
    // HTML.
    text.replace(/[&<>"']/g, (character) => HTML_ESCAPES[character] ?? character),
  ];
}

const MYSQL_ESCAPES: Record<string, string> = {
  '\\': '\\\\',
  "'": "\\'",
  '"': '\\"',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\0': '\\0',
  '\x1a': '\\Z',
};

const HTML_ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#039;',
};

function escapeNonAscii(json: string): string {
  return json.replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function hexSpellings(bytes: Buffer): string[] {
  const hex = bytes.toString('hex');
  return [hex, hex.toUpperCase()];
}

/** Within a longer text its base64 depends on how many bytes stand before it, modulo three. */
function base64Spellings(bytes: Buffer): string[] {
  const spellings = [bytes.toString('base64'), bytes.toString('base64url')];
  for (const before of [0, 1, 2]) {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64url');
    // Only characters made of the secret's bits alone are the same in every text.
    const whole = encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
    spellings.push(whole, whole.replaceAll('-', '+').replaceAll('_', '/'));
  }
  return spellings;
}
