import { isKedgeError, KedgeError } from '../../contract/errors';
import type { ErrorCode } from '../../contract/error-codes';
import { withoutSecrets } from '../secrets/redaction';

/** What a MySQL driver says of an error. Only these fields are used: `sql`, which may hold a password, never is. */
interface DriverError {
  readonly errno: number | undefined;
  readonly code: string | undefined;
  readonly message: string;
}

/** Lost, refused or never made connections: server error numbers, client error numbers, codes of driver and system. */
const UNREACHABLE_NUMBERS = new Set([
  1040, 1053, 1077, 1078, 1079, 1152, 1159, 1160, 1161, 1203, 1927, 2002, 2003, 2005, 2006, 2013, 2026, 2055,
]);
const UNREACHABLE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_SEQUENCE_TIMEOUT',
]);
/** Refused logins: wrong password, no such account for this host, account locked, host blocked, password expired. */
const DENIED_NUMBERS = new Set([1045, 1129, 1130, 1251, 1275, 1524, 1698, 1820, 1862, 3118, 4151]);

/** The code for an error number of a server or client; DatabaseRefused for what is about a statement. */
export function codeOfNumber(number: number | undefined): ErrorCode {
  if (number === undefined) return 'DatabaseRefused';
  if (UNREACHABLE_NUMBERS.has(number)) return 'DatabaseUnreachable';
  if (DENIED_NUMBERS.has(number)) return 'DatabaseAccessDenied';
  if (number === 1049) return 'DatabaseUnknown';
  // Disk full, as the server sees it: table full, write errors.
  if (number === 1021 || number === 1114) return 'DiskFull';
  return 'DatabaseRefused';
}

/** Connections, memory, locks, threads and time that an account or a server has none left of; servers that stopped taking writes. */
const PASSING_NUMBERS = new Set([
  1037, 1038, 1040, 1041, 1047, 1135, 1203, 1205, 1213, 1226, 1290, 1317, 1637, 1836, 1969, 3024,
]);
/** EIO, ENOMEM, EMFILE, ENOSPC, EROFS, EDQUOT: Linux, as servers name them. */
const PASSING_SYSTEM_ERROR = /\b(?:errno|errcode|error):? (?:5|12|24|28|30|122)(?: "| - )/i;

/** True for what a client says when a statement failed for the state its server was in: the same statement may be taken later. */
export function isPassing(stderr: string): boolean {
  const { number, message } = clientError(stderr);
  return (number !== undefined && PASSING_NUMBERS.has(number)) || PASSING_SYSTEM_ERROR.test(message);
}

export function numberOf(error: unknown): number | undefined {
  return driverError(error)?.errno;
}

/** True when the connection the error came from cannot be used any more. */
export function isConnectionError(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'DatabaseUnreachable' || code === 'HostUnreachable';
}

/**
 * The error of a driver as one of Kedge's. `what` says what was being done, in lower case. `secrets` never appear in the
 * message, though a server may quote the statement it did not understand.
 */
export function databaseError(
  error: unknown,
  server: string,
  what: string,
  secrets: readonly string[] = [],
): KedgeError {
  if (isKedgeError(error)) return error;
  const message = withoutSecrets(driverError(error)?.message ?? String(error), secrets);
  return new KedgeError(codeOf(error), `${what} failed on database server ${server}: ${message}`, { server });
}

/** The first `ERROR 1273 (HY000)` or `Got error: 2002:` of a client's standard error. */
export function clientError(stderr: string): { number: number | undefined; message: string } {
  const lines = stderr.split('\n').map((line) => line.trim());
  const line = lines.find((text) => /\berror\b/i.test(text) || /Couldn't execute/.test(text));
  const message = line ?? lines.findLast((text) => text !== '') ?? '';
  const number = /ERROR (\d{4})|error:? (\d{4})|\((\d{4})\)\s*$/i.exec(message)?.slice(1).find(Boolean);
  return { number: number === undefined ? undefined : Number(number), message };
}

function codeOf(error: unknown): ErrorCode {
  if (isKedgeError(error)) return error.code;
  const driver = driverError(error);
  if (!driver) return 'DatabaseRefused';
  if (driver.code !== undefined && UNREACHABLE_CODES.has(driver.code)) return 'DatabaseUnreachable';
  if (/closed state|connection lost|connect ETIMEDOUT/i.test(driver.message)) return 'DatabaseUnreachable';
  return codeOfNumber(driver.errno);
}

function driverError(error: unknown): DriverError | undefined {
  // Not instanceof: tests run in a realm of their own.
  if (typeof error !== 'object' || error === null || !('message' in error)) return undefined;
  return {
    message: String(error.message),
    code: 'code' in error && typeof error.code === 'string' ? error.code : undefined,
    errno: 'errno' in error && typeof error.errno === 'number' ? error.errno : undefined,
  };
}
