import { randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import { isKedgeError } from '../../../contract/errors';
import type { Operation } from '../../operation';
import { settingsInvalid } from '../settings-error';
import { readSiteFile } from '../site-files';
import { isBelow, seenPath } from '../site-folder';
import { type PhpAssignment, branchesOf, findAssignments } from './php-assignments';
import { type Circumstances, evaluatePhp, includedFiles } from './php-evaluation';
import { phpLiteral } from './php-literal';
import { parsePhpName } from './php-name';
import { type PhpToken, tokenizePhp } from './php-tokens';
import { type Replacement, replaceRanges } from './replace-ranges';
import type { Change, RewrittenFile, SettingsFile } from './settings-format';

/** Of an included file more than these are not looked into: nobody keeps a login in so many. */
const MAXIMUM_FILES = 30;
/** How many literals are tried for one name. */
const MAXIMUM_TRIALS = 40;

/** All trials together: each of them may take as long as PHP is given. */
const TRIALS_LIMIT_MS = 30_000;

/** A file that takes part in the settings. */
interface Source {
  readonly file: SettingsFile;
  readonly content: Buffer;
  readonly tokens: readonly PhpToken[];
}

/** A literal in a source. */
interface Place {
  readonly source: Source;
  readonly token: PhpToken;
}

/** What replaces literals. */
interface Replaced extends Place {
  readonly name: string;
  readonly value: string;
}

/**
 * The settings with other values: see `SettingsFormat.rewrite`. Which literal means a value in use is not guessed from the
 * source but seen: it is changed, in what PHP is shown, and the value follows. So a login is found behind `getenv() ?:`, in
 * a constant that another one names, in pieces, in an included file; and one in a branch that is not taken is left alone.
 * Left-alone branches whose login is the one in use all the same (that of scripts, say) are changed too.
 */
export async function rewritePhp(
  file: SettingsFile,
  changes: ReadonlyMap<string, Change>,
  circumstances: Circumstances,
  operation: Operation,
): Promise<RewrittenFile[]> {
  const work = new Rewriting(file, changes, circumstances, operation);
  return work.files(await work.replaced());
}

class Rewriting {
  private all: Promise<readonly Source[]> | undefined;
  private main: Promise<Source> | undefined;
  private deadline: number | undefined;

  constructor(
    private readonly file: SettingsFile,
    private readonly changes: ReadonlyMap<string, Change>,
    private readonly circumstances: Circumstances,
    private readonly operation: Operation,
  ) {}

  /** @throws KedgeError SettingsInvalid */
  async replaced(): Promise<Replaced[]> {
    const plain = await this.plainlySet();
    if (plain) return plain;
    const found: Replaced[] = [];
    for (const [name, change] of this.changes) found.push(...(await this.behind(name, change)));
    const taken = new Set(found.map(({ token }) => token));
    return [...found, ...(await this.equalBranches()).filter(({ token }) => !taken.has(token))];
  }

  /** The literals where each name is set in one place, to its value, and no other file takes part: as nearly everywhere. */
  private async plainlySet(): Promise<Replaced[] | null> {
    const main = await this.mainSource();
    if (includesAnything(main.tokens, this.circumstances.bootstrap?.file)) return null;
    const found: Replaced[] = [];
    for (const [name, { from, to }] of this.changes) {
      const [only, ...others] = this.assignments(main, name);
      if (!only?.literal || others.length > 0 || only.literal.value !== latin1(from)) return null;
      found.push({ source: main, token: only.literal, name, value: to });
    }
    return found;
  }

  /** The contents that come of it. @throws KedgeError SettingsInvalid when one literal would have to mean two values */
  files(replaced: readonly Replaced[]): RewrittenFile[] {
    const sources = [...new Set(replaced.map(({ source }) => source))];
    return sources.map((source) => {
      const here = replaced.filter((one) => one.source === source);
      const wanted = new Map<number, Replaced>();
      for (const one of here) {
        const other = wanted.get(one.token.start);
        if (other && other.value !== one.value)
          throw settingsInvalid(
            this.file,
            `take both ${other.name} and ${one.name} from one text in line ${one.token.line}${this.elsewhere(source)}`,
            `Write the values of ${other.name} and ${one.name} as texts of their own in ${this.file.path}.`,
          );
        wanted.set(one.token.start, one);
      }
      const content = replaceRanges(
        source.content,
        [...wanted.values()].map(({ token, value }) => replacement(token, value)),
      );
      return { path: source.file.path, before: source.content, content };
    });
  }

  /** The literals that a value comes from, by trying. @throws KedgeError SettingsInvalid */
  private async behind(name: string, { from, to }: Change): Promise<Replaced[]> {
    const value = latin1(from);
    const sources = await this.sources();
    const assigned = sources.flatMap((source) => this.assignments(source, name)).flatMap(placeOf);
    const known = new Set(assigned.map(({ token }) => token));
    const others = sources.flatMap((source) =>
      source.tokens.filter((token) => token.value !== null && !known.has(token)).map((token) => ({ source, token })),
    );
    const literals = [...assigned, ...others];

    const whole = literals.filter(({ token }) => token.value === value).slice(0, MAXIMUM_TRIALS);
    for (const place of whole) {
      const { seen, marker } = await this.tried(name, place);
      if (seen === marker) return [{ ...place, name, value: to }];
    }

    const pieces: { at: number; place: Place }[] = [];
    const parts = literals.filter(({ token: { value: part } }) => part && part !== value && value.includes(part));
    for (const place of parts.slice(0, MAXIMUM_TRIALS)) {
      const { seen, marker } = await this.tried(name, place);
      const at = seen?.indexOf(marker) ?? -1;
      const behind = at + (place.token.value?.length ?? 0);
      if (at !== -1 && seen === value.slice(0, at) + marker + value.slice(behind)) pieces.push({ at, place });
    }
    const replaced = pieces
      .sort((one, other) => one.at - other.at)
      .map(({ place }, index) => ({ ...place, name, value: index === 0 ? to : '' }));
    if (replaced.length > 0 && (await this.valueWith(name, this.files(replaced))) === latin1(to)) return replaced;
    throw await this.refusal(name);
  }

  /** What the name is set to when a literal is a text that stands nowhere else. */
  private async tried(name: string, place: Place): Promise<{ seen: string | null; marker: string }> {
    const marker = `kedge${randomBytes(8).toString('hex')}`;
    return { seen: await this.valueWith(name, this.files([{ ...place, name, value: marker }])), marker };
  }

  /** One character a byte; null where the settings do not come through, or do not set the name. */
  private async valueWith(name: string, substitutes: readonly RewrittenFile[]): Promise<string | null> {
    this.deadline ??= Date.now() + TRIALS_LIMIT_MS;
    if (Date.now() > this.deadline)
      throw settingsInvalid(
        this.file,
        `take too long to be tried for where ${name} comes from`,
        `Write the value of ${name} as a text in quotes in ${this.file.path}.`,
      );
    try {
      const values = await evaluatePhp(this.file, [name], { ...this.circumstances, substitutes }, this.operation);
      const value = values.get(name);
      return value === undefined ? null : latin1(value);
    } catch (error) {
      if (isKedgeError(error) && error.code === 'SettingsInvalid') return null;
      throw error;
    }
  }

  /** Places where names are set to the value in use, in branches that set no other to another one. */
  private async equalBranches(): Promise<Replaced[]> {
    const found: Replaced[] = [];
    for (const source of await this.sources()) {
      const branches = branchesOf(source.tokens);
      const foreign = new Set<number | undefined>();
      const equal: { branch: number | undefined; replaced: Replaced }[] = [];
      for (const [name, { from, to }] of this.changes)
        for (const { at, literal } of this.assignments(source, name)) {
          const branch = branches[at];
          if (literal?.value === latin1(from))
            equal.push({ branch, replaced: { source, token: literal, name, value: to } });
          else foreign.add(branch);
        }
      found.push(...equal.filter(({ branch }) => !foreign.has(branch)).map(({ replaced }) => replaced));
    }
    return found;
  }

  /** Says what is in the way of a value, with its line. */
  private async refusal(name: string): Promise<Error> {
    for (const source of await this.sources()) {
      const assignments = this.assignments(source, name);
      const { line } = assignments.find(({ literal }) => literal === null) ?? assignments[0] ?? {};
      if (line === undefined) continue;
      return settingsInvalid(
        this.file,
        `compute ${name} in line ${line}${this.elsewhere(source)}`,
        `Write the value of ${name} as a text in quotes in line ${line} of ${source.file.path}.`,
      );
    }
    return settingsInvalid(
      this.file,
      `do not set ${name} themselves`,
      `Set ${name} in ${this.file.path}, by a text in quotes.`,
    );
  }

  private elsewhere(source: Source): string {
    return source.file.path === this.file.path ? '' : ` of ${source.file.path}`;
  }

  private assignments(source: Source, name: string): (PhpAssignment & { readonly source: Source })[] {
    return findAssignments(source.tokens, parsePhpName(name)).map((found) => ({ ...found, source }));
  }

  private mainSource(): Promise<Source> {
    return (this.main ??= this.read(this.file));
  }

  /** The settings file, then those it includes. What cannot be read as settings are keeps nobody from the others. */
  private sources(): Promise<readonly Source[]> {
    return (this.all ??= this.readAll());
  }

  private async readAll(): Promise<readonly Source[]> {
    const { folder, path: main } = this.file;
    const { root } = folder.site;
    const included = await includedFiles(this.file, this.circumstances, this.operation);
    const sources = [await this.mainSource()];
    for (const path of included.slice(0, MAXIMUM_FILES)) {
      if (path === seenPath(folder, main)) continue;
      const file = { folder, path: isBelow(root, path) ? posix.relative(root, path) : path };
      try {
        sources.push(await this.read(file));
      } catch (error) {
        if (!isKedgeError(error) || error.code !== 'SettingsInvalid') throw error;
      }
    }
    return sources;
  }

  private async read(file: SettingsFile): Promise<Source> {
    const content = await readSiteFile(file, this.operation);
    return { file, content, tokens: await tokenizePhp(file, content, this.operation) };
  }
}

const INCLUDING = new Set(['T_INCLUDE', 'T_INCLUDE_ONCE', 'T_REQUIRE', 'T_REQUIRE_ONCE', 'T_EVAL']);

/** Whether the source takes another file in, but for the one that starts the application. */
function includesAnything(tokens: readonly PhpToken[], bootstrap: string | undefined): boolean {
  return tokens.some(({ name }, at) => {
    if (!INCLUDING.has(name)) return false;
    const end = tokens.findIndex((token, index) => index > at && (token.name === ';' || token.name === 'T_CLOSE_TAG'));
    const last = tokens.slice(at, end).findLast(({ value }) => value !== null)?.value ?? '';
    return bootstrap === undefined || posix.basename(last) !== bootstrap;
  });
}

function placeOf({ source, literal }: PhpAssignment & { readonly source: Source }): Place[] {
  return literal ? [{ source, token: literal }] : [];
}

function replacement({ start, end, text }: PhpToken, value: string): Replacement {
  return { start, end, bytes: Buffer.from(phpLiteral(value, text.endsWith('"') ? '"' : "'")) };
}

function latin1(value: string): string {
  return Buffer.from(value).toString('latin1');
}
