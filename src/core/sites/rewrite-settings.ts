import type { Operation } from '../operation';
import { settingsInvalid } from './settings-error';
import type { SettingsFile, SettingsFormat } from './settings-formats/settings-format';
import { discardSiteFile, publishSiteFile, readSiteFile, stageSiteFile } from './site-files';

/**
 * Gives names of a settings file other values. What already has its value is not touched; of the rest only the literals
 * change. The new file is evaluated before it takes the place of the old one. Idempotent.
 * @throws KedgeError SettingsInvalid: the file is as before
 */
export async function rewriteSettings(
  file: SettingsFile,
  format: SettingsFormat,
  asked: ReadonlyMap<string, string>,
  operation: Operation,
): Promise<void> {
  const names = [...asked.keys()];
  const before = await format.evaluate(file, names, operation);
  const changes = new Map([...asked].filter(([name, value]) => before.get(name) !== value));
  if (changes.size === 0) return;

  const content = await readSiteFile(file, operation);
  const rewritten = await format.rewrite(file, content, changes, operation);
  const staged = await stageSiteFile(file, content, rewritten, operation);
  try {
    const after = await format.evaluate(staged, names, operation);
    const wrong = names.filter((name) => after.get(name) !== asked.get(name));
    if (wrong.length > 0) {
      throw settingsInvalid(
        file,
        `do not evaluate to what was written for ${wrong.join(', ')}`,
        `Set each of them once, by a text in quotes, in ${file.path}.`,
      );
    }
    await publishSiteFile(staged, operation);
  } catch (error) {
    // A cancelled attempt leaves the candidate: the next one replaces it, and a staged folder is thrown away as a whole.
    if (!operation.signal.aborted) await discardSiteFile(staged, operation);
    throw error;
  }
}
