import { isIP } from 'node:net';
import { join, normalize } from 'node:path/posix';
import { z } from 'zod';
import { listenSchema, siteUriSchema } from '../../../contract/target';

/* What a master may touch on a server, as a file of the server says it. Whatever is not named there does not exist for the master. */

/** Where it lies, unless the forced command of the master's key names another place. */
export const HOST_RULES_PATH = '/etc/kedge/host.yaml';

/** Folders of the system: no site lies there, and no sandbox shows anything in their places. */
export const SYSTEM_PLACES = [
  ...['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/boot', '/etc', '/root'],
  ...['/proc', '/sys', '/dev', '/run', '/var/run'],
];

/** True for what a path stands for, and what lies below it. */
export function isWithin(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}

/** True when one of the two lies in the other, or is it. */
export function overlap(one: string, other: string): boolean {
  return isWithin(one, other) || isWithin(other, one);
}

const path = z
  .string()
  .max(4096)
  .refine(
    (text) => /^\/[^\p{Cc}]+[^/\p{Cc}]$/u.test(text) && normalize(text) === text,
    'an absolute path without . and .., without a slash at its end, and not / itself',
  );
const folder = path.refine(
  (text) => !SYSTEM_PLACES.some((place) => isWithin(place, text)),
  'a folder outside of those of the system',
);
const accountName = z.string().regex(/^[a-z_][a-z0-9_.-]{0,31}\$?$/i, 'the name of an account');
const command = z.array(z.string().min(1).max(4096)).min(1).max(64);
/** `shop.example`, or `*.shop.example` for every name that ends so. */
const namePattern = z
  .string()
  .refine((text) => siteUriSchema.safeParse(text.replace(/^\*\./, '')).success, 'a host name, or *. and a host name');
const port = z.strictObject({
  /** An IP address or a host name, exactly as the master names it. */
  host: z.string().refine((text) => isIP(text) !== 0 || siteUriSchema.safeParse(text).success, 'an address or a name'),
  port: z.int().min(1).max(65535),
});

/** Files of sites. */
const siteFoldersSchema = z
  .strictObject({
    /** A folder that is a site's, or holds several. All that lies there may be read, changed and removed. */
    folder,
    /**
     * Accounts that files there may be given to, beside root, and as which programs of sites may run. Never root. An ordinary account's
     * installation knows only itself.
     */
    owners: z.array(accountName).min(1).max(64),
    /**
     * Where what is restored waits, and what was there before: `.kedge` in the nearest folder above a site, on its file system, that only root
     * may change. Nobody but root gets in. Default: `.kedge` in `folder`, which then is such a folder.
     */
    staging: folder.optional(),
    /** Whether hooks may run: programs as an owner, which see the network and may write to the folder. Default false. */
    hooks: z.boolean().optional(),
  })
  .transform((entry) => ({
    ...entry,
    staging: entry.staging ?? join(entry.folder, '.kedge'),
    hooks: entry.hooks ?? false,
  }));

/** A web server. */
const webSchema = z.strictObject({
  kind: z.enum(['nginx']),
  /** Folder of vhosts, which the configuration of the web server includes: root's, and nobody else may write there. */
  vhosts: folderOrEtc(),
  /** Folder of maintenance flags and probe tokens. The same. */
  flags: folder,
  /** The configuration test. With `-T` in the place of `-t` it may run too: it tells the whole configuration of the web server. */
  test: command,
  /** What has the web server load its configuration. */
  reload: command,
  /** Names that sites here may answer to: `shop.example`, or `*.shop.example`. */
  names: z.array(namePattern).max(10_000),
  /** Sites here whose vhost is not Kedge's: their maintenance flags may be written all the same. */
  withoutVhost: z.array(siteUriSchema).max(10_000).default([]),
  /** Addresses that managed vhosts listen on, whatever the master says. */
  listen: z.array(listenSchema).min(1).max(64),
  listenTls: z.array(listenSchema).min(1).max(64).optional(),
  /** Files that a managed vhost may name: certificates, keys, what it includes. The web server reads them as root. */
  files: z.array(path).max(10_000).default([]),
  /** Templates of vhosts that may be used, beside the one that comes with Kedge. */
  templates: z.array(path).max(1_000).default([]),
});

/** Vhosts usually lie below /etc. */
function folderOrEtc() {
  const others = SYSTEM_PLACES.filter((place) => place !== '/etc');
  return path.refine(
    (text) => text !== '/etc' && !isWithin('/etc/kedge', text) && !others.some((place) => isWithin(place, text)),
    'a folder of its own, below /etc or elsewhere',
  );
}

/** Of what a person or `prepare` writes: another one is refused, and none is read by an upgrade. */
const onlyVersion = z.literal(1);

const partsSchema = z.strictObject({
  version: onlyVersion,
  /** The name of the master, as its configuration has it. What it runs here is marked so; it sees and ends no other's. */
  master: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'the name of a master'),
  sites: z.array(siteFoldersSchema).max(1_000).default([]),
  web: webSchema.optional(),
  /** Further commands, to the letter, that may run with the rights of kedge-host: what reloads PHP-FPM, say. */
  commands: z.array(command).max(1_000).default([]),
  /** What may be connected to from here, as kedge-host itself does it. */
  connect: z
    .strictObject({
      /** Unix sockets: those of PHP-FPM and of database servers. Who reaches FPM's runs what he likes as its pool. */
      sockets: z.array(path).max(10_000).default([]),
      ports: z.array(port).max(10_000).default([]),
    })
    .default({ sockets: [], ports: [] }),
  /** Folders whose free space may be asked for: the data of a database server. */
  space: z.array(path).max(100).default([]),
});

/** `/etc/kedge/host.yaml`. Whether its parts go together is asked when each of them is understood. */
export const hostRulesSchema = partsSchema.pipe(
  z.custom<z.output<typeof partsSchema>>().superRefine((rules, context) => {
    const refuse = (at: PropertyKey[], message: string): void =>
      context.addIssue({ code: 'custom', path: at, message, input: rules });
    const { web, sites } = rules;
    const own = web === undefined ? [] : [web.vhosts, web.flags];
    if (web !== undefined && overlap(web.vhosts, web.flags))
      refuse(['web', 'flags'], 'lies in the folder of vhosts, or that in it');
    for (const [at, site] of sites.entries()) {
      if (site.staging === site.folder || isWithin(site.staging, site.folder))
        refuse(['sites', at, 'staging'], 'holds the folder of sites itself');
      for (const [otherAt, other] of sites.entries()) {
        if (otherAt < at && overlap(site.folder, other.folder))
          refuse(['sites', at, 'folder'], `is also in the reach of ${other.folder}: name one of the two`);
        if (otherAt !== at && overlap(site.staging, other.folder))
          refuse(
            ['sites', at, 'staging'],
            `${site.staging} lies in the folder of sites ${other.folder}, or that in it`,
          );
        if (otherAt < at && site.staging !== other.staging && overlap(site.staging, other.staging))
          refuse(
            ['sites', at, 'staging'],
            `${site.staging} lies in the staging folder ${other.staging}, or that in it`,
          );
      }
      for (const socket of rules.connect.sockets)
        if (isWithin(site.folder, socket) || isWithin(site.staging, socket))
          refuse(['connect', 'sockets'], `${socket} lies among sites: who owns one could lay a link there`);
      for (const mine of [site.folder, site.staging]) {
        if (own.some((place) => overlap(place, mine)))
          refuse(['sites', at], 'overlaps a folder of the web server: who writes there would configure it');
        for (const file of [...(web?.files ?? []), ...(web?.templates ?? [])])
          if (isWithin(mine, file)) refuse(['sites', at], `holds ${file}, which the web server reads as root`);
      }
    }
    for (const file of [...(web?.files ?? []), ...(web?.templates ?? [])])
      if (own.some((place) => isWithin(place, file)))
        refuse(['web'], `${file} lies in a folder that the master writes to`);
  }),
);

/** The rules as kedge-host works by them: what was left out has its default. */
export type HostRules = z.output<typeof hostRulesSchema>;
/** The rules as a file has them: for who writes one. */
export type HostRulesFile = z.input<typeof hostRulesSchema>;
export type SiteFolders = HostRules['sites'][number];
export type WebRules = NonNullable<HostRules['web']>;
