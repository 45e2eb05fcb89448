import { KedgeError } from '../../../contract/errors';

/** What a setting is called in PHP: a constant, or a variable with the keys that lead to the value. */
export type PhpName =
  | { readonly form: 'constant'; readonly constant: string }
  | { readonly form: 'variable'; readonly path: readonly [string, ...string[]] };

const CONSTANT = /^\\?([A-Za-z_]\w*\\)*[A-Za-z_]\w*(::[A-Za-z_]\w*)?$/;
const VARIABLE = /^\$([A-Za-z_]\w*)((?:\[(?:'[^'\\\]]+'|"[^"\\$\]]+")\])*)$/;

/**
 * Reads `DB_NAME`, `App\DB_NAME`, `Config::NAME`, `$name`, `$config['db']['name']`.
 * @throws KedgeError ConfigurationInvalid
 */
export function parsePhpName(name: string): PhpName {
  if (CONSTANT.test(name)) return { form: 'constant', constant: name.replace(/^\\/, '') };
  const [, variable, keys = ''] = VARIABLE.exec(name) ?? [];
  if (variable === undefined) {
    throw new KedgeError('ConfigurationInvalid', `${name} names neither a PHP constant nor a PHP variable`, {
      hint: "Write NAME for a constant, and name or name['key'] for a variable.",
    });
  }
  return { form: 'variable', path: [variable, ...[...keys.matchAll(/\[.(.+?).\]/g)].map(([, key = '']) => key)] };
}
