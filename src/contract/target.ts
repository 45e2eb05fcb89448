import { z } from 'zod';
import type { DocumentKind } from './documents-on-disk';
import { SITE_URI } from './names';

const absolutePath = z
  .string()
  .regex(/^\//, 'an absolute path')
  .refine((path) => !path.includes('\0'), 'a path without NUL');

/** A port of this machine alone: who reaches FPM has it run whatever he likes. */
export const LOOPBACK_SOCKET = /^(127(?:\.\d{1,3}){3}|\[::1\]):([1-9]\d{0,4})$/;
/** Where PHP-FPM listens: the path of its Unix socket, or a loopback address and a port. */
export const fpmSocketSchema = z
  .string()
  .refine(
    (text) => isLoopbackSocket(text) || /^\/([^\0]*[^/\0])?$/.test(text),
    "the path of FPM's socket, or a loopback address and port such as 127.0.0.1:9000",
  );

function isLoopbackSocket(text: string): boolean {
  const [, host = '', port] = LOOPBACK_SOCKET.exec(text) ?? [];
  return (
    host !== '' && Number(port) <= 65535 && (host === '[::1]' || host.split('.').every((byte) => Number(byte) <= 255))
  );
}

/** Where a secret is found. The secret itself is read at the moment of use and never stored. */
export const secretReferenceSchema = z.union(
  [z.strictObject({ file: absolutePath }), z.strictObject({ env: z.string().min(1) })],
  'a reference to a secret, { file: … } or { env: … }, not the secret itself',
);
export type SecretReference = z.infer<typeof secretReferenceSchema>;

/**
 * Canonical form of a site's URI: lower case host name, as in a Host header without its port. It names folders, flags
 * and workflow IDs, so nothing else is let in.
 */
export const siteUriSchema = z.string().regex(SITE_URI, 'a host name in lower case');

const ownerSchema = z.strictObject({
  user: z.string().min(1),
  uid: z.int().nonnegative(),
  gid: z.int().nonnegative(),
});
/** The system account a site's files and PHP run as. */
export type Owner = z.infer<typeof ownerSchema>;

export const listenSchema = z.strictObject({
  address: z.string().min(1),
  port: z.int().min(1).max(65535),
  /** Default false. */
  tls: z.boolean().optional(),
});
/** An address the web server listens on. */
export type Listen = z.infer<typeof listenSchema>;

/**
 * `managed`: Kedge writes the whole vhost. `include`: the vhost is the administrator's, and Kedge writes a snippet with the
 * maintenance check for it to include. `none`: Kedge touches no vhost.
 */
export const vhostModeSchema = z.enum(['managed', 'include', 'none']);

/** How plain PHP sites keep their settings. `names`: what the constant, variable or environment key of each value is called. */
export const settingsFormatSchema = z.strictObject({
  /** Path of the file: relative to the site folder, or absolute and in a declared path. */
  file: z.string().regex(/^(?!.*(^|\/)\.\.?(\/|$))\/?[^/\0].*$/, 'a path inside the site folder'),
  format: z.enum(['constants', 'variables', 'env']),
  names: z.strictObject({
    database: z.string().min(1),
    user: z.string().min(1),
    password: z.string().min(1),
    host: z.string().min(1),
  }),
});
export type SettingsFormat = z.infer<typeof settingsFormatSchema>;

/** Further files with the login, besides the settings of the site: which parts of it they hold, and by which names. */
export const furtherSettingsSchema = z.strictObject({
  ...settingsFormatSchema.shape,
  names: settingsFormatSchema.shape.names
    .partial()
    .refine((names) => Object.keys(names).length > 0, 'at least one of database, user, password and host'),
});
export type FurtherSettings = z.infer<typeof furtherSettingsSchema>;

const databaseServerSchema = z.strictObject({
  name: z.string().min(1),
  kind: z.enum(['mariadb', 'mysql']),
  socket: absolutePath.optional(),
  host: z.string().optional(),
  port: z.int().optional(),
  admin: z.strictObject({ user: z.string().min(1), password: secretReferenceSchema.optional() }),
});
/** How the admin account of a database server is reached. */
export type DatabaseServerAddress = z.infer<typeof databaseServerSchema>;

const webServerSchema = z.strictObject({
  name: z.string().min(1),
  kind: z.enum(['nginx']),
  /** Folder of the vhost files Kedge writes; the web server's configuration includes `*.conf` of it. */
  vhosts: absolutePath,
  /** Folder of maintenance flags and probe tokens, readable by the web server. */
  flags: absolutePath,
  test: z.array(z.string()).min(1),
  reload: z.array(z.string()).min(1),
  /** Addresses a managed vhost listens on. */
  listen: z.array(listenSchema).min(1),
  /** Addresses it listens on for TLS too, where the site has a certificate. */
  listenTls: z.array(listenSchema).min(1).optional(),
});
export type WebServerAddress = z.infer<typeof webServerSchema>;

/** Names of a site that lead to another address of it; managed vhosts only. */
const redirectsSchema = z.strictObject({
  /** http leads to https. */
  https: z.boolean(),
  /** Names that lead to the URI of the site: `example.com` to `www.example.com`, or the other way round. */
  names: z.array(siteUriSchema),
});
export type Redirects = z.infer<typeof redirectsSchema>;

const hook = z.array(z.string().min(1)).min(1);
/** Programs of a site's owner that tasks run: program and arguments, never a shell line. */
export const hooksSchema = z.strictObject({
  /** Before anything is done; not of a deploy, whose site is not there yet. */
  before: hook.optional(),
  /** Once the site is in maintenance and its writes are fenced. */
  fenced: hook.optional(),
  /** Once the restored folder is in its place, before the site is asked for a page. */
  afterSwitch: hook.optional(),
  /** At the end. A failure of it is a warning. */
  after: hook.optional(),
});
export type Hooks = z.infer<typeof hooksSchema>;
export type HookName = keyof Hooks;

/** The name the site folder has among the folders of a site. */
export const SITE_FOLDER = 'site';
/** Names of declared paths: folders of archives and of staging are called so. */
export const PATH_NAME = /^(?!site$)[a-z0-9][a-z0-9-]{0,62}$/;

/** A folder of a site: its site folder, or one of its declared paths. */
export const siteRootSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
  path: absolutePath,
});
export type SiteRoot = z.infer<typeof siteRootSchema>;

/** Every folder of a site, the site folder first. They are backed up, judged and switched together. */
export function rootsOf({ root, paths = {} }: Pick<SiteLocation, 'root' | 'paths'>): SiteRoot[] {
  return [{ name: SITE_FOLDER, path: root }, ...Object.entries(paths).map(([name, path]) => ({ name, path }))];
}

/** A login of HTTP's basic authentication. */
export const probeLoginSchema = z.strictObject({
  user: z.string().regex(/^[^:\0-\x1f\x7f]+$/, 'a user name without a colon'),
  password: secretReferenceSchema,
});

/** Each is known by its folder in `src/core/sites`. */
export const siteKindSchema = z.enum(['wordpress', 'php']);

/** Where a site is and how it is run; secret-free. Part of {@link Target}. */
const siteLocationSchema = z.strictObject({
  uri: siteUriSchema,
  aliases: z.array(siteUriSchema),
  kind: siteKindSchema,
  /** The site folder. */
  root: absolutePath,
  /** The link in the configuration that led to it when the target was resolved. */
  linkedRoot: absolutePath.optional(),
  /** Folders of the site elsewhere, by name. */
  paths: z.record(z.string().regex(PATH_NAME), absolutePath).optional(),
  owner: ownerSchema,
  /** Only for kind `php`; other kinds know where theirs are. */
  settings: settingsFormatSchema.optional(),
  /** Of any kind. */
  furtherSettings: z.array(furtherSettingsSchema).optional(),
  /** FPM's socket, see {@link fpmSocketSchema}. */
  phpSocket: fpmSocketSchema,
  /** Command that reloads FPM, for when its cache cannot be refreshed otherwise. */
  phpReload: z.array(z.string()).min(1).optional(),
  vhost: vhostModeSchema,
  /** Paths of the certificate with its chain, and of its key; managed vhosts only. */
  tls: z.strictObject({ certificate: absolutePath, key: absolutePath }).optional(),
  redirects: redirectsSchema.optional(),
  /** The administrator's template of the managed vhost, as it was when the target was resolved. */
  vhostTemplate: z.strictObject({ path: absolutePath, text: z.string() }).optional(),
  /** A file with directives of the administrator's own, included at the end of the managed vhost. */
  vhostInclude: absolutePath.optional(),
  /** Where server blocks of the administrator's serve the site, as preflight found them; vhost `include` only. */
  servedOn: z.array(listenSchema).optional(),
  /** Why the web server could not be asked about the site when a restore began: the restore does without its answers. */
  unproven: z.string().optional(),
  /**
   * Where links of the site led that led out of its folders, when a task began: PHP may go on running code from there when folders
   * lie in their places.
   */
  linkedTo: z.array(z.string()).optional(),
  /** Path asked for by probes. */
  healthPath: z.string().regex(/^\//),
  /** What probes get in with, where the site asks every visitor for a password. */
  probe: probeLoginSchema.optional(),
  /**
   * Patterns left out of backups, GNU tar wildcards: relative to the site folder, or absolute and below a declared path.
   * Default: the kind's.
   */
  exclude: z.array(z.string()),
});
export type SiteLocation = z.infer<typeof siteLocationSchema>;

/** What of a site its vhost is made of. */
export const vhostSiteSchema = siteLocationSchema
  .pick({
    ...{ uri: true, aliases: true, kind: true, root: true, linkedRoot: true, settings: true, phpSocket: true },
    ...{ tls: true, redirects: true, vhostInclude: true },
  })
  .extend({
    /** Its text is on the server. */
    vhostTemplate: z.strictObject({ path: absolutePath }).optional(),
  });
export type VhostSite = z.infer<typeof vhostSiteSchema>;

/**
 * Where a task acts, resolved once by `preflight` and handed to every later step and undo, so that editing the
 * configuration in mid-task changes nothing for that task.
 */
export const targetSchema = z.strictObject({
  version: z.literal(3),
  master: z.string(),
  site: siteLocationSchema,
  web: webServerSchema,
  database: databaseServerSchema,
  /** Which of the two are other machines than the master. */
  elsewhere: z.strictObject({ web: z.boolean(), database: z.boolean() }),
  /** Folder of this site's backups. */
  backups: absolutePath,
  spool: absolutePath,
  /** How long the task may keep the site in maintenance, ms. */
  maintenanceLimitMs: z.int().positive(),
  hooks: hooksSchema,
});
export type Target = z.infer<typeof targetSchema>;

/** Targets in journals. In version 1 FPM's socket was a path always; up to version 2 all was on one machine. */
export const TARGET: DocumentKind<Target> = {
  name: 'target',
  key: 'version',
  version: 3,
  schema: targetSchema,
  upgrades: {
    1: (target) => target,
    2: (target) => ({ ...target, elsewhere: { web: false, database: false } }),
  },
};
