import { KedgeError } from '../contract/errors';

/** An error of the one who typed the command. */
export function usage(message: string, hint?: string): KedgeError {
  return new KedgeError('UsageInvalid', message, hint === undefined ? {} : { hint });
}
