import type { ActivityDependencies } from '../../src/activities/dependencies';
import type { ErrorCode } from '../../src/contract/error-codes';
import { answeringProbes } from '../helpers/changed-sites';
import { RestorableLab, failing } from '../helpers/failing-restore';

jest.setTimeout(240_000);

let restorable: RestorableLab;
beforeAll(async () => {
  restorable = await RestorableLab.start();
});
afterAll(async () => {
  await restorable?.lab.stop();
});

/* The steps that test/e2e/failures.test.ts leaves out. */
it.each<[string, ReturnType<typeof failing>, ErrorCode]>([
  ['deploy', failing('archives', 'extract', 'ArchiveInvalid'), 'ArchiveInvalid'],
  ['createDbUser', failing('databaseServer', 'copyAccountOptions', 'DatabaseRefused'), 'DatabaseRefused'],
  ['verify', failing('kind', 'writeSettings', 'SettingsInvalid'), 'SettingsInvalid'],
  ['reloadWebServer', failing('webServer', 'writeVhost', 'VhostTestFailed'), 'VhostTestFailed'],
])('failing for good at %s: the site is as before', async (_step, fault, code) => {
  await restorable.expectUndone(fault, code, true);
});

it('a restored site that answers wrongly, in the same way for twenty seconds: undone then, not at the limit', async () => {
  const wrong = { status: 500, retryAfter: null, location: null, challenge: null, mark: { status: 500, title: null } };
  const fault = (real: ActivityDependencies): ActivityDependencies =>
    answeringProbes(real, () => Promise.resolve(wrong));
  await restorable.expectUndone(fault, 'AnswerWrong', true);
});
