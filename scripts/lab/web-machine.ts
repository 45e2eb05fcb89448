import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { type Server, connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { startNginx } from './nginx';
import { startPhpFpm } from './php-fpm';
import { type RestartableServer, startRestartable } from './tied-process';
import { hostRulesText } from '../../src/config/host-rules';
import { loadConfiguration } from '../../src/config/load';
import { lookedPath } from '../../src/core/flags/flag-paths';
import type { HostRulesFile } from '../../src/core/hosts/rules/host-rules';
import type { RemoteHost } from '../../src/core/hosts/remote/remote-host';
import type { Lab } from './lab';
import { type NetworkHost, NetworkHosts } from './network-hosts';
import type { WordPressSite } from './wordpress';

const NAME = 'web1';
/** On the machine: none of them is a folder of the master. */
const SITES = '/srv/sites';
const NGINX = '/srv/nginx';
const PHP = '/run/php';
/** An account that owns a file of each site, beside its owner. */
const ANOTHER_OWNER = 'daemon';
const ADMIN = { user: 'kedge', password: 'kedge-canary-5d1e' };
/** Before its own are written: that file alone says that there are rules. */
const NO_RULES: HostRulesFile = { version: 1, master: 'lab' };

/** Options of a MariaDB that machines of the network log in to. */
export const ON_THE_NETWORK = ['--bind-address=0.0.0.0', '--skip-name-resolve'];

/** A lab whose sites are served by another machine, which is reached by SSH and does what its rules allow. */
export interface WebMachine {
  readonly machine: NetworkHost;
  readonly host: RemoteHost;
  /** The lab as whoever looks at that machine finds it. */
  readonly there: Lab;
  /** Where a site's folder lies, seen from this one. */
  rootOf(site: WordPressSite): string;
  /** Has the machine look now for sites whose maintenance is over. */
  endOverdue(): void;
  stop(): Promise<void>;
}

/**
 * Moves the sites of a lab to a machine of their own, with nginx and PHP there, and the rules that Kedge writes for it. They log in at the lab's
 * MariaDB over the network. Visitors come by the port that they had. Needs root.
 */
export async function placeOnMachine(lab: Lab): Promise<WebMachine> {
  const machines = await NetworkHosts.open([NAME], { [NAME]: NO_RULES });
  const machine = machines.get(NAME);
  const stops: (() => Promise<void>)[] = [() => machines.close()];
  const stop = async (): Promise<void> => {
    for (let next = stops.pop(); next; next = stops.pop()) await next();
  };
  try {
    const at = (path: string): string => machine.at(path);
    await lab.nginx.stop();
    await lab.phpFpm.stop();
    const web = machine.address.host;
    const master = web.replace(/\d+$/, '1');
    machine.sh('mkdir -p "$1" && chmod 755 "$1"', SITES);
    await letIn(lab, { web, master });
    for (const site of lab.sites) move(site, at(join(SITES, site.uri)), `${master}:${lab.mariadb.port}`);
    const by = machine.command([]);
    const pools = lab.sites.map(({ owner }, index) => ({ name: `pool${index}`, owner }));
    const phpFpm = await startPhpFpm({ folder: PHP, pools, by, at });
    stops.push(() => phpFpm.stop());
    const nginx = await startNginx({ folder: NGINX, by, at, listen: { address: web, port: lab.nginx.port } });
    stops.push(() => nginx.stop());
    const visitors = await forward(lab.nginx.port, web);
    stops.push(async () => void visitors.close());
    await configure(lab, machine.address, nginx.address, (index) => phpFpm.socketOf(`pool${index}`), master);
    writeFileSync(at('/opt/kedge/host.yaml'), await rulesFor(lab));
    const looking = await looksForOverdue(machine);
    stops.push(() => looking.kill());
    const host = machine.host();
    stops.push(() => host.close());
    const address = { ...nginx.address, vhosts: at(nginx.address.vhosts), flags: at(nginx.address.flags) };
    const rootOf = ({ uri }: WordPressSite): string => at(join(SITES, uri));
    return {
      machine,
      host,
      there: {
        ...lab,
        folder: at('/'),
        nginx: { ...lab.nginx, address },
        sites: lab.sites.map((site) => ({ ...site, root: rootOf(site) })),
      },
      rootOf,
      endOverdue: () => void machine.sh(`"$1" ${END_OVERDUE}`, process.execPath),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Names of what the machine alone has, or the master alone, and the other has too; empty when nobody took one for the other. */
export function onTheWrongMachine(lab: Lab, { machine }: WebMachine): string[] {
  const onMaster = [SITES, NGINX].filter((path) => existsSync(path));
  const ofMaster = [lab.folder, lab.backups, lab.state].filter((path) => existsSync(machine.at(path)));
  const others = readdirSync(machine.at('/srv')).filter((name) => ![SITES, NGINX].includes(`/srv/${name}`));
  return [...onMaster, ...ofMaster, ...others];
}

/** The administrator of the databases comes from the master, and sites from the other machine. */
async function letIn({ mariadb, sites }: Lab, { web, master }: { web: string; master: string }): Promise<void> {
  await mariadb.query(
    `CREATE USER '${ADMIN.user}'@'${master}' IDENTIFIED BY '${ADMIN.password}';
     GRANT ALL PRIVILEGES ON *.* TO '${ADMIN.user}'@'${master}' WITH GRANT OPTION`,
  );
  for (const { user, password, database } of sites)
    await mariadb.query(
      `CREATE USER '${user}'@'${web}' IDENTIFIED BY '${password.replaceAll("'", "''")}';
       GRANT ALL PRIVILEGES ON \`${database.replaceAll('_', '\\_')}\`.* TO '${user}'@'${web}'`,
    );
}

function move(site: WordPressSite, to: string, databaseAt: string): void {
  execFileSync('cp', ['--archive', site.root, to]);
  // Whatever still goes there finds nothing.
  renameSync(site.root, `${site.root}.moved`);
  const settings = join(to, 'wp-config.php');
  const text = readFileSync(settings, 'utf8');
  writeFileSync(settings, text.replace(/(define\('DB_HOST', ')[^']*/, `$1${databaseAt}`));
}

interface Written {
  readonly servers: Record<string, { web?: object; db?: { kind: string } }>;
  readonly sites: Record<string, object>;
}

async function configure(
  lab: Lab,
  { server: _server, ...ssh }: NetworkHost['address'],
  { name: _name, listen, ...web }: Lab['nginx']['address'],
  socketOf: (site: number) => string,
  master: string,
): Promise<void> {
  const password = join(lab.folder, 'admin.password');
  writeFileSync(password, `${ADMIN.password}\n`, { mode: 0o600 });
  const { servers, sites, ...rest } = parse(readFileSync(lab.configuration, 'utf8')) as Written;
  const database = { host: master, port: lab.mariadb.port, admin: { user: ADMIN.user, password: { file: password } } };
  writeFileSync(
    lab.configuration,
    stringify({
      ...rest,
      servers: {
        [NAME]: { ssh, web: { ...web, listen: listen.map(({ address, port }) => `${address}:${port}`) } },
        master: { db: { kind: servers['master']?.db?.kind, ...database } },
      },
      sites: Object.fromEntries(
        Object.entries(sites).map(([uri, site], index) => [
          uri,
          { ...site, server: NAME, root: join(SITES, uri), php: { socket: socketOf(index) } },
        ]),
      ),
    }),
  );
}

/** What Kedge writes for the machine. */
async function rulesFor(lab: Lab): Promise<string> {
  const staging = (folder: string): string => join(dirname(folder), '.kedge');
  return hostRulesText(await loadConfiguration(lab.configuration), NAME, { staging, owners: () => [ANOTHER_OWNER] });
}

const END_OVERDUE = '/opt/kedge/kedge-host --end-overdue --rules /opt/kedge/host.yaml';
const LOOK = `while :; do "$1" ${END_OVERDUE}; sleep 20; done`;

/** What cron of the machine would do. */
async function looksForOverdue(machine: NetworkHost): Promise<RestartableServer> {
  const [program, ...args] = machine.command(['sh', '-c', LOOK, 'look', process.execPath]);
  const looked = lookedPath(machine.at(`${NGINX}/flags`));
  return startRestartable([program, ...args], machine.at('/opt/kedge/looks.log'), async () => existsSync(looked));
}

/** Visitors of this machine's loopback address are served by the other one. */
async function forward(port: number, to: string): Promise<Server> {
  const server = createServer((visitor) => {
    const served = connect(port, to);
    for (const [from, into] of [
      [visitor, served],
      [served, visitor],
    ] as const) {
      from.on('error', () => into.destroy());
      from.pipe(into);
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  server.unref();
  return server;
}
