import { KedgeError } from '../../../src/contract/errors';
import { findingSchema } from '../../../src/contract/findings';
import { type Check, runChecks } from '../../../src/core/doctor/run-checks';
import { testOperation } from '../../helpers/operation';

const complaint = { level: 'error', message: 'it is broken', hint: 'Mend it.' } as const;

it('what a check complains of and what it throws are findings of its place', async () => {
  const checks: Check<string>[] = [
    { check: 'complains', run: async (subject) => [{ ...complaint, message: `${subject} is broken` }] },
    { check: 'is content', run: async () => [] },
    {
      check: 'throws',
      run: async () => {
        throw new KedgeError('DatabaseUnreachable', 'nobody answers', { hint: 'Start it.' });
      },
    },
    {
      check: 'may not look',
      run: async () => {
        throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
      },
    },
    {
      check: 'has a mistake',
      run: async () => {
        throw new TypeError('undefined is not a function');
      },
    },
  ];
  const findings = await runChecks(checks, 'db1', { server: 'db1' }, testOperation());
  for (const found of findings) findingSchema.parse(found);
  expect(findings).toEqual([
    { check: 'complains', server: 'db1', level: 'error', message: 'db1 is broken', hint: 'Mend it.' },
    { check: 'throws', server: 'db1', level: 'error', message: 'nobody answers', hint: 'Start it.' },
    {
      check: 'may not look',
      server: 'db1',
      level: 'error',
      message: 'EACCES: permission denied',
      hint: 'Run `kedge doctor` as the account the worker runs as.',
    },
    {
      check: 'has a mistake',
      server: 'db1',
      level: 'error',
      message: 'the check failed: undefined is not a function',
      hint: 'Report it with this message.',
    },
  ]);
});

it('a check is left out after an error it would repeat, not after a warning', async () => {
  const run = (level: 'error' | 'warning') =>
    runChecks<null>(
      [
        { check: 'first', run: async () => [{ ...complaint, level }] },
        { check: 'second', after: ['first'], run: async () => [complaint] },
        { check: 'third', run: async () => [complaint] },
      ],
      null,
      {},
      testOperation(),
    );
  expect((await run('error')).map(({ check }) => check)).toEqual(['first', 'third']);
  expect((await run('warning')).map(({ check }) => check)).toEqual(['first', 'second', 'third']);
});

it('a check that does not end is a finding, and what it does is told to end', async () => {
  let told = false;
  const endless: Check<null> = {
    check: 'endless',
    limitMs: 10,
    run: (_subject, { signal }) =>
      new Promise(() => {
        signal.addEventListener('abort', () => (told = true));
      }),
  };
  const [found] = await runChecks([endless], null, {}, testOperation());
  expect(found).toMatchObject({ level: 'error', message: 'the check did not end within 0.01 s' });
  expect(told).toBe(true);
});

it('being interrupted is no finding', async () => {
  const operation = testOperation();
  const check: Check<null> = {
    check: 'interrupted',
    run: async () => {
      operation.cancel();
      throw new Error('interrupted');
    },
  };
  await expect(runChecks([check], null, {}, operation)).rejects.toThrow('the test cancelled');
});
