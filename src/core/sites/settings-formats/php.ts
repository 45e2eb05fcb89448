import { type Bootstrap, type Connections, databaseTexts, evaluatePhp } from './php-evaluation';
import { environmentReads } from './php-environment';
import { rewritePhp } from './php-rewriting';
import type { SettingsFormat } from './settings-format';

/**
 * Settings as PHP code. A name is a constant (`DB_NAME`, `App\DB_NAME`) or a variable (`$name`, `$config['db']['name']`).
 * Values are what evaluation says, never what the source seems to say; rewritten are literals the tokenizer of PHP finds, and
 * of those the ones that a value in use comes from.
 */
export function phpSettings(
  application: { readonly bootstrap?: Bootstrap; readonly connections?: Connections } = {},
): SettingsFormat {
  return {
    evaluate: (file, names, operation, substitutes = [], environment = {}) =>
      evaluatePhp(file, names, { ...application, substitutes, environment }, operation),
    readsEnvironment: true,
    environmentReads,
    databaseTexts: (file, operation) => databaseTexts(file, application, operation),
    rewrite: (file, changes, operation) => rewritePhp(file, changes, application, operation),
  };
}
