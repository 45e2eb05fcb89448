/** A secret that may be found nowhere but in its own place. */
export interface Canary {
  readonly name: string;
  readonly secret: string;
}

/** Somewhere a secret could have gone. */
export interface Place {
  readonly name: string;
  readonly text: string;
}

/** Which canaries are where, one line each. A text that was read as latin1, to lose no byte, is looked through too. */
export function leaks(places: Iterable<Place>, canaries: readonly Canary[]): string[] {
  const wanted = canaries.flatMap(({ name, secret }) =>
    Object.entries(spellings(secret)).map(([spelling, text]) => ({
      what: `${name} (${spelling})`,
      texts: [text, Buffer.from(text, 'utf8').toString('latin1')],
    })),
  );
  const found: string[] = [];
  for (const { name, text } of places) {
    for (const { what, texts } of wanted)
      if (texts.some((secret) => text.includes(secret))) found.push(`${name}: ${what}`);
  }
  return found;
}

/** How a secret may stand in a text. Written apart from the redaction of Kedge, so that the two check each other. */
export function spellings(secret: string): Record<string, string> {
  const bytes = Buffer.from(secret, 'utf8');
  const json = JSON.stringify(secret).slice(1, -1);
  const all: Record<string, string> = {
    plain: secret,
    url: encodeURIComponent(secret),
    form: new URLSearchParams([['', secret]]).toString().slice(1),
    json,
    'json in json': JSON.stringify(json).slice(1, -1),
    sql: secret.replaceAll("'", "''"),
    'sql with backslashes': secret.replace(/[\\'"]/g, '\\$&'),
    php: secret.replace(/[\\']/g, '\\$&'),
    hex: bytes.toString('hex'),
  };
  // What of the base64 does not depend on the neighbours, for each of the three places a byte can have.
  for (const before of [0, 1, 2]) {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    all[`base64 at ${before}`] = encoded.slice(
      before === 0 ? 0 : before + 1,
      Math.floor(((before + bytes.length) * 4) / 3),
    );
  }
  return all;
}

/** Every string and every byte sequence of a value, however deep, each in a line. */
export function textsOf(value: unknown): string {
  const lines: string[] = [];
  const visit = (part: unknown): void => {
    if (typeof part === 'string') lines.push(part);
    else if (part instanceof Uint8Array || Object.prototype.toString.call(part) === '[object Uint8Array]')
      lines.push(Buffer.from(part as Uint8Array).toString('utf8'));
    else if (Array.isArray(part)) for (const inner of part) visit(inner);
    else if (typeof part === 'object' && part !== null) {
      for (const [key, inner] of Object.entries(part)) {
        lines.push(key);
        visit(inner);
      }
    }
  };
  visit(value);
  return lines.join('\n');
}
