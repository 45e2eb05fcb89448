import { isIP } from 'node:net';
import { z } from 'zod';
import { HOST_NAME } from '../contract/host-name';
import { WORKFLOW_TYPES } from '../contract/names';
import { receiverSchema } from '../contract/notices';
import {
  PATH_NAME,
  fpmSocketSchema,
  furtherSettingsSchema,
  hooksSchema,
  listenSchema,
  probeLoginSchema,
  secretReferenceSchema,
  settingsFormatSchema,
  siteKindSchema,
  siteUriSchema,
  vhostModeSchema,
} from '../contract/target';
import { backupInputSchema, compressionSchema } from '../contract/tasks';
import { readCron } from './cron';
import { readTimeZone } from './time-zone';

const ABSOLUTE_PATH = /^\/([^\0]*[^/\0])?$/;
const absolutePath = z.string().regex(ABSOLUTE_PATH, 'an absolute path without a slash at its end');
const pathOf = (what: string) => z.string(`the path of ${what}`).regex(ABSOLUTE_PATH, `the path of ${what}`);
const name = z.string().regex(/^[a-z0-9][a-z0-9.-]*$/, 'a name of lower case letters, digits, dots and dashes');
const argv = z.array(z.string().min(1)).min(1, 'a program and its arguments');

/** `80`, `127.0.0.1:8080`, `[::]:80`: addresses as nginx's `listen` takes them. */
const listen = z.union([z.string(), z.int()]).transform((value, context) => {
  const text = String(value);
  const match = /^(?:(\[[0-9a-f:.]+\]|[0-9.]+|\*):)?(\d+)$/i.exec(text);
  const parsed = listenSchema.safeParse({ address: match?.[1] ?? '*', port: Number(match?.[2]) });
  if (parsed.success) return parsed.data;
  context.addIssue({
    code: 'custom',
    message: `an address such as 80, 127.0.0.1:8080 or [::]:80, not ${JSON.stringify(text)}`,
  });
  return z.NEVER;
});

/** `127.0.0.1:9464`, `[::1]:9464`: one address of this machine, or `0.0.0.0` and `[::]` for all. */
const endpoint = z.string().transform((text, context) => {
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})$/i.exec(text);
  const address = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  if (isIP(address) === (match?.[1] === undefined ? 4 : 6) && port >= 1 && port <= 65535) return { address, port };
  context.addIssue({
    code: 'custom',
    message: `an address with a port such as 127.0.0.1:9464 or [::1]:9464, not ${JSON.stringify(text)}`,
  });
  return z.NEVER;
});

const UNITS = { s: 1000, m: 60_000, h: 3_600_000 };

/** `90s`, `15m`, `2h`, in ms. */
const duration = z.string().transform((text, context) => {
  const match = /^(?!0+[smh])(\d{1,6})(s|m|h)$/.exec(text);
  const unit = match?.[2];
  if (match && (unit === 's' || unit === 'm' || unit === 'h')) return Number(match[1]) * UNITS[unit];
  context.addIssue({ code: 'custom', message: `a duration such as 90s, 15m or 2h, not ${JSON.stringify(text)}` });
  return z.NEVER;
});

const DAY_MS = 24 * 3_600_000;

/** `90d`, in ms. */
const days = z.string().transform((text, context) => {
  const count = /^(\d{1,5})d$/.exec(text)?.[1];
  if (count !== undefined && Number(count) > 0) return Number(count) * DAY_MS;
  context.addIssue({ code: 'custom', message: `a number of days such as 90d, not ${JSON.stringify(text)}` });
  return z.NEVER;
});

const tasksSchema = z.strictObject({
  keep: days.default(365 * DAY_MS),
  newest: z.int().min(1).default(100),
});

const count = z.int().min(0).max(10_000).default(0);
const keepSchema = z
  .strictObject({
    last: count,
    daily: count,
    weekly: count,
    monthly: count,
    yearly: count,
    /** Safety backups, by their age. */
    safety: days.default(30 * DAY_MS),
  })
  .refine(({ last, daily, weekly, monthly, yearly }) => last + daily + weekly + monthly + yearly > 0, {
    message: 'says nothing that is to be kept: name one of last, daily, weekly, monthly, yearly',
  });

/** `90m`, `26h`, `8d`, in ms; null for `none`. */
const age = z.string().transform((text, context) => {
  if (text === 'none') return null;
  const match = /^(?!0+[mhd])(\d{1,6})(m|h|d)$/.exec(text);
  const unit = match?.[2];
  if (match && (unit === 'm' || unit === 'h')) return Number(match[1]) * UNITS[unit];
  if (match && unit === 'd') return Number(match[1]) * DAY_MS;
  context.addIssue({ code: 'custom', message: `an age such as 90m, 26h or 8d, or none, not ${JSON.stringify(text)}` });
  return z.NEVER;
});

const objectiveSchema = z.strictObject({
  /** How old the newest good backup of a site may become, ms; null: however old. */
  maxAge: age,
});

const MOST_RECEIVERS = 20;
const notifySchema = z.array(receiverSchema).max(MOST_RECEIVERS).default([]);

const limitsSchema = z.strictObject({
  backups: z.int().min(1).max(1000).optional(),
  restores: z.int().min(1).max(1000).optional(),
});

const workerSchema = z.strictObject({
  /** Whether Temporal tells workers apart by their version: a new one makes itself current before it is ready. */
  versioning: z.boolean().default(false),
});

const metricsSchema = z.strictObject({ listen: endpoint });

const requestsSchema = z
  .strictObject({
    key: secretReferenceSchema.optional(),
    /** Is good beside `key`, while services change from one to the other. */
    previousKey: secretReferenceSchema.optional(),
    /** Types of task that have to be signed besides restore and deploy. */
    sign: z.array(z.enum(WORKFLOW_TYPES)).default([]),
    /** Folders of archives that services may deploy; that of the backups is one. */
    deployFrom: z.array(absolutePath).default([]),
  })
  .refine((requests) => requests.key !== undefined || requests.previousKey === undefined, {
    message: 'there is a previousKey, and no key',
    path: ['previousKey'],
  })
  .refine((requests) => requests.key !== undefined || requests.sign.length === 0, {
    message: 'without a key nothing can be signed',
    path: ['sign'],
  });

const cron = z.string().transform((text, context) => {
  const read = readCron(text);
  if (!('problem' in read)) return read;
  context.addIssue({ code: 'custom', message: read.problem });
  return z.NEVER;
});

const timeZone = z.string().transform((text, context) => {
  const read = readTimeZone(text);
  if (!('problem' in read)) return read.timeZone;
  context.addIssue({ code: 'custom', message: read.problem });
  return z.NEVER;
});

const scheduleSchema = z.strictObject({
  cron,
  timeZone: timeZone.default('UTC'),
  /** Each run begins by up to so much later, so that not all masters begin at once. */
  jitter: duration.default(0),
  /** Names of sites, with `*` for any characters; without it all. */
  sites: z
    .array(z.string().regex(/^[a-z0-9.*-]{1,253}$/, 'a name of a site in lower case, with * for any characters'))
    .min(1)
    .optional(),
  kind: siteKindSchema.optional(),
  server: name.optional(),
  description: backupInputSchema.shape.description,
  quiesce: z.boolean().default(false),
  compression: compressionSchema.optional(),
  /** Prune each site by its `keep` once its backup is good. */
  prune: z.boolean().default(false),
});

const webSchema = z.strictObject({
  kind: z.enum(['nginx']),
  vhosts: absolutePath,
  flags: absolutePath,
  test: argv.default(['nginx', '-t']),
  reload: argv.default(['systemctl', 'reload', 'nginx']),
  listen: z
    .array(listen)
    .min(1)
    .default([
      { address: '*', port: 80 },
      { address: '[::]', port: 80 },
    ]),
  listenTls: z
    .array(listen)
    .min(1)
    .default([
      { address: '*', port: 443 },
      { address: '[::]', port: 443 },
    ]),
  /** For sites that name none of their own. */
  vhostTemplate: absolutePath.optional(),
});

const databaseSchema = z
  .strictObject({
    kind: z.enum(['mariadb', 'mysql']),
    socket: absolutePath.optional(),
    host: z.string().min(1).optional(),
    port: z.int().min(1).max(65535).optional(),
    admin: z.strictObject({ user: z.string().min(1), password: secretReferenceSchema.optional() }),
  })
  .refine(
    (database) => (database.socket === undefined) !== (database.host === undefined),
    'either socket, or host and port',
  );

/** Names of accounts, as `useradd` takes them. */
const ACCOUNT_NAME = /^[a-z_][a-z0-9_.-]{0,31}$/i;
const sshSchema = z
  .strictObject({
    host: z
      .string('the name or the address of a machine')
      .refine((host) => isIP(host) !== 0 || HOST_NAME.test(host), 'the name or the address of a machine'),
    port: z.int().min(1).max(65535).default(22),
    user: z.string().regex(ACCOUNT_NAME, 'the name of an account').default('root'),
    /** A private key of the worker's, without a passphrase. */
    identityFile: pathOf('a private key').optional(),
    /** The socket of an agent that has keys. */
    agent: pathOf('the socket of an agent').optional(),
    /** Whether dumps and imports of its databases cross compressed, which is worth it on links below some 300 Mbit/s. */
    compress: z.boolean().default(false),
    /** The keys that this machine is known by; default `<state>/known_hosts`. */
    knownHosts: pathOf('a file of known hosts').optional(),
  })
  .refine(
    (ssh) => ssh.identityFile !== undefined || ssh.agent !== undefined,
    'identityFile or agent: nobody is there to type a password',
  );

/** Without `ssh` it is the master itself. */
const serverSchema = z.strictObject({
  ssh: sshSchema.optional(),
  /** How many tasks of each kind dump, transfer and import there at one time. Default 2. Of the master, `limits` says it. */
  limit: z.int().min(1).max(1000).optional(),
  web: webSchema.optional(),
  db: databaseSchema.optional(),
});

const siteSchema = z
  .strictObject({
    kind: siteKindSchema,
    server: name,
    root: absolutePath,
    paths: z
      .record(
        z.string().regex(PATH_NAME, 'a name of lower case letters, digits and dashes, and not site'),
        absolutePath,
      )
      .optional(),
    owner: z.string().min(1),
    php: z.strictObject({ socket: fpmSocketSchema, reload: argv.optional() }),
    db: name,
    aliases: z.array(siteUriSchema).default([]),
    vhost: vhostModeSchema.default('include'),
    tls: z
      .strictObject({ certificate: pathOf('the certificate with its chain'), key: pathOf("the certificate's key") })
      .optional(),
    redirects: z
      .strictObject({ https: z.boolean().default(false), names: z.array(siteUriSchema).default([]) })
      .optional(),
    vhostTemplate: absolutePath.optional(),
    vhostInclude: absolutePath.optional(),
    healthPath: z
      .string()
      .regex(/^\/[\x21-\x7e]*$/, 'a path that begins with a slash')
      .default('/'),
    probe: probeLoginSchema.optional(),
    settings: settingsFormatSchema.optional(),
    furtherSettings: z.array(furtherSettingsSchema).optional(),
    exclude: z.array(z.string().min(1)).optional(),
    maintenanceLimit: duration.default(15 * 60_000),
    /** In the place of the `keep` of all. */
    keep: keepSchema.optional(),
    /** In the place of the `objective` of all. */
    objective: objectiveSchema.optional(),
    hooks: hooksSchema.default({}),
  })
  .refine((site) => site.kind !== 'php' || site.settings !== undefined, {
    message: 'a site of kind php says where its settings are',
    path: ['settings'],
  })
  .refine((site) => site.kind === 'php' || site.settings === undefined, {
    message: 'only a site of kind php has settings of its own',
    path: ['settings'],
  });

export const configurationSchema = z.strictObject({
  master: name,
  backups: absolutePath,
  state: absolutePath,
  spool: absolutePath.optional(),
  /** Import the definitions of each backup into a scratch database before it is published, once for the same definitions; so do checks. */
  proveBackups: z.boolean().default(true),
  /** How long journals and logs of closed tasks are kept, and how many of each site however old. */
  tasks: tasksSchema.prefault({}),
  /** What `kedge prune`, and schedules that prune, keep of the backups of each site. Without it nothing is pruned. */
  keep: keepSchema.optional(),
  /** What somebody is told of when a site does not reach it. Without it no backup is ever too old. */
  objective: objectiveSchema.optional(),
  /** Who is told what goes wrong, and when it is over. */
  notify: notifySchema,
  /** How many tasks dump, pack, unpack and import at one time; of each kind as many as there are processors, and at least two. */
  limits: limitsSchema.prefault({}),
  /** Who may ask for what destroys: whoever holds the key. Without a key, whoever reaches Temporal. */
  requests: requestsSchema.prefault({}),
  /** Backups that begin by themselves, once `kedge schedules apply` has told Temporal. */
  schedules: z.record(name, scheduleSchema).default({}),
  worker: workerSchema.prefault({}),
  /** Where the worker answers Prometheus. Without it nowhere. */
  metrics: metricsSchema.optional(),
  servers: z.record(name, serverSchema),
  sites: z.record(siteUriSchema, siteSchema),
});
export type Configuration = z.infer<typeof configurationSchema>;
export type ServerConfiguration = Configuration['servers'][string];
export type SiteConfiguration = Configuration['sites'][string];
export type ScheduleConfiguration = Configuration['schedules'][string];

/** JSON Schema of kedge.yaml, for editors. */
export function configurationJsonSchema(): unknown {
  return z.toJSONSchema(configurationSchema, { io: 'input', unrepresentable: 'any' });
}
