import type { z } from 'zod';
import { KedgeError } from './errors';

/*
 * Documents that stay on a disk longer than the Kedge that wrote them. Each says by a number in which shape it is: a later Kedge
 * reads all earlier shapes, an earlier one refuses a later shape by its number. So whoever changes a schema, be it by one optional
 * key, raises its version and adds what makes the version before into it; a test holds each version to the shape it has.
 */

/** A document as it was read, of whatever version. */
export type Raw = Readonly<Record<string, unknown>>;

/** One kind of document. */
export interface DocumentKind<T> {
  /** As errors call it: `journal`. */
  readonly name: string;
  /** The key that holds its version. */
  readonly key: 'version' | 'schema';
  /** The version that this Kedge writes. */
  readonly version: number;
  /** Of that version. */
  readonly schema: z.ZodType<T>;
  /** Makes a document of the version that is the key into one of the next. They see what nobody has checked yet. */
  readonly upgrades?: Readonly<Record<number, (document: Raw) => Raw>>;
  /** What a document without a version is. Left out where every one has had one. */
  readonly unnumbered?: number;
  /** Documents with a version of their own that stand in it, by their keys. */
  readonly parts?: Readonly<Record<string, DocumentKind<unknown>>>;
}

/**
 * Reads a document of this or any earlier version. `where` names it in errors: a path.
 * @throws KedgeError NewerVersion; ZodError for what is no document of its version
 */
export function readDocument<T>(kind: DocumentKind<T>, value: unknown, where: string): T {
  return kind.schema.parse(upgraded(kind, value, where));
}

/** Of the version that this Kedge writes, and not checked yet. @throws KedgeError NewerVersion */
function upgraded(kind: DocumentKind<unknown>, value: unknown, where: string): unknown {
  if (!isRaw(value)) return value;
  const found = versionOf(kind, value);
  let document: Raw = Number.isNaN(found) ? value : { ...value, [kind.key]: found };
  for (let version = found; version !== kind.version; version += 1) {
    if (version > kind.version) throw newer(kind, version, where);
    const upgrade = kind.upgrades?.[version];
    if (!upgrade) break;
    document = { ...upgrade(document), [kind.key]: version + 1 };
  }
  const parts = Object.entries(kind.parts ?? {}).filter(([key]) => key in document);
  return {
    ...document,
    ...Object.fromEntries(parts.map(([key, part]) => [key, upgraded(part, document[key], where)])),
  };
}

/** NaN for what is no version: the schema says so. */
function versionOf({ key, unnumbered = NaN }: DocumentKind<unknown>, document: Raw): number {
  const version = document[key] === undefined ? unnumbered : document[key];
  return typeof version === 'number' && Number.isSafeInteger(version) ? version : NaN;
}

function isRaw(value: unknown): value is Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A part of a document that may be null, with what it lacks; for upgrades. */
export function withDefaults(value: unknown, defaults: Raw): unknown {
  return isRaw(value) ? { ...defaults, ...value } : value;
}

/** How a message ends that says so. */
export const NEWER_WROTE_IT = 'a newer one wrote it';

function newer({ name, version: known }: DocumentKind<unknown>, version: number, where: string): KedgeError {
  return new KedgeError(
    'NewerVersion',
    `${where} holds a ${name} of version ${version}, and this Kedge knows none above ${known}: ${NEWER_WROTE_IT}`,
    { state: 'it was left as it is' },
  );
}
