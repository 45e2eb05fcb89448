import { requestRulesOf } from '../config/request-rules';
import type { Configuration } from '../config/schema';
import { KedgeError, isKedgeError } from '../contract/errors';
import type { TaskType } from '../contract/names';
import { readSigningKey } from '../core/requests/signing-key';

/**
 * The signing key of the configuration, read when a task is asked for. Who may not read it asks without a signature, where none
 * is needed. @throws KedgeError SecretUnavailable, OwnerRefused
 */
export function configuredSigningKey(
  configuration: Configuration,
  environment: Record<string, string | undefined>,
): (type: TaskType) => Promise<string | null> {
  const { keys, signed } = requestRulesOf(configuration);
  return async (type) => {
    const [key] = keys;
    if (key === undefined) return null;
    try {
      return await readSigningKey(key, { environment });
    } catch (error) {
      if (!isKedgeError(error)) throw error;
      if (!signed.includes(type)) return null;
      throw new KedgeError(error.code, `a ${type} has to be signed, and ${error.message}`, {
        cause: error,
        hint: `Run it as the worker's user, root say. ${error.hint}`,
        state: 'the site is unchanged',
      });
    }
  };
}
