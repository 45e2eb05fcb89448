import type { Finding } from '../../contract/findings';
import type { Operation } from '../operation';
import { DATABASE_SERVER_CHECKS } from './database-servers';
import { MASTER_CHECKS } from './folders';
import type { Installation } from './installation';
import { MACHINE_CHECKS } from './programs';
import { REACHED, REMOTE_SERVER_CHECKS } from './remote-servers';
import { runChecks } from './run-checks';
import { BUSY_SITE_CHECKS, SITE_CHECKS, isBusy } from './sites';
import { WEB_SERVER_CHECKS } from './web-servers';

/** Looks at everything an installation is made of, changes nothing, and returns what is wrong, place by place. */
export async function examine(installation: Installation, operation: Operation): Promise<Finding[]> {
  const { master, remoteServers, databaseServers, webServers, sites } = installation;
  const machine = { server: master.name };
  const far = await Promise.all(
    remoteServers.map((server) => runChecks(REMOTE_SERVER_CHECKS, server, { server: server.name }, operation)),
  );
  // What stands on one that is not reached would only repeat that.
  const silent = new Set(far.flat().flatMap(({ check, server }) => (check === REACHED ? [server] : [])));
  const answering = {
    webServers: webServers.filter(({ address }) => !silent.has(address.name)),
    databaseServers: databaseServers.filter(({ name }) => !silent.has(name)),
  };
  const servers = [
    runChecks(MACHINE_CHECKS, master, machine, operation),
    runChecks(MASTER_CHECKS, installation, machine, operation),
    ...answering.webServers.map((web) => runChecks(WEB_SERVER_CHECKS, web, { server: web.address.name }, operation)),
    ...answering.databaseServers.map((server) =>
      runChecks(DATABASE_SERVER_CHECKS, server, { server: server.name }, operation),
    ),
  ];
  const findings = [...far, ...(await Promise.all(servers))].flat();
  // One after the other: each looks through a whole site folder.
  for (const site of sites) {
    if (silent.has(site.webServer)) continue;
    const isPassedOver = await isBusy(site);
    if (isPassedOver) operation.log.info(`a task runs on ${site.uri}: the site is passed over`);
    const checks = isPassedOver ? BUSY_SITE_CHECKS : SITE_CHECKS;
    findings.push(...(await runChecks(checks, site, { site: site.uri }, operation)));
  }
  return findings;
}
