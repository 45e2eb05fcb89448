import { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '../../../contract/error-codes';
import { KedgeError, isKedgeError } from '../../../contract/errors';

/** What a host throws; whatever else a far end says of itself is taken for a mistake in it. */
const CODES_OF_HOSTS = [
  'ProgramMissing',
  'ProgramFailed',
  'ProgramTimedOut',
  'ProgramLimitReached',
  'ProgramKilled',
  'SandboxUnavailable',
  'DiskFull',
  'FileRefused',
  'OwnerRefused',
  'ConfigurationInvalid',
  'HostUnreachable',
  'HostRefused',
  'Internal',
] as const satisfies readonly ErrorCode[];

const MESSAGE_CHARACTERS = 32 * 1024;
const SENTENCE_CHARACTERS = 2 * 1024;
/** The system's names of its errors (man 3 errno, man 3 getaddrinfo). */
const SYSTEM_CODE = /^E[A-Z0-9_]{1,31}$/;

/** An error on its way from one end to the other: neither stack nor cause. */
export const wireErrorSchema = z.strictObject({
  /** Null for what is no KedgeError. */
  code: z.enum(CODES_OF_HOSTS).nullable(),
  message: z.string().max(MESSAGE_CHARACTERS),
  hint: z.string().max(SENTENCE_CHARACTERS).optional(),
  state: z.string().max(SENTENCE_CHARACTERS).optional(),
  /** Of an error of the system, such as `EISDIR`. */
  system: z.string().regex(SYSTEM_CODE).optional(),
});
export type WireError = z.infer<typeof wireErrorSchema>;

export function toWire(error: unknown): WireError {
  if (isKedgeError(error)) {
    const { code, hint, state } = error;
    const message = error.message.slice(0, MESSAGE_CHARACTERS);
    if (!isCodeOfHosts(code)) return { code: 'Internal', message };
    return {
      code,
      message,
      ...(hint === ERROR_CODES[code].hint ? {} : { hint: hint.slice(0, SENTENCE_CHARACTERS) }),
      ...(state === undefined ? {} : { state: state.slice(0, SENTENCE_CHARACTERS) }),
    };
  }
  const { code } = error as NodeJS.ErrnoException;
  return {
    code: null,
    message: (error instanceof Error ? error.message : String(error)).slice(0, MESSAGE_CHARACTERS),
    ...(typeof code === 'string' && SYSTEM_CODE.test(code) ? { system: code } : {}),
  };
}

/** The same error at the other end. Which server it is of is known here, and not told. */
export function fromWire({ code, message, hint, state, system }: WireError, server: string): Error {
  if (code !== null)
    return new KedgeError(code, message, {
      server,
      ...(hint === undefined ? {} : { hint }),
      ...(state === undefined ? {} : { state }),
    });
  return Object.assign(new Error(message), system === undefined ? {} : { code: system });
}

function isCodeOfHosts(code: ErrorCode): code is (typeof CODES_OF_HOSTS)[number] {
  return (CODES_OF_HOSTS as readonly ErrorCode[]).includes(code);
}
