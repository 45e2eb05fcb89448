import { z } from 'zod';
import type { Operation } from '../../operation';
import { runPhp } from '../php-runner';
import { settingsInvalid } from '../settings-error';
import type { ByteRange } from './replace-ranges';
import type { SettingsFile } from './settings-format';

/** A token of PHP source that means something: neither white space nor comment. */
export interface PhpToken extends ByteRange {
  /** `T_STRING`, …; for a single character the character. */
  readonly name: string;
  /** From 1 on. */
  readonly line: number;
  /** The source, one character a byte. */
  readonly text: string;
}

// Offsets are summed up because token_get_all knows none, and PhpToken is missing before PHP 8.
const TOKENIZE = `
$offset = 0; $line = 1; $tokens = [];
foreach (token_get_all(stream_get_contents(STDIN)) as $token) {
    $text = is_array($token) ? $token[1] : $token;
    if (!is_array($token) || !in_array($token[0], [T_WHITESPACE, T_COMMENT, T_DOC_COMMENT], true)) {
        $tokens[] = [is_array($token) ? token_name($token[0]) : $token, $offset, $offset + strlen($text), $line];
    }
    $offset += strlen($text);
    $line += substr_count($text, "\\n");
}
fwrite(fopen('php://fd/4', 'w'), json_encode($tokens));
`;

const tokensSchema = z.array(z.tuple([z.string().max(100), z.int().min(0), z.int().min(0), z.int().min(1)]));

/**
 * The tokens of a settings file as PHP itself reads it.
 * @throws KedgeError SettingsInvalid
 */
export async function tokenizePhp(file: SettingsFile, content: Buffer, operation: Operation): Promise<PhpToken[]> {
  const program = { script: TOKENIZE, input: content, captureBytes: 32 * 1024 * 1024 };
  const tokens = await runPhp(file, program, tokensSchema, operation);
  let position = 0;
  return tokens.map(([name, start, end, line]) => {
    if (start < position || end <= start || end > content.length) {
      throw settingsInvalid(file, 'were read by a PHP that does not say where its tokens are');
    }
    position = end;
    return { name, start, end, line, text: content.toString('latin1', start, end) };
  });
}
