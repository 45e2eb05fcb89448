import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { type Server, connect, createServer } from 'node:net';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { type PrivateMariadb, answersAt, mariadbdCommand, queryBy } from './mariadb';
import { startNginx } from './nginx';
import { startPhpFpm } from './php-fpm';
import { startRestartable } from './tied-process';
import { hostRulesText } from '../../src/config/host-rules';
import { loadConfiguration } from '../../src/config/load';
import type { WebServerAddress } from '../../src/contract/target';
import { lookedPath } from '../../src/core/flags/flag-paths';
import type { HostRulesFile } from '../../src/core/hosts/rules/host-rules';
import type { RemoteHost } from '../../src/core/hosts/remote/remote-host';
import type { SshHostOptions } from '../../src/core/hosts/ssh/ssh-host';
import type { Lab } from './lab';
import { type NetworkHost, NetworkHosts } from './network-hosts';
import type { WordPressSite } from './wordpress';

/** The machine that a server is on; null is this one, the master. */
export interface Placement {
  readonly web: string | null;
  readonly database: string | null;
}

/** Beside where they are. */
export interface HowPlaced extends Pick<SshHostOptions, 'rhythm'> {
  /** Options of mariadbd, where it is moved. */
  readonly databaseOptions?: readonly string[];
}

/** On a machine: none of them is a folder of the master. */
const SITES = '/srv/sites';
const NGINX = '/srv/nginx';
const MARIADB = '/srv/mariadb';
const PHP = '/run/php';
const DATABASE_SOCKET = '/run/mysqld/mysqld.sock';
/** An account that owns a file of each site, beside its owner. */
const ANOTHER_OWNER = 'daemon';
const ADMIN = { user: 'kedge', password: 'kedge-canary-5d1e' };
const MASTER = 'master';
/** Before its own are written: that file alone says that there are rules. */
const NO_RULES: HostRulesFile = { version: 1, master: 'lab' };

/** Options of a MariaDB that machines of the network log in to. */
export const ON_THE_NETWORK = ['--bind-address=0.0.0.0', '--skip-name-resolve'];

/** A lab some servers of which are other machines, which are reached by SSH and do what their rules allow. */
export interface PlacedLab {
  machine(name: string): NetworkHost;
  /** The machines as Kedge reaches them, by their names. */
  readonly hosts: ReadonlyMap<string, RemoteHost>;
  /** The lab as whoever looks at those machines finds it. */
  readonly there: Lab;
  /** Has the machine of the web server look now for sites whose maintenance is over. */
  endOverdue(): void;
  /** Names of what a machine has, or the master, and not both should; empty when nobody took one for the other. */
  misplaced(): string[];
  stop(): Promise<void>;
}

/**
 * Moves sites of a lab, with nginx and PHP, and its databases to machines of their own, with the rules that Kedge writes for them. Where both
 * are not on one machine, the sites log in over the network. Visitors come by the port that they had. Needs root.
 */
export async function placeOnMachines(
  lab: Lab,
  placement: Placement,
  { databaseOptions = [], ...how }: HowPlaced = {},
): Promise<PlacedLab> {
  const { web, database } = placement;
  const names = [...new Set([web, database].filter((name) => name !== null))];
  const machines = await NetworkHosts.open(names, Object.fromEntries(names.map((name) => [name, NO_RULES])));
  const stops: (() => Promise<void>)[] = [() => machines.close()];
  const stop = async (): Promise<void> => {
    for (let next = stops.pop(); next; next = stops.pop()) await next();
  };
  try {
    const network = new Addresses(machines, names);
    const there: Lab = {
      ...lab,
      ...(database === null ? {} : { mariadb: await moveDatabase(lab, machines.get(database), databaseOptions) }),
    };
    await letIn(there, placement, network);
    const placed = web === null ? there : await moveSites(there, machines.get(web), network.of(web), stops);
    const siteAddress =
      web === database ? `localhost:${DATABASE_SOCKET}` : `${network.of(database)}:${lab.mariadb.port}`;
    for (const site of placed.sites) setDatabaseAddress(site, siteAddress);
    await configure(lab, placed, placement, { machines, network });
    for (const name of names) writeFileSync(machines.get(name).at('/opt/kedge/host.yaml'), await rulesFor(lab, name));
    if (web !== null) {
      const looking = await looksForOverdue(machines.get(web));
      stops.push(() => looking.kill());
    }
    const hosts = new Map(names.map((name) => [name, machines.get(name).host(how)]));
    for (const host of hosts.values()) stops.push(() => host.close());
    return {
      machine: (name) => machines.get(name),
      hosts,
      there: placed,
      endOverdue: () => void machines.get(web ?? '').sh(`"$1" ${END_OVERDUE}`, process.execPath),
      misplaced: () => misplaced(lab, placement, machines, names),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The addresses of machines on their network, this one's among them. */
class Addresses {
  constructor(
    private readonly machines: NetworkHosts,
    private readonly names: readonly string[],
  ) {}

  of(name: string | null): string {
    if (name !== null) return this.machines.get(name).address.host;
    return this.machines.get(this.names[0] ?? '').address.host.replace(/\d+$/, '1');
  }
}

function misplaced(lab: Lab, { web, database }: Placement, machines: NetworkHosts, names: readonly string[]): string[] {
  const onMaster = [SITES, NGINX, MARIADB].filter((path) => existsSync(path));
  const onMachines = names.flatMap((name) => {
    const { at } = machines.get(name);
    const own = [...(name === web ? [SITES, NGINX] : []), ...(name === database ? [MARIADB] : [])];
    const others = readdirSync(at('/srv')).filter((entry) => !own.includes(`/srv/${entry}`));
    const ofMaster = [lab.folder, lab.backups, lab.state].filter((path) => existsSync(at(path)));
    return [...others, ...ofMaster].map((entry) => `${name}: ${entry}`);
  });
  return [...onMaster, ...onMachines];
}

/** With its data, for good. */
async function moveDatabase(
  lab: Lab,
  machine: NetworkHost,
  databaseOptions: readonly string[],
): Promise<PrivateMariadb> {
  await lab.mariadb.stop();
  const { at } = machine;
  const port = lab.mariadb.port;
  for (const folder of [MARIADB, `${MARIADB}/tmp`, dirname(DATABASE_SOCKET)])
    mkdirSync(at(folder), { recursive: true });
  execFileSync('cp', ['--archive', join(lab.folder, 'mariadb-data'), at(`${MARIADB}/data`)]);
  execFileSync('chown', ['mysql:', at(MARIADB), at(`${MARIADB}/tmp`), at(dirname(DATABASE_SOCKET))]);
  const command = mariadbdCommand({
    data: `${MARIADB}/data`,
    temporary: `${MARIADB}/tmp`,
    socket: DATABASE_SOCKET,
    log: `${MARIADB}/error.log`,
    port,
    options: [...ON_THE_NETWORK, ...databaseOptions],
  });
  const become = ['setpriv', '--reuid=mysql', '--regid=mysql', '--init-groups', '--'];
  const socket = at(DATABASE_SOCKET);
  const [program, ...args] = machine.command([...become, ...command]);
  const server = await startRestartable([program, ...args], at('/opt/kedge/mariadb.log'), () => answersAt(socket));
  return {
    address: { ...lab.mariadb.address, socket: DATABASE_SOCKET },
    ...{ socket, port, pid: 0, query: queryBy(socket) },
    stop: () => server.stop(),
    kill: () => void machine.sh(`kill -9 "$(cat ${PID_FILE})"`),
    discard: () => server.kill(),
    start: () => server.start(),
  };
}

const PID_FILE = `${dirname(DATABASE_SOCKET)}/mariadb.pid`;

/** The administrator comes from the machine of the databases, and sites from theirs. */
async function letIn({ mariadb, sites }: Lab, { web, database }: Placement, network: Addresses): Promise<void> {
  if (web === database) return;
  await mariadb.query(
    `CREATE USER '${ADMIN.user}'@'${network.of(database)}' IDENTIFIED BY '${ADMIN.password}';
     GRANT ALL PRIVILEGES ON *.* TO '${ADMIN.user}'@'${network.of(database)}' WITH GRANT OPTION`,
  );
  const from = network.of(web);
  for (const { user, password, database: own } of sites)
    await mariadb.query(
      `CREATE USER '${user}'@'${from}' IDENTIFIED BY '${password.replaceAll("'", "''")}';
       GRANT ALL PRIVILEGES ON \`${own.replaceAll('_', '\\_')}\`.* TO '${user}'@'${from}'`,
    );
}

/** Sites, PHP and nginx of a lab, which has them no more. */
async function moveSites(lab: Lab, machine: NetworkHost, ip: string, stops: (() => Promise<void>)[]): Promise<Lab> {
  const { at } = machine;
  await lab.nginx.stop();
  await lab.phpFpm.stop();
  machine.sh('mkdir -p "$1" && chmod 755 "$1"', SITES);
  for (const { uri, root } of lab.sites) {
    execFileSync('cp', ['--archive', root, at(join(SITES, uri))]);
    // Whatever still goes there finds nothing.
    renameSync(root, `${root}.moved`);
  }
  const by = machine.command([]);
  const pools = lab.sites.map(({ owner }, index) => ({ name: `pool${index}`, owner }));
  const phpFpm = await startPhpFpm({ folder: PHP, pools, by, at });
  stops.push(() => phpFpm.stop());
  const nginx = await startNginx({ folder: NGINX, by, at, listen: { address: ip, port: lab.nginx.port } });
  stops.push(() => nginx.stop());
  const visitors = await forward(lab.nginx.port, ip);
  stops.push(async () => void visitors.close());
  const address = { ...nginx.address, vhosts: at(nginx.address.vhosts), flags: at(nginx.address.flags) };
  return {
    ...lab,
    folder: at('/'),
    phpFpm,
    nginx: { ...nginx, address },
    sites: lab.sites.map((site) => ({ ...site, root: at(join(SITES, site.uri)) })),
  };
}

function setDatabaseAddress({ root }: WordPressSite, address: string): void {
  const settings = join(root, 'wp-config.php');
  const text = readFileSync(settings, 'utf8');
  writeFileSync(settings, text.replace(/(define\('DB_HOST', ')[^']*/, `$1${address}`));
}

interface Written {
  readonly servers: Record<string, { web?: object; db?: { kind: string } }>;
  readonly sites: Record<string, object>;
}

async function configure(
  lab: Lab,
  { phpFpm }: Lab,
  { web, database }: Placement,
  { machines, network }: { machines: NetworkHosts; network: Addresses },
): Promise<void> {
  const password = join(lab.folder, 'admin.password');
  writeFileSync(password, `${ADMIN.password}\n`, { mode: 0o600 });
  const { servers, sites, ...rest } = parse(readFileSync(lab.configuration, 'utf8')) as Written;
  const { web: webHere, db: databaseHere } = servers[MASTER] ?? {};
  const onSocket = { socket: DATABASE_SOCKET, admin: { user: userInfo().username } };
  const onNetwork = {
    ...{ host: network.of(database), port: lab.mariadb.port },
    admin: { user: ADMIN.user, password: { file: password } },
  };
  const sshOf = (name: string | null): object => {
    if (name === null) return {};
    const { server: _server, ...ssh } = machines.get(name).address;
    return { ssh };
  };
  const placed: Record<string, object> = {};
  const put = (name: string | null, part: object): void => {
    placed[name ?? MASTER] = { ...placed[name ?? MASTER], ...sshOf(name), ...part };
  };
  put(web, { web: web === null ? webHere : webThere(lab, network.of(web)) });
  put(database, { db: { kind: databaseHere?.kind, ...(web === database ? onSocket : onNetwork) } });
  const placeOf = (uri: string, index: number): object =>
    web === null ? {} : { server: web, root: join(SITES, uri), php: { socket: phpFpm.socketOf(`pool${index}`) } };
  writeFileSync(
    lab.configuration,
    stringify({
      ...rest,
      servers: placed,
      sites: Object.fromEntries(
        Object.entries(sites).map(([uri, site], index) => [
          uri,
          { ...site, ...placeOf(uri, index), db: database ?? MASTER },
        ]),
      ),
    }),
  );
}

/** As {@link moveSites} has nginx, in the words of a configuration. */
function webThere({ nginx }: Lab, ip: string): object {
  const configuration = join(NGINX, 'nginx.conf');
  const errorLog = join(NGINX, 'logs/error.log');
  const address: Omit<WebServerAddress, 'name' | 'listen'> = {
    kind: 'nginx',
    vhosts: join(NGINX, 'vhosts'),
    flags: join(NGINX, 'flags'),
    test: ['nginx', '-t', '-c', configuration, '-e', errorLog],
    reload: ['nginx', '-s', 'reload', '-c', configuration, '-e', errorLog],
  };
  return { ...address, listen: [`${ip}:${nginx.port}`] };
}

/** What Kedge writes for the machine. */
async function rulesFor(lab: Lab, name: string): Promise<string> {
  const staging = (folder: string): string => join(dirname(folder), '.kedge');
  return hostRulesText(await loadConfiguration(lab.configuration), name, { staging, owners: () => [ANOTHER_OWNER] });
}

const END_OVERDUE = '/opt/kedge/kedge-host --end-overdue --rules /opt/kedge/host.yaml';
const LOOK = `while :; do "$1" ${END_OVERDUE}; sleep 20; done`;

/** What cron of the machine would do. */
async function looksForOverdue(machine: NetworkHost): Promise<{ kill: () => Promise<void> }> {
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
