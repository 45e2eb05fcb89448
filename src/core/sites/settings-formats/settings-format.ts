import type { Operation } from '../../operation';
import type { SiteFolder } from '../site-folder';

/** One settings file of a site. */
export interface SettingsFile {
  readonly folder: SiteFolder;
  /** Relative to the site folder, or absolute and in a declared path. */
  readonly path: string;
  /** A file beside it that is read in its place, named in the same way: a rewrite not yet published. */
  readonly candidate?: string;
}

/** What is looked at in the place of a file of the site: a content, or a file beside it that nobody but Kedge can change. */
export type Substitute =
  { readonly path: string; readonly content: Buffer } | { readonly path: string; readonly candidate: string };

/** A setting that is to have another value. */
export interface Change {
  /** What it is set to now. */
  readonly from: string;
  readonly to: string;
}

/** A file of the site with other values in it, not yet written. */
export interface RewrittenFile {
  /** As {@link SettingsFile.path}: the settings file itself, or one that it includes. */
  readonly path: string;
  readonly before: Buffer;
  readonly content: Buffer;
}

/** A way to keep settings. What a name is, the format says. */
export interface SettingsFormat {
  /**
   * What the names are set to; a name that is not set is missing from the answer.
   * @throws KedgeError SettingsInvalid
   */
  evaluate(
    file: SettingsFile,
    names: readonly string[],
    operation: Operation,
    substitutes?: readonly Substitute[],
    environment?: Readonly<Record<string, string>>,
  ): Promise<ReadonlyMap<string, string>>;
  /** False where nothing of the file is run. */
  readonly readsEnvironment: boolean;
  /** The variables of the environment that the file itself names, by the first line that does. @throws KedgeError SettingsInvalid */
  environmentReads(file: SettingsFile, operation: Operation): Promise<ReadonlyMap<string, number>>;
  /**
   * Settings that may say which databases the application uses, whatever they are called: their names and texts.
   * @throws KedgeError SettingsInvalid
   */
  databaseTexts(file: SettingsFile, operation: Operation): Promise<ReadonlyMap<string, string>>;
  /**
   * The files that set the names, with other values: literals alone differ, and only those that mean the value in use.
   * Writes nothing. @throws KedgeError SettingsInvalid, with the line, when a value does not come from a literal
   */
  rewrite(file: SettingsFile, changes: ReadonlyMap<string, Change>, operation: Operation): Promise<RewrittenFile[]>;
}
