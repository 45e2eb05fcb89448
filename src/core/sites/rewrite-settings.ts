import { randomBytes } from 'node:crypto';
import type { Operation } from '../operation';
import { settingsInvalid } from './settings-error';
import type {
  Change,
  RewrittenFile,
  SettingsFile,
  SettingsFormat,
  Substitute,
} from './settings-formats/settings-format';
import { discardSiteFile, publishSiteFile, stageSiteFile } from './site-files';

type Names = ReadonlyMap<string, string>;

/**
 * Gives names of a settings file other values. What already has its value is not touched; of the rest only the literals
 * change that the value in use comes from, in included files too. The new files are evaluated before they take the place of
 * the old ones. `kept` names are what must not change by it. Idempotent.
 * @throws KedgeError SettingsInvalid: the files are as before
 */
export async function rewriteSettings(
  file: SettingsFile,
  format: SettingsFormat,
  asked: Names,
  kept: readonly string[],
  operation: Operation,
): Promise<void> {
  const before = await format.evaluate(file, [...asked.keys(), ...kept], operation);
  const rewritten = await rewrittenFiles(file, format, asked, before, operation);
  if (rewritten.length === 0) return;
  const staged: (SettingsFile & { candidate: string })[] = [];
  try {
    for (const { path, before: old, content } of rewritten)
      staged.push(await stageSiteFile({ ...file, path }, old, content, operation));
    await assertMeans(file, format, asked, before, staged, operation);
    for (const one of staged) await publishSiteFile(one, operation);
  } catch (error) {
    // A cancelled attempt leaves the candidates: the next one replaces them, and a staged folder is thrown away as a whole.
    if (!operation.signal.aborted) for (const one of staged) await discardSiteFile(one, operation);
    throw error;
  }
}

/**
 * Sees that the names can be given other values, without writing anything: what `rewriteSettings` would stumble over. Returns
 * the files it would rewrite.
 * @throws KedgeError SettingsInvalid, with the line that is in the way
 */
export async function assertRewritable(
  file: SettingsFile,
  format: SettingsFormat,
  names: readonly string[],
  kept: readonly string[],
  operation: Operation,
): Promise<string[]> {
  const before = await format.evaluate(file, [...names, ...kept], operation);
  const asked = new Map(names.map((name) => [name, `kedge${randomBytes(8).toString('hex')}`]));
  const rewritten = await rewrittenFiles(file, format, asked, before, operation);
  await assertMeans(file, format, asked, before, rewritten, operation);
  return rewritten.map(({ path }) => path);
}

function rewrittenFiles(
  file: SettingsFile,
  format: SettingsFormat,
  asked: Names,
  before: Names,
  operation: Operation,
): Promise<RewrittenFile[]> | [] {
  const changes = new Map<string, Change>();
  for (const [name, to] of asked) {
    const from = before.get(name);
    if (from === undefined)
      throw settingsInvalid(file, `do not set ${name}`, `Set ${name} in ${file.path}, by a text in quotes.`);
    if (from !== to) changes.set(name, { from, to });
  }
  return changes.size === 0 ? [] : format.rewrite(file, changes, operation);
}

/** The settings as they would be mean what was asked, and nothing else by it. */
async function assertMeans(
  file: SettingsFile,
  format: SettingsFormat,
  asked: Names,
  before: Names,
  substitutes: readonly Substitute[],
  operation: Operation,
): Promise<void> {
  const wanted = new Map([...before, ...asked]);
  const names = [...wanted.keys()];
  const after = await format.evaluate(file, names, operation, substitutes);
  const wrong = names.filter((name) => after.get(name) !== wanted.get(name));
  if (wrong.length === 0) return;
  throw settingsInvalid(
    file,
    `do not evaluate to what was written for ${wrong.join(', ')}`,
    `Set each of them once, by a text in quotes, in ${file.path}.`,
  );
}
