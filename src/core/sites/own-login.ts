import { isKedgeError } from '../../contract/errors';
import type { Operation } from '../operation';
import { settingsInvalid } from './settings-error';
import type { SettingsFile, SettingsFormat } from './settings-formats/settings-format';

/** Names of the variables that PHP of a site is given by its pool or its web server, whatever they hold. */
export type EnvironmentOfSite = () => Promise<readonly string[]>;

/** A trial costs a run of PHP, 0.1 s. */
const MAXIMUM_TRIALS = 100;
const NAMED = 5;

/** What no setting of a login is ever the same as. */
const ANOTHER_VALUE = 'kedge-looks-where-this-leads';

/**
 * Sees that names come from the settings, and not from variables that PHP of the site is given, which no restore could
 * change: the settings are evaluated with other values of them. What those values are is not asked.
 * @throws KedgeError SettingsInvalid, with the line where the settings themselves name the variable
 */
export async function assertOwnLogin(
  file: SettingsFile,
  format: SettingsFormat,
  names: readonly string[],
  environmentOf: EnvironmentOfSite,
  operation: Operation,
): Promise<void> {
  if (!format.readsEnvironment) return;
  const given = await environmentOf();
  if (given.length === 0) return;
  const plain = await format.evaluate(file, names, operation);
  const takenUnder = async (variables: readonly string[]): Promise<string | null> => {
    const environment = Object.fromEntries(variables.map((name) => [name, ANOTHER_VALUE]));
    try {
      const under = await format.evaluate(file, names, operation, [], environment);
      return names.find((name) => under.get(name) !== plain.get(name)) ?? null;
    } catch (error) {
      operation.signal.throwIfAborted();
      if (!isKedgeError(error) || error.code !== 'SettingsInvalid') throw error;
      // They do not run so, which says nothing of where the login comes from.
      return null;
    }
  };
  const refuse = (taken: string, from: string): never => {
    throw settingsInvalid(
      file,
      `take ${taken} from ${from}, which PHP of the site has in its environment: no restore could change it`,
      `Write the value of ${taken} as a text in quotes in ${file.path}, and take the variable out of the pool of PHP-FPM or the vhost.`,
    );
  };
  const lines = await format.environmentReads(file, operation);
  const named = given.filter((name) => lines.has(name));
  for (const name of named) {
    const taken = await takenUnder([name]);
    if (taken !== null) refuse(taken, `${name} in line ${lines.get(name)}`);
  }
  // Named by a file that they include, or put together: one look at all of them is enough where none matters.
  const takenFromOne = await takenUnder(given);
  if (takenFromOne === null) return;
  for (const name of given.slice(0, MAXIMUM_TRIALS)) {
    const taken = await takenUnder([name]);
    if (taken !== null) refuse(taken, name);
  }
  refuse(takenFromOne, `variables such as ${given.slice(0, NAMED).join(', ')}`);
}
