import { isAbsolute, normalize } from 'node:path/posix';
import { z } from 'zod';
import { vhostSiteSchema } from '../../../contract/target';
import { progressSchema } from '../../../contract/tasks';
import { WINDOW_BYTES } from './flow';
import { ProtocolViolation } from './frames';
import { wireErrorSchema } from './wire-error';

/*
 * What the two ends say to each other. Each takes the other for hostile: what is not plainly one of these ends the connection.
 * A request has a number, higher than all before it; whatever belongs to it carries that number.
 */

/** Raised with each change of what is said here, or of what it means. */
export const PROTOCOL = 2;

/**
 * What one end may have open at the other at one time: locks and connections last as long as somebody wants them, and leave
 * all other requests their room.
 */
export const MAXIMUM_AT_ONCE = { request: 128, lock: 128, connection: 128 } as const;
export type KindOfRequest = keyof typeof MAXIMUM_AT_ONCE;

export function kindOf(method: Method): KindOfRequest {
  if (method === 'withLock') return 'lock';
  return method === 'connectTo' ? 'connection' : 'request';
}

/** What the requests may hold that are open at one time, as they came, bytes. */
export const MAXIMUM_REQUEST_BYTES = 64 * 1024 ** 2;

/** The largest file that is read or written as a whole. An end that serves has one such content at a time in its memory. */
export const MAXIMUM_CONTENT_BYTES = 64 * 1024 ** 2;

/** The longest line of a log. */
export const MAXIMUM_LINE_CHARACTERS = 16 * 1024;

const id = z.int().positive();
const path = z
  .string()
  .max(16 * 1024)
  .refine((text) => isAbsolute(text) && !text.includes('\0'), 'is no absolute path');
const mark = z
  .string()
  .min(1)
  .max(4 * 1024);
const bytes = z.int().nonnegative();
const contentBytes = bytes.max(MAXIMUM_CONTENT_BYTES);
/** A user or group, as the kernel counts them. */
const account = z.int().min(0).max(0xffff_fffe);
const text = z.string().max(2 * 1024 ** 2);
const version = z.string().max(64);

/** How often each end says that it is there, and after how long without a word the other is taken to be gone, ms. */
export const rhythmSchema = z.strictObject({
  heartbeatMs: z.int().min(10).max(600_000),
  silenceMs: z.int().min(80).max(600_000),
});
export type Rhythm = z.infer<typeof rhythmSchema>;
export const DEFAULT_RHYTHM: Rhythm = { heartbeatMs: 10_000, silenceMs: 30_000 };

const bind = z.strictObject({ from: path, to: path.optional() });
const sandbox = z.strictObject({
  readOnly: z.array(bind).max(10_000).optional(),
  writable: z.array(bind).max(10_000).optional(),
  network: z.boolean().optional(),
  capabilities: z
    .array(z.enum(['CHOWN', 'FOWNER', 'FSETID', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'SETFCAP']))
    .max(16)
    .optional(),
  workingFolder: path.optional(),
});
const limits = z.strictObject({
  timeoutMs: bytes.optional(),
  captureBytes: bytes.optional(),
  memoryBytes: bytes.optional(),
  processes: bytes.optional(),
  fileBytes: bytes.optional(),
  temporaryBytes: bytes.optional(),
});
const owner = z.strictObject({ user: z.string().max(256), uid: account, gid: account });
const attributes = z.strictObject({
  mode: z.int().min(0).max(0o7777),
  uid: account.optional(),
  gid: account.optional(),
});

const socketAddress = z.union([
  z.strictObject({ socketPath: path }),
  z.strictObject({
    host: z.string().min(1).max(256),
    port: z.int().min(1).max(65_535),
  }),
]);

const runSchema = z.strictObject({
  method: z.literal('run'),
  mark,
  argv: z.tuple([text.min(1)], text),
  sandbox: sandbox.optional(),
  owner: owner.optional(),
  environment: z.record(z.string().regex(/^(?!__proto__$)[A-Za-z_][A-Za-z0-9_]*$/), text).optional(),
  /** Whether standard input comes as the stream `input`. */
  input: z.boolean(),
  /** Whether standard output is wanted as it comes, and not at the end. Either way it is the stream `output`. */
  output: z.boolean(),
  /** Whether standard error is wanted as it comes, as the stream `error`. */
  errorOutput: z.boolean(),
  secret: text.optional(),
  /** Comes at the end, as the stream `result`. */
  wantsResult: z.boolean(),
  limits: limits.optional(),
  acceptExitCodes: z.array(z.int()).max(1024).optional(),
});
export type RunRequest = z.infer<typeof runSchema>;

/** Everything a host can be asked for, as `Host` has it. */
const requestSchema = z.discriminatedUnion('method', [
  runSchema,
  z.strictObject({ method: z.literal('limitMeans') }),
  z.strictObject({ method: z.literal('endProcesses'), mark }),
  z.strictObject({ method: z.literal('listMarks') }),
  z.strictObject({ method: z.literal('endSocketHolders'), sockets: z.array(bytes).max(200_000), uid: account }),
  /** Lasts as long as the connection. What goes there is the stream `input`, what comes is `output`. */
  z.strictObject({ method: z.literal('connectTo'), address: socketAddress }),
  z.strictObject({ method: z.literal('now') }),
  /** The content comes as the stream `content`. */
  z.strictObject({ method: z.literal('readFile'), path, maximumBytes: contentBytes.optional() }),
  z.strictObject({ method: z.literal('readTrustedFile'), path, maximumBytes: contentBytes.optional() }),
  z.strictObject({ method: z.literal('assertTrusted'), path }),
  /** The content goes as the stream `content`. */
  z.strictObject({ method: z.literal('writeFile'), path, attributes }),
  z.strictObject({
    method: z.literal('putVhostFile'),
    path,
    site: vhostSiteSchema,
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .nullable(),
  }),
  z.strictObject({ method: z.literal('status'), path }),
  z.strictObject({ method: z.literal('realPath'), path }),
  z.strictObject({ method: z.literal('list'), path }),
  z.strictObject({ method: z.literal('makeFolder'), path, attributes }),
  z.strictObject({ method: z.literal('rename'), from: path, to: path }),
  z.strictObject({ method: z.literal('removeFile'), path }),
  z.strictObject({ method: z.literal('removeTree'), path, mark }),
  z.strictObject({ method: z.literal('withLock'), path, mark }),
  z.strictObject({ method: z.literal('freeSpace'), path }),
  z.strictObject({ method: z.literal('mountsBelow'), path }),
  z.strictObject({ method: z.literal('lookUpOwner'), user: z.string().max(256) }),
]);
export type Request = z.infer<typeof requestSchema>;
export type Method = Request['method'];

const credit = z.strictObject({
  type: z.literal('credit'),
  id,
  stream: z.string().max(16),
  bytes: z.int().min(1).max(WINDOW_BYTES),
});
const beat = z.strictObject({ type: z.literal('beat') });

/** The first word of a master. In no later protocol does it get another form: an older end must be able to tell why it is refused. */
const helloSchema = z.object({ type: z.literal('hello'), protocol: z.int(), version });

/** The streams that go to a host. */
const towards = z.enum(['input', 'content']);
export type StreamTowards = z.infer<typeof towards>;

/** What a master says, after `hello`. */
const fromMasterSchema = z.discriminatedUnion('type', [
  /** Begins the work: the same code is at both ends. */
  z.strictObject({ type: z.literal('begin'), server: z.string().min(1).max(256), rhythm: rhythmSchema }),
  z.strictObject({ type: z.literal('request'), id, request: requestSchema }),
  z.strictObject({ type: z.literal('cancel'), id }),
  z.strictObject({ type: z.literal('unlock'), id }),
  z.strictObject({ type: z.literal('piece'), id, stream: towards }),
  z.strictObject({ type: z.literal('end'), id, stream: towards }),
  z.strictObject({ type: z.literal('fail'), id, stream: towards }),
  credit,
  beat,
]);
export type FromMaster = z.infer<typeof fromMasterSchema>;

/** The streams that come from a host. */
const backwards = z.enum(['output', 'error', 'result', 'content']);
export type StreamBackwards = z.infer<typeof backwards>;

/** The answer to `hello`; see there. */
const welcomeSchema = z.object({ type: z.literal('welcome'), protocol: z.int(), version, uid: account });
export type Welcome = z.infer<typeof welcomeSchema>;

/** Words of a log that come from a host are few and short. */
export const fieldsSchema = z.record(
  z.string().regex(/^[a-z][A-Za-z0-9]{0,31}$/),
  z.union([z.string().max(4096), z.number(), z.boolean(), z.null()]),
);

/** What a host says, after `welcome`. */
const fromHostSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('returned'), id, value: z.unknown().optional() }),
  z.strictObject({ type: z.literal('threw'), id, error: wireErrorSchema }),
  /** The lock is held, until `unlock` or the end of the connection. */
  z.strictObject({ type: z.literal('locked'), id }),
  /** Somebody has taken the connection. */
  z.strictObject({ type: z.literal('connected'), id }),
  z.strictObject({ type: z.literal('progress'), id, progress: progressSchema }),
  z.strictObject({
    type: z.literal('log'),
    id,
    level: z.enum(['info', 'warn']),
    message: z.string().max(MAXIMUM_LINE_CHARACTERS),
    fields: fieldsSchema.optional(),
  }),
  z.strictObject({ type: z.literal('piece'), id, stream: backwards }),
  z.strictObject({ type: z.literal('end'), id, stream: backwards }),
  z.strictObject({ type: z.literal('fail'), id, stream: backwards, error: wireErrorSchema }),
  /** No more of a stream towards the host is wanted. */
  z.strictObject({ type: z.literal('stop'), id, stream: towards }),
  credit,
  beat,
]);
export type FromHost = z.infer<typeof fromHostSchema>;

const name = z
  .string()
  .min(1)
  .refine((text) => !/[/\0]/.test(text) && text !== '.' && text !== '..', 'is no name of a file');
const plainPath = path.refine((text) => normalize(text) === text, 'is no plain path');
const nothing = z.undefined();

/** What each method returns, as far as it goes in a header. */
export const RETURNS = {
  run: z.strictObject({ exitCode: z.int(), stderr: z.string().max(64 * 1024) }),
  limitMeans: z.enum(['control-group', 'user-namespace', 'account']),
  endProcesses: bytes,
  listMarks: z.array(z.string()),
  endSocketHolders: bytes,
  connectTo: nothing,
  now: z.number(),
  readFile: nothing,
  readTrustedFile: nothing,
  assertTrusted: nothing,
  writeFile: nothing,
  putVhostFile: nothing,
  status: z
    .strictObject({
      type: z.enum(['file', 'folder', 'link', 'other']),
      uid: account,
      gid: account,
      mode: z.int().min(0).max(0o7777),
      bytes,
      modifiedMs: z.number(),
      device: z.number().nonnegative(),
    })
    .optional(),
  realPath: plainPath.nullable(),
  list: z.array(name),
  makeFolder: nothing,
  rename: nothing,
  removeFile: nothing,
  removeTree: nothing,
  withLock: nothing,
  freeSpace: z.strictObject({
    bytes: z.number().nonnegative(),
    inodes: z.number().nonnegative().nullable(),
    readOnly: z.boolean(),
  }),
  mountsBelow: z.array(plainPath),
  lookUpOwner: owner,
} as const satisfies Record<Method, z.ZodType>;
export type Returned<M extends Method> = z.infer<(typeof RETURNS)[M]>;

/** The header of a frame as a message of the other end. @throws ProtocolViolation, which names places and no values */
function decoder<T>(schema: z.ZodType<T>): (header: unknown) => T {
  return (header) => {
    const found = schema.safeParse(header);
    if (found.success) return found.data;
    const places = [...new Set(found.error.issues.map(({ path }) => path.map(String).join('.') || 'all of it'))];
    throw new ProtocolViolation(`a message that is not understood: ${places.slice(0, 4).join(', ').slice(0, 200)}`);
  };
}

export const decodeHello = decoder(helloSchema);
export const decodeWelcome = decoder(welcomeSchema);
export const decodeFromMaster = decoder(fromMasterSchema);
export const decodeFromHost = decoder(fromHostSchema);
/** What is asked for, as it may go to a host. @throws ProtocolViolation */
export const decodeRequest = decoder(requestSchema);

/** What a method returned. @throws ProtocolViolation */
export function decodeReturned<M extends Method>(method: M, value: unknown): Returned<M> {
  return decoder<unknown>(RETURNS[method])(value) as Returned<M>;
}
