import { z } from 'zod';
import type { Operation } from '../../operation';
import { runPhp } from '../php-runner';
import { settingsInvalid } from '../settings-error';
import type { ByteRange } from './replace-ranges';
import type { SettingsFile } from './settings-format';

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

// Offsets are summed up because token_get_all knows none, and PhpToken is missing before PHP 8. What is evaluated is one
// literal, by what PHP's own tokenizer says.
const TOKENIZE = String.raw`
function kedgeValue($literal) {
    try {
        return bin2hex((string) @eval("return $literal\n;"));
    } catch (Throwable $error) {
        return null;
    }
}
$offset = 0; $line = 1; $tokens = [];
foreach (token_get_all(stream_get_contents(STDIN)) as $token) {
    $text = is_array($token) ? $token[1] : $token;
    $name = is_array($token) ? token_name($token[0]) : $token;
    if (!is_array($token) || !in_array($token[0], [T_WHITESPACE, T_COMMENT, T_DOC_COMMENT], true)) {
        $literal = in_array($name, ['T_CONSTANT_ENCAPSED_STRING', 'T_LNUMBER'], true) ? $text : null;
        $start = $offset;
        $first = $line;
        $open = end($tokens);
        if ($name === 'T_END_HEREDOC') {
            $parts = 1;
            if ($open && $open[0] === 'T_ENCAPSED_AND_WHITESPACE') $parts = 2;
            $opening = $parts === 1 ? $open : prev($tokens);
            if ($opening && $opening[0] === 'T_START_HEREDOC') {
                $name = 'T_HEREDOC';
                $literal = $opening[5] . ($parts === 1 ? '' : $open[5]) . $text;
                $start = $opening[1];
                $first = $opening[3];
                array_splice($tokens, -$parts);
            }
        }
        $tokens[] = [$name, $start, $offset + strlen($text), $first, $literal === null ? null : kedgeValue($literal), $text];
    }
    $offset += strlen($text);
    $line += substr_count($text, "\n");
}
foreach ($tokens as &$token) unset($token[5]);
fwrite(fopen('php://fd/4', 'w'), json_encode($tokens));
`;

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
  const program = { script: TOKENIZE, input: content, captureBytes: 32 * 1024 * 1024 };
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
