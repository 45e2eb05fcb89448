import { KedgeError } from '../../../src/contract/errors';
import type { Host } from '../../../src/core/hosts/host';
import { type ObstacleParts, findShutters } from '../../../src/core/recovery/shut-sites';
import type { SiteAtWork } from '../../../src/core/sites/site-at-work';
import { testOperation } from '../../helpers/operation';
import { ANSWERS, UNREACHABLE, silentHost } from '../../helpers/silent-host';
import { targetIn } from '../../helpers/target';

/* What shuts a real site: test/e2e/break-glass.test.ts. */

const account = { user: 'shop', hosts: ['10.0.0.7', 'localhost'] };
const parts = {
  journals: { newest: async () => [] },
  states: { find: async () => ({ current: { database: 'shop', account, password: 'p', address: 'db' } }) },
} as unknown as ObstacleParts;

/** A site whose account is locked for one of its hosts, and does not get in from its machine. */
function siteOn(host: Host): SiteAtWork {
  const target = targetIn('/nowhere');
  const proveLogin = (): Promise<never> => Promise.reject(new KedgeError('DatabaseUnreachable', 'it does not get in'));
  const databaseServer = async () => ({ planFence: async () => ({ lockedBefore: ['localhost'] }), proveLogin });
  const webServer = { maintenanceIsOn: async () => false };
  const kind = { maintenanceFile: null };
  return {
    target,
    uri: 'shop.example',
    location: target.site,
    host,
    kind,
    databaseServer,
    webServer,
  } as unknown as SiteAtWork;
}

it('an account that is locked for one host is not taken for locked while the machine of its site does not answer', async () => {
  const web = silentHost({ name: 'web1', now: async () => Date.now() } as unknown as Host);
  const shutters = async () =>
    (await findShutters(parts, siteOn(web.host), testOperation())).map(({ what, remove }) => [what, remove !== null]);
  web.silence = UNREACHABLE;
  expect(await shutters()).toEqual([[expect.stringContaining('its account cannot be looked at'), false]]);
  web.silence = ANSWERS;
  expect(await shutters()).toEqual([[expect.stringMatching(/^its account .* is locked$/), true]]);
});
