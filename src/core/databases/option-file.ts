import { KedgeError } from '../../contract/errors';

/** Where a client program connects, and as whom. */
export interface ClientLogin {
  readonly user: string;
  readonly password: string | undefined;
  /** Socket, or host and port. */
  readonly socket: string | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  /** What goes over the connection is compressed. Default false. */
  readonly compresses?: boolean;
}

/** Longest line the clients read from an option file. */
const LONGEST_LINE = 4000;

/**
 * The text of an option file that logs a MariaDB or MySQL client in. Holds the password: it goes to the program by
 * descriptor only. @throws KedgeError DatabaseAccessDenied for a password no option file can hold
 */
export function optionFile(login: ClientLogin): string {
  const lines = ['[client]', `user=${quoteOption(login.user)}`];
  if (login.password !== undefined) lines.push(`password=${quoteOption(login.password)}`);
  if (login.socket !== undefined) {
    lines.push('protocol=socket', `socket=${quoteOption(login.socket)}`);
  } else {
    lines.push('protocol=tcp', `host=${quoteOption(login.host ?? '127.0.0.1')}`, `port=${login.port ?? 3306}`);
  }
  // Later clients of MySQL may do without this option.
  if (login.compresses === true) lines.push('loose-compress');
  return `${lines.join('\n')}\n`;
}

/** Between quotes, `#` begins no comment and spaces at the ends stay; the escapes are those of the option file reader. */
function quoteOption(value: string): string {
  const escapes: Record<string, string> = {
    '\\': '\\\\',
    '"': '\\"',
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\b': '\\b',
  };
  const quoted = `"${value.replace(/[\\"\n\r\t\b]/g, (character) => escapes[character] ?? character)}"`;
  if (value.includes('\0') || Buffer.byteLength(quoted) > LONGEST_LINE) {
    throw new KedgeError('DatabaseAccessDenied', 'a login cannot be written to an option file: too long, or with NUL');
  }
  return quoted;
}
