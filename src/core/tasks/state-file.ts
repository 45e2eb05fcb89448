import { z } from 'zod';
import { KedgeError } from '../../contract/errors';

/** Decodes a file of the state folder. @throws KedgeError StateInvalid naming the file and what is wrong */
export function decode<T>(schema: z.ZodType<T>, text: string, path: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : 'it is not JSON';
    throw new KedgeError('StateInvalid', `${path} cannot be read: ${reason}`, { cause });
  }
}
