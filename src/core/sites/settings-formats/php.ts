import type { Operation } from '../../operation';
import { settingsInvalid } from '../settings-error';
import { findAssignments } from './php-assignments';
import { type Bootstrap, type Connections, databaseTexts, evaluatePhp } from './php-evaluation';
import { phpLiteral } from './php-literal';
import { parsePhpName } from './php-name';
import { tokenizePhp } from './php-tokens';
import type { Replacement } from './replace-ranges';
import { replaceRanges } from './replace-ranges';
import type { SettingsFile, SettingsFormat } from './settings-format';

/**
 * Settings as PHP code. A name is a constant (`DB_NAME`, `App\DB_NAME`) or a variable (`$name`, `$config['db']['name']`).
 * Values are what evaluation says, never what the source seems to say; rewritten are literals the tokenizer of PHP finds.
 */
export function phpSettings(
  application: { readonly bootstrap?: Bootstrap; readonly connections?: Connections } = {},
): SettingsFormat {
  return {
    evaluate: (file, names, operation) => evaluatePhp(file, names, application, operation),
    databaseTexts: (file, operation) => databaseTexts(file, application, operation),
    rewrite,
  };
}

async function rewrite(
  file: SettingsFile,
  content: Buffer,
  changes: ReadonlyMap<string, string>,
  operation: Operation,
): Promise<Buffer> {
  const tokens = await tokenizePhp(file, content, operation);
  const replacements: Replacement[] = [];
  for (const [name, value] of changes) {
    const assignments = findAssignments(tokens, parsePhpName(name));
    if (assignments.length === 0) {
      throw settingsInvalid(file, `do not set ${name} themselves`, `Set ${name} in ${file.path}, by a text in quotes.`);
    }
    for (const { line, literal } of assignments) {
      if (!literal) {
        throw settingsInvalid(
          file,
          `compute ${name} in line ${line}`,
          `Write the value of ${name} as a text in quotes in line ${line} of ${file.path}.`,
        );
      }
      const quote = literal.text.endsWith('"') ? '"' : "'";
      replacements.push({ start: literal.start, end: literal.end, bytes: Buffer.from(phpLiteral(value, quote)) });
    }
  }
  return replaceRanges(content, replacements);
}
