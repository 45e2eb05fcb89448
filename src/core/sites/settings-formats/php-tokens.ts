import { join } from 'node:path';
import { z } from 'zod';
import type { Operation } from '../../operation';
import { runPhp } from '../php-runner';
import { settingsInvalid } from '../settings-error';
import type { ByteRange } from './replace-ranges';
import type { SettingsFile } from './settings-format';
import { readPhpCode } from '../../php/php-code';

/** A token of PHP source that means something: neither white space nor comment. */
export interface PhpToken extends ByteRange {
  /** `T_STRING`, …; for a single character the character; `T_HEREDOC` for a whole one without variables in it. */
  readonly name: string;
  /** From 1 on. */
  readonly line: number;
  /** The source, one character a byte. */
  readonly text: string;
  /** What a literal text or number stands for, one character a byte; null for all other tokens. */
  readonly value: string | null;
}

const TOKENIZE = readPhpCode(join(__dirname, 'php-tokens.php'));

const tokensSchema = z.array(
  z.tuple([
    z.string().max(100),
    z.int().min(0),
    z.int().min(0),
    z.int().min(1),
    z
      .string()
      .regex(/^([0-9a-f]{2})*$/)
      .nullable(),
  ]),
);

/**
 * The tokens of a settings file as PHP itself reads it.
 * @throws KedgeError SettingsInvalid
 */
export async function tokenizePhp(file: SettingsFile, content: Buffer, operation: Operation): Promise<PhpToken[]> {
  const program = { programs: [TOKENIZE], input: content, captureBytes: 32 * 1024 * 1024 };
  const tokens = await runPhp(file, program, tokensSchema, operation);
  let position = 0;
  return tokens.map(([name, start, end, line, hex]) => {
    if (start < position || end <= start || end > content.length) {
      throw settingsInvalid(file, 'were read by a PHP that does not say where its tokens are');
    }
    position = end;
    const value = hex === null ? null : Buffer.from(hex, 'hex').toString('latin1');
    return { name, start, end, line, text: content.toString('latin1', start, end), value };
  });
}
