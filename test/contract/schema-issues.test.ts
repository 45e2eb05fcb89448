import { z } from 'zod';
import { describeIssues, messageOfError } from '../../src/contract/schema-issues';

const schema = z.strictObject({
  site: z.string(),
  count: z.int().min(1).max(500),
  kind: z.enum(['zstd', 'gzip']),
  only: z.literal('nginx'),
  names: z.array(z.string().min(1)).min(2),
  password: z.union([z.strictObject({ file: z.string() }), z.strictObject({ env: z.string() })]),
  path: z.string().regex(/^\//),
  said: z.string().regex(/^\//, 'an absolute path'),
});
const right = {
  site: 'example.com',
  count: 1,
  kind: 'zstd',
  only: 'nginx',
  names: ['a', 'b'],
  password: { env: 'A' },
  path: '/a',
  said: '/a',
};

it.each<[object, string]>([
  [{ site: undefined }, 'site: is missing, a text belongs here'],
  [{ site: 7 }, 'site: is a number, and a text belongs here'],
  [{ site: null }, 'site: is nothing, and a text belongs here'],
  [{ count: 1.5 }, 'count: is a number, and a whole number belongs here'],
  [{ count: 0 }, 'count: at least 1'],
  [{ count: 501 }, 'count: at most 500'],
  [{ kind: 'zip' }, 'kind: one of zstd, gzip belongs here'],
  [{ only: 'apache' }, 'only: nginx belongs here'],
  [{ names: 'a' }, 'names: is a text, and a list belongs here'],
  [{ names: ['a'] }, 'names: at least 2 entries'],
  [{ names: ['a', ''] }, 'names.1: may not be empty'],
  [{ password: 'hunter2' }, 'password: of none of the forms that are taken here'],
  [{ path: 'a' }, 'path: not of the expected form'],
  [{ said: 'a' }, 'said: an absolute path'],
  [{ more: 1 }, 'the input: unrecognized key: "more"'],
])('%j', (change, said) => {
  const { error } = schema.safeParse({ ...right, ...change });
  expect(error && describeIssues(error)).toBe(said);
  // No value is told: it may be a secret.
  expect(said).not.toContain('hunter2');
});

it('an error of a schema that nobody expected says so in the same words', () => {
  const { error } = schema.safeParse({ ...right, site: undefined });
  expect(messageOfError(error)).toBe(
    'what was read is of another form than expected: site: is missing, a text belongs here',
  );
  expect(messageOfError(new Error('no room'))).toBe('no room');
  expect(messageOfError('no room')).toBe('no room');
});

it('what is right has no issues; several are told one after the other', () => {
  expect(schema.safeParse(right).error).toBeUndefined();
  const { error } = schema.safeParse({ ...right, site: undefined, kind: '' });
  expect(error && describeIssues(error)).toBe(
    'site: is missing, a text belongs here; kind: one of zstd, gzip belongs here',
  );
});
