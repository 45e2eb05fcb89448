import { readSiteFile } from '../site-files';
import { settingsInvalid } from '../settings-error';
import { decodeText } from './decode-text';
import { type EnvironmentEntry, environmentEntries } from './environment-entries';
import { environmentValue } from './environment-value';
import { type Replacement, replaceRanges } from './replace-ranges';
import type { SettingsFile, SettingsFormat } from './settings-format';

/** Settings as `KEY=value` lines: `.env` files and shell snippets. Nothing is run, so nothing that needs running is read. */
export const environmentSettings: SettingsFormat = {
  async evaluate(file, names, operation, substitutes = []) {
    const substitute = substitutes.find(({ path }) => path === file.path);
    const content =
      substitute && 'content' in substitute
        ? substitute.content
        : await readSiteFile(substitute ? { ...file, candidate: substitute.candidate } : file, operation);
    const values = new Map<string, string>();
    for (const entry of entriesOf(file, content)) {
      if (!names.includes(entry.key)) continue;
      const value = literalValue(file, entry);
      if ((values.get(entry.key) ?? value) !== value) {
        // Shells take the last one, some dotenv libraries the first.
        throw settingsInvalid(file, `set ${entry.key} again in line ${entry.line}, to something else`);
      }
      values.set(entry.key, value);
    }
    return values;
  },

  readsEnvironment: false,
  environmentReads: () => Promise.resolve(new Map()),

  async databaseTexts(file, operation) {
    const texts = new Map<string, string>();
    for (const { key, value } of entriesOf(file, await readSiteFile(file, operation))) {
      const text = value === null ? null : decodeText(Buffer.from(value, 'latin1'));
      if (text !== null) texts.set(key, text);
    }
    return texts;
  },

  async rewrite(file, changes, operation) {
    const content = await readSiteFile(file, operation);
    const replacements: Replacement[] = [];
    for (const [name, { to: value }] of changes) {
      const entries = entriesOf(file, content).filter((entry) => entry.key === name);
      if (entries.length === 0) {
        throw settingsInvalid(file, `do not set ${name}`, `Add a line ${name}=… to ${file.path}.`);
      }
      for (const entry of entries) {
        literalValue(file, entry);
        const text = environmentValue(value, entry.quote);
        if (text === null) throw settingsInvalid(file, `cannot hold the new value of ${name}`);
        replacements.push({ start: entry.start, end: entry.end, bytes: Buffer.from(text) });
      }
    }
    return [{ path: file.path, before: content, content: replaceRanges(content, replacements) }];
  },
};

function entriesOf(file: SettingsFile, content: Buffer): EnvironmentEntry[] {
  if (content.includes(0)) throw settingsInvalid(file, 'hold a NUL byte');
  return environmentEntries(content.toString('latin1'));
}

function literalValue(file: SettingsFile, { key, line, value }: EnvironmentEntry): string {
  if (value === null) {
    throw settingsInvalid(
      file,
      `set ${key} in line ${line} in a way that not everybody reads the same`,
      `Put the value of ${key} in line ${line} of ${file.path} into single quotes.`,
    );
  }
  const text = decodeText(Buffer.from(value, 'latin1'));
  if (text === null) throw settingsInvalid(file, `set ${key} in line ${line} to text that is not UTF-8`);
  return text;
}
