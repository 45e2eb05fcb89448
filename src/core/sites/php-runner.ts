import type { z } from 'zod';
import { isKedgeError } from '../../contract/errors';
import type { Bind } from '../hosts/host';
import type { Operation } from '../operation';
import { forCommandLine } from '../php/php-code';
import { settingsInvalid } from './settings-error';
import type { SettingsFile } from './settings-formats/settings-format';

/** What one run of PHP is given. */
export interface PhpProgram {
  /** Kedge's own, run one behind the other, see `readPhpCode`. They write their result as JSON to `php://fd/4`. */
  readonly programs: readonly string[];
  readonly arguments?: readonly string[];
  /** What the program may see, read-only. Default nothing. */
  readonly show?: readonly Bind[];
  readonly input?: Buffer;
  /** Most bytes of output and of result, each. Default 256 KiB. */
  readonly captureBytes?: number;
  /** Default 10,000. */
  readonly timeoutMs?: number;
}

/** What sites may expect of any PHP; loaded where it is not compiled in, and passed over where it is missing. */
const EXTENSIONS = ['json', 'tokenizer', 'ctype', 'mbstring', 'iconv', 'mysqlnd', 'mysqli', 'pdo', 'pdo_mysql'];

/** Settings have nothing to write. */
const TEMPORARY_BYTES = 16 * 1024 ** 2;

const SETTINGS = [
  ...EXTENSIONS.map((extension) => `extension=${extension}`),
  'display_errors=0',
  'display_startup_errors=0',
  'log_errors=0',
  'memory_limit=128M',
  'short_open_tag=0',
];

/**
 * Runs PHP on something hostile: as the site's owner, confined, without network, nothing writable but an empty /tmp,
 * without the configuration of the host's PHP. Its result is decoded by the schema.
 * @throws KedgeError SettingsInvalid naming the file when it does not end in time, prints too much or gives no result;
 *   ProgramMissing, SandboxUnavailable, HostUnreachable as Host.run
 */
export async function runPhp<T>(
  file: SettingsFile,
  program: PhpProgram,
  schema: z.ZodType<T>,
  operation: Operation,
): Promise<T> {
  const { host, site } = file.folder;
  const { timeoutMs = 10_000, captureBytes = 256 * 1024 } = program;
  const completed = await host
    .run({
      argv: [
        'php',
        '-n',
        ...SETTINGS.flatMap((setting) => ['-d', setting]),
        '-r',
        forCommandLine(program.programs),
        '--',
        ...(program.arguments ?? []),
      ],
      sandbox: { readOnly: program.show ?? [] },
      owner: site.owner,
      ...(program.input === undefined ? {} : { input: program.input }),
      wantsResult: true,
      limits: {
        timeoutMs,
        captureBytes,
        memoryBytes: 1024 ** 3,
        processes: 32,
        fileBytes: 1024 ** 2,
        temporaryBytes: TEMPORARY_BYTES,
      },
      // 255 after a fatal error of the site's code: the result says more.
      acceptExitCodes: [0, 255],
      operation,
    })
    .catch((error: unknown) => {
      if (!isKedgeError(error)) throw error;
      // Neither message nor cause is kept: they hold what the site printed.
      if (error.code === 'ProgramLimitReached') throw settingsInvalid(file, `asked too much: ${error.message}`);
      if (error.code === 'ProgramFailed') throw settingsInvalid(file, 'made PHP end without a result');
      throw error;
    });
  const result = schema.safeParse(parseJson(completed.result));
  if (!result.success) throw settingsInvalid(file, 'made PHP end without a result');
  return result.data;
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
