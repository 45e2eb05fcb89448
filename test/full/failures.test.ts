import type { ErrorCode } from '../../src/contract/error-codes';
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
  ['verify', failing('kindOf', 'writeSettings', 'SettingsInvalid'), 'SettingsInvalid'],
  ['reloadWebServer', failing('webServer', 'writeVhost', 'VhostTestFailed'), 'VhostTestFailed'],
])('failing for good at %s: the site is as before', async (_step, fault, code) => {
  await restorable.expectUndone(fault, code, true);
});
