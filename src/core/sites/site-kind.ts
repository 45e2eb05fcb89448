import type { SiteLocation } from '../../contract/target';
import type { DatabaseServer, SiteLogin } from '../databases/database-server';
import type { Operation } from '../operation';
import type { AddressForms } from './new-address';
import type { MaintenanceFile } from './maintenance-file';
import type { EnvironmentOfSite } from './own-login';
import type { ObjectCache } from './object-cache';
import type { SiteFolder } from './site-folder';

export type { SiteFolder };

export interface SiteSettings extends SiteLogin {
  /** Prefix of the site's tables; empty where the kind has none. */
  readonly tablePrefix: string;
}

/** How an application is recognised, by names alone. */
export interface Traces {
  /** What people call it. */
  readonly name: string;
  /** Files of its code, relative to the site folder: all of them are there. */
  readonly code: readonly string[];
  /** The file with its settings, there or above. */
  readonly settings: string;
  /** Constants of the settings that may name folders elsewhere, and what each is called; null: as the folder is. */
  readonly folderConstants: Readonly<Record<string, string | null>>;
}

export type ReturningLogins = (
  server: DatabaseServer,
  databases: { readonly restored: string; readonly live: string | null; readonly tablePrefix: string },
  /** ms since 1970 */
  now: number,
) => Promise<string[]>;

/**
 * What a kind of site knows about itself. Everything in the folder is hostile: files are opened confined to the folder,
 * settings are evaluated as the owner without network and with nothing writable.
 */
export interface SiteKind {
  readonly kind: SiteLocation['kind'];
  /** Left out of backups unless the configuration says otherwise: caches and temporary files. Relative to the site folder. */
  readonly defaultExcludes: readonly string[];
  /** The application's own maintenance file; never in a backup. Null where maintenance is no file. */
  readonly maintenanceFile: MaintenanceFile | null;

  /** How its sites are recognised on a machine; null for the kind of all that no other kind recognises. */
  readonly traces: Traces | null;

  /** How settings name the database server. */
  readonly addressForms: AddressForms;

  /**
   * The file with the login to the database, relative to the site folder, or absolute and in a declared path.
   * @throws KedgeError ConfigurationInvalid when the configuration does not say
   */
  settingsFile(site: SiteLocation): string;

  /**
   * What the settings of the site evaluate to.
   * @throws KedgeError SettingsInvalid: missing, endless, exits, prints nothing usable; names the file
   */
  readSettings(folder: SiteFolder, operation: Operation): Promise<SiteSettings>;
  /**
   * Settings that may say which databases the site uses besides, whatever they are called: their names and texts.
   * @throws KedgeError SettingsInvalid
   */
  databaseTexts(folder: SiteFolder, operation: Operation): Promise<ReadonlyMap<string, string>>;
  /**
   * Sees that `writeSettings` could give database, user and password other values, at the address of now; writes nothing.
   * Returns the files it would rewrite, named as `settingsFile` is.
   * @throws KedgeError SettingsInvalid, with the line that is in the way
   */
  assertRewritable(folder: SiteFolder, operation: Operation): Promise<readonly string[]>;
  /**
   * Sees that the login comes from the settings, and not from variables that PHP of the site is given.
   * @throws KedgeError SettingsInvalid, with the line
   */
  assertOwnLogin(folder: SiteFolder, environmentOf: EnvironmentOfSite, operation: Operation): Promise<void>;
  /**
   * Rewrites the login in the settings: everything else byte for byte, mode and owner kept, the form of the address
   * (`host`, `host:port`, `localhost:/socket`) kept as `login.address` gives it, the result checked by evaluating it.
   * Only what means the login in use is touched, in files that the settings include too.
   * Idempotent. @throws KedgeError SettingsInvalid, with the line, when a value comes from no literal
   */
  writeSettings(folder: SiteFolder, login: SiteLogin, operation: Operation): Promise<void>;
  /**
   * The object cache the site uses, by its settings; null where it uses none that outlives a request.
   * @throws KedgeError SettingsInvalid
   */
  objectCache(folder: SiteFolder, operation: Operation): Promise<ObjectCache | null>;
  /**
   * Logins that are valid again with the database `restored` in the place of `live`, a sentence each. Null where the kind keeps none
   * that it knows of.
   */
  readonly returningLogins: ReturningLogins | null;
  /** Version of the application's code, or null when it has none. */
  codeVersion(folder: SiteFolder, operation: Operation): Promise<string | null>;
}
