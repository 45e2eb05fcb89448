import { join, relative } from 'node:path';
import { z } from 'zod';
import type { Operation } from '../../operation';
import { runPhp } from '../php-runner';
import { settingsInvalid } from '../settings-error';
import { MAXIMUM_FILE_BYTES } from '../site-files';
import { folderOfFile, isBelow, seenPath, shownFolders } from '../site-folder';
import { decodeText } from './decode-text';
import { parsePhpName } from './php-name';
import type { SettingsFile, Substitute } from './settings-format';
import { readPhpCode } from '../../php/php-code';

/**
 * What the settings start when they are through, and evaluation must not: a file of the site folder, found through a
 * constant.
 */
export interface Bootstrap {
  /** Names the folder of the application; defined before the settings run. */
  readonly constant: string;
  /** Empty while evaluating. */
  readonly file: string;
  /** Not found through the constant: without it `file` ends at once, should the settings find it by another way. */
  readonly code: string;
}

const EVALUATE = readPhpCode(join(__dirname, 'php-evaluation.php'));
const SUBSTITUTES = readPhpCode(join(__dirname, 'php-substitutes.php'));

const hexSchema = z.string().regex(/^([0-9a-f]{2})*$/);
const valueSchema = z.union([
  z.null(),
  z.tuple([z.literal('text'), hexSchema]),
  z.tuple([z.literal('other'), z.string().max(40)]),
]);

const reportSchema = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('through'),
    values: z.array(valueSchema),
    texts: z.array(z.tuple([hexSchema, hexSchema])).max(400),
    structures: z.array(z.unknown()),
    words: z.array(z.string()).nullable(),
    included: z.array(hexSchema).max(1000),
  }),
  z.object({
    state: z.literal('failed'),
    error: z.string(),
    line: z.int(),
    file: z.string(),
    detail: z.string().nullable(),
  }),
  z.object({ state: z.enum(['ended', 'link', 'no file', 'missing', 'unreadable', 'large']) }),
]);

const PROBLEMS = {
  ended: 'end PHP before they are through: they call exit or die',
  link: 'are a symbolic link, which is not followed',
  'no file': 'are no regular file',
  missing: 'are missing',
  unreadable: 'cannot be read by the owner of the site',
  large: `are larger than ${MAXIMUM_FILE_BYTES} bytes`,
};

/** A file that the settings leave it to, to say where the application connects to. */
export interface Connections {
  /** The file that reads it; without it nobody does. */
  readonly 'drop-in': string;
  readonly file: string;
  /** Names another place of the file. */
  readonly constant: string;
  /**
   * A program that stands for the drop-in: a class `KedgeConnections`, whose `variables()` the file finds set, and whose `$names` are
   * the databases that it named.
   */
  readonly program: string;
}

/** What one evaluation is given besides the file. */
export interface Circumstances {
  readonly bootstrap?: Bootstrap;
  readonly connections?: Connections;
  readonly timeoutMs?: number;
  /** What is looked at in the place of files of the site. */
  readonly substitutes?: readonly Substitute[];
  /** Variables of the environment; no secrets. */
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * What PHP makes of the names when it runs the file: confined, as the owner of the site, seeing its folders at the
 * paths they live at.
 * @throws KedgeError SettingsInvalid when the file does not come through, or sets a name to something that is no text;
 *   ConfigurationInvalid for a name PHP cannot have
 */
export async function evaluatePhp(
  file: SettingsFile,
  names: readonly string[],
  options: Circumstances,
  operation: Operation,
): Promise<ReadonlyMap<string, string>> {
  const { values } = await run(file, { names }, options, operation);
  return collectValues(file, names, values);
}

/**
 * The files that were run to evaluate one, itself among them, as the site sees them: those in its folders. What it takes in
 * without running it is not among them. Evaluated as {@link evaluatePhp} does. @throws KedgeError SettingsInvalid
 */
export async function includedFiles(
  file: SettingsFile,
  options: Circumstances,
  operation: Operation,
): Promise<readonly string[]> {
  const { included } = await run(file, { included: true }, options, operation);
  const paths = included.map((hex) => decodeText(Buffer.from(hex, 'hex')));
  const shown = shownFolders(file.folder);
  return paths.filter(
    (path): path is string => path !== null && shown.some(({ to }) => path !== to && isBelow(to, path)),
  );
}

/**
 * The constants and variables that may say which databases there are, by their names, with their texts; what is no UTF-8
 * is missing. Evaluated as {@link evaluatePhp} does. @throws KedgeError SettingsInvalid
 */
export async function databaseTexts(
  file: SettingsFile,
  options: Circumstances,
  operation: Operation,
): Promise<ReadonlyMap<string, string>> {
  const { texts } = await run(file, { texts: true }, options, operation);
  const found = new Map<string, string>();
  for (const pair of texts) {
    const [name, text] = pair.map((hex) => decodeText(Buffer.from(hex, 'hex')));
    if (name && text) found.set(name, text);
  }
  return found;
}

/** A file of the application that is looked into. */
export interface WordsAsked {
  /** Constant that names its folder; `folder`, relative to the site folder, where it is not defined. */
  readonly constant: string;
  readonly folder: string;
  readonly file: string;
  readonly words: readonly string[];
}

/**
 * What names are set to, whatever it is, as JSON tells it: null where they are not set. And which words a file holds, in
 * whatever case: null where there is no such file. Evaluated as {@link evaluatePhp} does. @throws KedgeError SettingsInvalid
 */
export async function evaluateStructures(
  file: SettingsFile,
  names: readonly string[],
  words: WordsAsked,
  options: Circumstances,
  operation: Operation,
): Promise<{ structures: ReadonlyMap<string, unknown>; words: readonly string[] | null }> {
  const report = await run(file, { structures: names, words }, options, operation);
  const structures = names.map((name, at): [string, unknown] => [name, report.structures[at] ?? null]);
  return { structures: new Map(structures), words: report.words };
}

interface Asked {
  readonly names?: readonly string[];
  readonly texts?: boolean;
  readonly structures?: readonly string[];
  readonly words?: WordsAsked;
  readonly included?: boolean;
}

async function run(
  file: SettingsFile,
  asked: Asked,
  options: Circumstances,
  operation: Operation,
): Promise<Extract<z.infer<typeof reportSchema>, { state: 'through' }>> {
  const { folder, path } = file;
  const { root, uri } = folder.site;
  const { contents, binds } = shownInstead(file, options.substitutes ?? []);
  const request = {
    file: seenPath(folder, path),
    root,
    uri,
    bootstrap: options.bootstrap ?? null,
    connections: connectionsOf(options),
    names: (asked.names ?? []).map(parsePhpName),
    texts: asked.texts ?? false,
    structures: (asked.structures ?? []).map(parsePhpName),
    words: asked.words ?? null,
    included: asked.included ?? false,
    environment: options.environment ?? {},
    substitutes: contents !== null,
    maximum: MAXIMUM_FILE_BYTES,
  };
  const program = {
    programs: [
      ...(contents === null ? [] : [SUBSTITUTES]),
      ...(options.connections === undefined ? [] : [options.connections.program]),
      EVALUATE,
    ],
    arguments: [JSON.stringify(request)],
    show: [...shownFolders(folder), ...binds],
    ...(contents === null ? {} : { input: Buffer.from(JSON.stringify(contents)) }),
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  };
  const report = await runPhp(file, program, reportSchema, operation);
  if (report.state === 'failed') throw settingsInvalid(file, describeFailure(report, root));
  if (report.state !== 'through') throw settingsInvalid(file, PROBLEMS[report.state]);
  return report;
}

function connectionsOf({ connections }: Circumstances): Omit<Connections, 'program'> | null {
  if (connections === undefined) return null;
  const { program: _program, ...asked } = connections;
  return asked;
}

/** Substitutes by their content, base64 by the path PHP sees; those that lie beside what they are for are mounted over it. */
function shownInstead(
  file: SettingsFile,
  substitutes: readonly Substitute[],
): { contents: Record<string, string> | null; binds: { from: string; to: string }[] } {
  const contents: Record<string, string> = {};
  const binds: { from: string; to: string }[] = [];
  for (const substitute of substitutes) {
    const to = seenPath(file.folder, substitute.path);
    if ('content' in substitute) contents[to] = substitute.content.toString('base64');
    else binds.push({ from: placeOf(file, substitute.candidate), to });
  }
  return { contents: Object.keys(contents).length === 0 ? null : contents, binds };
}

/** Where a file of the site lies. */
function placeOf({ folder }: SettingsFile, path: string): string {
  const { from, to } = folderOfFile(folder, path);
  return join(from, relative(to, seenPath(folder, path)));
}

function describeFailure(
  failure: { error: string; line: number; file: string; detail: string | null },
  root: string,
): string {
  const where = failure.file.startsWith(`${root}/`) ? failure.file.slice(root.length + 1) : failure.file;
  const detail = failure.detail === null ? '' : ` (${plain(failure.detail)})`;
  return `fail with ${plain(failure.error)} in line ${failure.line} of ${plain(where)}${detail}`;
}

/** Text of the site for a message: one short line. */
function plain(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}

function collectValues(
  file: SettingsFile,
  names: readonly string[],
  reported: readonly z.infer<typeof valueSchema>[],
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  names.forEach((name, at) => {
    const value = reported[at] ?? null;
    if (value === null) return;
    if (value[0] === 'other') throw settingsInvalid(file, `set ${name} to no text (${plain(value[1])})`);
    const text = decodeText(Buffer.from(value[1], 'hex'));
    if (text === null) throw settingsInvalid(file, `set ${name} to text that is not UTF-8`);
    values.set(name, text);
  });
  return values;
}
