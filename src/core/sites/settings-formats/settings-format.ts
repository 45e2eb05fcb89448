import type { Operation } from '../../operation';
import type { SiteFolder } from '../site-kind';

/** One settings file of a site. */
export interface SettingsFile {
  readonly folder: SiteFolder;
  /** Relative to the site folder, or absolute and in a declared path. */
  readonly path: string;
  /** A file beside it that is looked at in its place, named in the same way: a rewrite not yet published. */
  readonly candidate?: string;
}

/** A way to keep settings. What a name is, the format says. */
export interface SettingsFormat {
  /**
   * What the names are set to; a name that is not set is missing from the answer.
   * @throws KedgeError SettingsInvalid
   */
  evaluate(file: SettingsFile, names: readonly string[], operation: Operation): Promise<ReadonlyMap<string, string>>;
  /**
   * Settings that may say which databases the application uses, whatever they are called: their names and texts.
   * @throws KedgeError SettingsInvalid
   */
  databaseTexts(file: SettingsFile, operation: Operation): Promise<ReadonlyMap<string, string>>;
  /**
   * The content with other values: only the literals differ.
   * @throws KedgeError SettingsInvalid, with the line, when a value is not a literal
   */
  rewrite(
    file: SettingsFile,
    content: Buffer,
    changes: ReadonlyMap<string, string>,
    operation: Operation,
  ): Promise<Buffer>;
}
