import { z } from 'zod';
import { listenSchema, secretReferenceSchema, settingsFormatSchema, siteUriSchema } from '../contract/target';

const absolutePath = z.string().regex(/^\/([^\0]*[^/\0])?$/, 'an absolute path without a slash at its end');
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

const UNITS = { s: 1000, m: 60_000, h: 3_600_000 };

/** `90s`, `15m`, `2h`, in ms. */
const duration = z.string().transform((text, context) => {
  const match = /^(?!0+[smh])(\d{1,6})(s|m|h)$/.exec(text);
  const unit = match?.[2];
  if (match && (unit === 's' || unit === 'm' || unit === 'h')) return Number(match[1]) * UNITS[unit];
  context.addIssue({ code: 'custom', message: `a duration such as 90s, 15m or 2h, not ${JSON.stringify(text)}` });
  return z.NEVER;
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

const serverSchema = z.strictObject({ web: webSchema.optional(), db: databaseSchema.optional() });

const siteSchema = z
  .strictObject({
    kind: z.enum(['wordpress', 'php']),
    server: name,
    root: absolutePath,
    owner: z.string().min(1),
    php: z.strictObject({ socket: absolutePath }),
    db: name,
    aliases: z.array(siteUriSchema).default([]),
    vhost: z.enum(['managed', 'none']).default('managed'),
    healthPath: z
      .string()
      .regex(/^\/[\x21-\x7e]*$/, 'a path that begins with a slash')
      .default('/'),
    settings: settingsFormatSchema.optional(),
    exclude: z.array(z.string().min(1)).optional(),
    maintenanceLimit: duration.default(15 * 60_000),
  })
  .refine((site) => site.kind !== 'php' || site.settings !== undefined, {
    message: 'a site of kind php says where its settings are',
    path: ['settings'],
  })
  .refine((site) => site.kind !== 'wordpress' || site.settings === undefined, {
    message: 'only a site of kind php has settings of its own',
    path: ['settings'],
  });

export const configurationSchema = z.strictObject({
  master: name,
  backups: absolutePath,
  state: absolutePath,
  spool: absolutePath.optional(),
  servers: z.record(name, serverSchema),
  sites: z.record(siteUriSchema, siteSchema),
});
export type Configuration = z.infer<typeof configurationSchema>;
export type SiteConfiguration = Configuration['sites'][string];

/** JSON Schema of kedge.yaml, for editors. */
export function configurationJsonSchema(): unknown {
  return z.toJSONSchema(configurationSchema, { io: 'input', unrepresentable: 'any' });
}
