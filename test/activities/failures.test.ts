import type { ApplicationFailure } from '@temporalio/common';
import { DefaultFailureConverter, defaultPayloadConverter } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { FailureInterceptor, Kills } from '../../src/activities/failures';
import { PERMANENT_ERROR_CODES } from '../../src/contract/error-codes';
import { KedgeError } from '../../src/contract/errors';
import { MAXIMUM_PAYLOAD_BYTES } from '../../src/contract/payload-bounds';

/** What an activity of this id fails with, as Temporal is told; null when it succeeds. */
async function failureOf(kills: Kills, activityId: string, error: Error | null): Promise<ApplicationFailure | null> {
  const environment = new MockActivityEnvironment(
    { activityId },
    {
      logger: new DefaultLogger('ERROR'),
      interceptors: [() => ({ inbound: new FailureInterceptor((value) => value, kills) })],
    },
  );
  const body = async (): Promise<void> => {
    if (error) throw error;
  };
  return environment.run(body).then(
    () => null,
    (failure: ApplicationFailure) => failure,
  );
}

/** The code of it. */
async function typeOf(kills: Kills, activityId: string, error: Error | null): Promise<string | null> {
  return (await failureOf(kills, activityId, error))?.type ?? null;
}

const killed = new KedgeError('ProgramKilled', 'tar was ended from outside');
const unreachable = new KedgeError('DatabaseUnreachable', 'away');

test('a step whose program is ended from outside is tried three times, whatever else went wrong between', async () => {
  const kills = new Kills();
  const types: (string | null)[] = [];
  for (const error of [unreachable, unreachable, unreachable, killed, unreachable, killed, killed])
    types.push(await typeOf(kills, '5', error));
  expect(types.slice(3)).toEqual(['ProgramKilled', 'DatabaseUnreachable', 'ProgramKilled', 'ProgramKilledAgain']);
  expect(PERMANENT_ERROR_CODES).toContain('ProgramKilledAgain');
  expect(PERMANENT_ERROR_CODES).not.toContain('ProgramKilled');
});

test('each step counts by itself, and begins anew after it was done or given up', async () => {
  const kills = new Kills();
  const types = async (id: string, errors: (Error | null)[]): Promise<(string | null)[]> => {
    const found: (string | null)[] = [];
    for (const error of errors) found.push(await typeOf(kills, id, error));
    return found;
  };
  expect(await types('1', [killed, killed])).toEqual(['ProgramKilled', 'ProgramKilled']);
  expect(await types('2', [killed, killed])).toEqual(['ProgramKilled', 'ProgramKilled']);
  expect(await types('1', [null, killed, killed])).toEqual([null, 'ProgramKilled', 'ProgramKilled']);
  // An undo goes on without end: after the third it counts from one.
  expect(await types('2', [killed, killed, killed, killed])).toEqual([
    'ProgramKilledAgain',
    'ProgramKilled',
    'ProgramKilled',
    'ProgramKilledAgain',
  ]);
});

test.each([
  ['an error of Kedge', (text: string) => new KedgeError('DumpInvalid', text, { hint: text, state: text })],
  ['any other error', (text: string) => new Error(text)],
])('%s as long as a list of all tables is told in short', async (_what, errorOf) => {
  const names = Array.from({ length: 20_000 }, (_, index) => `"täble" ${index}`).join(', ');
  const failure = await failureOf(new Kills(), '1', errorOf(`the dump lacks ${names}`));
  expect(failure?.message).toMatch(/the dump lacks "täble" 0, .*… \(\d+ more characters\)$/);
  const told = new DefaultFailureConverter().errorToFailure(failure, defaultPayloadConverter);
  expect(temporal.api.failure.v1.Failure.encode(told).finish().length).toBeLessThan(MAXIMUM_PAYLOAD_BYTES);
});
