import { z } from 'zod';
import type { DocumentKind } from './documents-on-disk';
import { MAXIMUM_TEXT_BYTES, shortened } from './payload-bounds';
import { type SecretReference, secretReferenceSchema, siteUriSchema } from './target';

/** What receivers are told of; each may choose. A test is told to whoever is tested. */
export const NOTICE_EVENTS = [
  'task-failed',
  'task-recovered',
  'task-attention',
  'backup-overdue',
  'disk-filling',
  'configuration-broken',
] as const;
export type NoticeEvent = (typeof NOTICE_EVENTS)[number];

const noticeIdSchema = z.string().regex(/^[0-9a-f]{24}$/, '24 hexadecimal digits');

/** What a receiver is given: a program on its standard input, a webhook by POST. It changes by additions alone. */
const noticeSchema = z.strictObject({
  version: z.literal(1),
  /** The same at every attempt to deliver it: who has seen it may pass it over. */
  id: noticeIdSchema,
  event: z.enum([...NOTICE_EVENTS, 'test']),
  /** `firing`: it is so now. `resolved`: it was so, and is over. */
  state: z.enum(['firing', 'resolved']),
  master: z.string(),
  /** Null for what is about the master as a whole. */
  site: siteUriSchema.nullable(),
  task: z.string().nullable(),
  /** Of docs/errors.md. */
  code: z.string().nullable(),
  message: z.string(),
  /** What to do; null where nothing has to be done. */
  hint: z.string().nullable(),
  /** Since when it is so, or was. */
  since: z.iso.datetime(),
  /** When it was found. */
  time: z.iso.datetime(),
  /** All of it in one line, for people. */
  text: z.string(),
});
export type Notice = z.infer<typeof noticeSchema>;

export const NOTICE: DocumentKind<Notice> = { name: 'notice', key: 'version', version: 1, schema: noticeSchema };

/** A notice whose texts are cut to what anybody reads, with its line for people. */
export function noticeOf(notice: Omit<Notice, 'version' | 'text'>): Notice {
  const { state, event, site, master, code } = notice;
  const message = shortened(notice.message, MAXIMUM_TEXT_BYTES);
  const hint = notice.hint === null ? null : shortened(notice.hint, MAXIMUM_TEXT_BYTES);
  const of = site ?? master;
  const text = shortened(
    `[${state}] ${event} ${of}: ${message.replace(/\s+/g, ' ')}${code === null ? '' : ` (${code})`}`,
    LONGEST_LINE_BYTES,
  );
  return { version: 1, ...notice, message, hint, text };
}

const LONGEST_LINE_BYTES = 1000;

/** What a workflow `notify` is given: the notice itself stays on the master, so that nobody else makes one. */
export const deliverySchema = z.strictObject({ notice: noticeIdSchema, receiver: z.string().max(300) });
export type Delivery = z.infer<typeof deliverySchema>;

const NAME = /^[a-z0-9][a-z0-9.-]*$/;
/** Kedge sets them itself. */
const OWN_HEADERS = ['content-length', 'content-type', 'connection', 'host', 'idempotency-key', 'transfer-encoding'];
const SECRET_HEADER = /authorization|cookie|token|secret|key|password|signature/i;
const A_REFERENCE = 'a reference to a secret, { file: … } or { env: … }, not the secret itself';
const A_HEADER_TEXT = 'a text of at most 1000 ASCII characters in one line';

const headersSchema = z
  .record(
    z
      .string()
      .regex(/^[A-Za-z0-9-]{1,100}$/, 'the name of a header: letters, digits and dashes')
      .refine((name) => !OWN_HEADERS.includes(name.toLowerCase()), 'a header that Kedge sets itself'),
    z.union(
      [z.string().regex(/^[\x20-\x7e]{0,1000}$/, A_HEADER_TEXT), secretReferenceSchema],
      `${A_HEADER_TEXT}, or ${A_REFERENCE}`,
    ),
  )
  .superRefine((headers, context) => {
    for (const [name, value] of Object.entries(headers))
      if (typeof value === 'string' && SECRET_HEADER.test(name))
        context.addIssue({ code: 'custom', path: [name], message: A_REFERENCE });
  });

const webhookSchema = z
  .strictObject({
    url: z.union(
      [z.string(), secretReferenceSchema],
      'an address such as https://alerts.example/kedge, or a reference to one that is a secret, { file: … } or { env: … }',
    ),
    headers: headersSchema.default({}),
  })
  .superRefine(({ url, headers }, context) => {
    const why = typeof url === 'string' ? whyNoAddress(url, hasSecrets(headers)) : null;
    if (why !== null) context.addIssue({ code: 'custom', path: ['url'], message: why });
  });
export type Webhook = z.infer<typeof webhookSchema>;

/** Who is told: a program of the worker's account, or a webhook. */
export const receiverSchema = z
  .strictObject({
    /** By which the Temporal Web UI and `kedge notify test` call it. Default: its program, or the host of its address. */
    name: z.string().regex(NAME, 'a name of lower case letters, digits, dots and dashes').optional(),
    command: z.array(z.string().min(1)).min(1, 'a program and its arguments').optional(),
    webhook: webhookSchema.optional(),
    /** Of which events it is told. Default: all. */
    events: z.array(z.enum(NOTICE_EVENTS)).min(1).optional(),
    /** It is told of these sites alone, and of nothing that is about the master as a whole. */
    sites: z.array(siteUriSchema).min(1).optional(),
  })
  .refine(
    ({ command, webhook }) => (command === undefined) !== (webhook === undefined),
    'either command or webhook: who is to be told',
  );
export type Receiver = z.infer<typeof receiverSchema>;
export type NamedReceiver = Receiver & { readonly name: string };

/** Receivers by the names they are called by: `pager`, `alerts.example`; of several that would be called the same `pager-2`, … */
export function namedReceivers(receivers: readonly Receiver[]): NamedReceiver[] {
  const taken = new Set(receivers.map(({ name }) => name));
  return receivers.map((receiver) => {
    if (receiver.name !== undefined) return { ...receiver, name: receiver.name };
    const base = defaultName(receiver);
    let name = base;
    for (let count = 2; taken.has(name); count += 1) name = `${base}-${count}`;
    taken.add(name);
    return { ...receiver, name };
  });
}

function defaultName({ command, webhook }: Receiver): string {
  const url = webhook?.url;
  const named = typeof url === 'string' ? hostOf(url) : command?.[0]?.split('/').at(-1);
  return (named ?? 'webhook').toLowerCase().replaceAll(/[^a-z0-9.-]+/g, '-');
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}

/** The receivers that want to be told of such a thing. */
export function receiversOf<Wanting extends Pick<Receiver, 'events' | 'sites'>>(
  receivers: readonly Wanting[],
  { event, site }: { readonly event: NoticeEvent; readonly site: string | null },
): Wanting[] {
  return receivers.filter(
    ({ events, sites }) =>
      (events === undefined || events.includes(event)) &&
      (sites === undefined || (site !== null && sites.includes(site))),
  );
}

/** Why nothing is sent to an address; null where it may be. The address may be a secret: it is not told. */
export function whyNoAddress(url: string, withSecrets: boolean): string | null {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || !['http:', 'https:'].includes(parsed.protocol))
    return 'an address that begins with https:// or http:// belongs here';
  if (parsed.username !== '' || parsed.password !== '')
    return 'an address without a login in it: name that as a header, by a reference to a secret';
  if (withSecrets && parsed.protocol === 'http:' && !isThisMachine(parsed.hostname))
    return 'secrets go to another machine by https:// alone';
  return null;
}

/** Whether something of a webhook is to be kept secret. */
export function hasSecrets(headers: Webhook['headers']): boolean {
  return Object.values(headers).some((value): value is SecretReference => typeof value !== 'string');
}

function isThisMachine(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}
