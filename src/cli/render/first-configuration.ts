import { join } from 'node:path';
import { stringify } from 'yaml';
import type { DiscoveredSite, Discovery } from '../../core/discovery/discover';

/** What `kedge init` was told, or takes for granted. */
export interface FirstChoices {
  readonly master: string;
  /** Folder of backups and state. */
  readonly data: string;
  /** File of the key that requests are signed with. */
  readonly signingKey: string;
  /** URIs that are taken up; other sites stand there commented out. */
  readonly sites: readonly string[];
  /** Account of the database server the worker logs in as. */
  readonly databaseAccount: string;
  /** Socket that is written down where no server was found. */
  readonly databaseSocket: string;
}

/** A first kedge.yaml for what was found; comments say where each guess comes from. Names found are quoted by YAML's rules. */
export function firstConfiguration(discovery: Discovery, choices: FirstChoices): string {
  const { nginx, database } = discovery;
  const folder = nginx?.folder ?? '/etc/nginx';
  const vhosts = nginx?.vhosts ?? join(folder, 'kedge.d');
  const lines = [
    '# Written by `kedge init` for what it found on this machine. Nothing of it is proved yet: each comment says where a guess',
    '# comes from. Change what is wrong, then run `kedge config check` and `kedge doctor`. kedge.example.yaml explains all keys.',
    ...discovery.notes.map((note) => comment(`Not found, or not understood: ${note}.`)),
    '',
    '# The name of this master. Workers and services find each other by it.',
    entry('master', choices.master),
    '',
    '# Archives and their records. Made when missing.',
    entry('backups', join(choices.data, 'backups')),
    '# Journals, logs, and the databases and accounts of the sites. On durable storage.',
    entry('state', join(choices.data, 'state')),
    '',
    '# A restore or deploy is done only when it is signed with this key: commands of root sign by themselves, others may not. It was',
    '# made with this file. Services that are to restore need it: docs/signed-requests.md.',
    `requests: ${flow({ key: { file: choices.signingKey } })}`,
    '',
    'servers:',
    '  # This machine.',
    '  local:',
    '    web:',
    '      kind: nginx',
    ...(nginx === null ? ['      # nginx was not found: these are the defaults of its packages.'] : []),
    ...indented(6, [
      nginx?.vhosts
        ? '# The configuration of nginx includes this folder.'
        : `# Nothing includes this folder yet. Make it, owned by root, and add to http { } of nginx:  include ${vhosts}/*.conf;`,
      entry('vhosts', vhosts),
      '# Maintenance flags. Made when missing.',
      entry('flags', `${choices.data}-web`),
      entry('test', nginx?.test ?? ['nginx', '-t']),
      entry('reload', nginx?.reload ?? ['systemctl', 'reload', 'nginx']),
      ...listenLines(nginx?.listen ?? []),
    ]),
    '    db:',
    ...indented(6, [
      entry('kind', database?.kind ?? 'mariadb'),
      database === null
        ? '# No server let in its admin account here: correct the socket, or say who the admin is.'
        : `# It lets ${printable(choices.databaseAccount)} in by this socket.`,
      entry('socket', database?.socket ?? choices.databaseSocket),
      `admin: ${flow({ user: choices.databaseAccount })}`,
      ...(database === null ? [] : [comment(`Its databases: ${database.databases.join(', ') || 'none'}.`)]),
    ]),
    '',
    ...siteLines(discovery.sites, new Set(choices.sites)),
    ...apacheLines(discovery),
  ];
  return `${lines.join('\n')}\n`;
}

function listenLines(listen: readonly string[]): string[] {
  if (listen.length === 0) return ['# What a managed vhost listens on: port 80, the default.'];
  return [
    '# What a managed vhost listens on: where the vhosts that were found do, without TLS.',
    entry('listen', listen),
  ];
}

function siteLines(sites: readonly DiscoveredSite[], chosen: ReadonlySet<string>): string[] {
  const [taken, left] = [sites.filter((site) => isTaken(site, chosen)), sites.filter((site) => !isTaken(site, chosen))];
  return [
    taken.length === 0 ? 'sites: {}' : 'sites:',
    ...taken.flatMap((site) => [...indented(2, oneSite(site)), '']),
    ...left.flatMap((site) => [
      ...(site.problems.length === 0
        ? [comment('Found, and left out when this was written:')]
        : [comment('Found, and not decided. Take the marks away when these are settled:')]),
      ...site.problems.map((problem) => comment(`- ${problem}`)),
      ...indented(2, oneSite(site)).map((line) => `#${line}`),
      '',
    ]),
  ];
}

function isTaken(site: DiscoveredSite, chosen: ReadonlySet<string>): boolean {
  return site.problems.length === 0 && chosen.has(site.uri);
}

function oneSite(site: DiscoveredSite): string[] {
  return [
    comment(`From ${site.vhostFile}.`),
    ...site.notes.map((note) => comment(`${capitalised(note)}.`)),
    `${flow(site.uri)}:`,
    ...indented(2, [
      comment(`${site.kindFrom}.`),
      entry('kind', site.kind),
      'server: local',
      'db: local',
      entry('root', site.root),
      ...pathLines(site),
      ...(site.owner === null
        ? [comment('No owner was seen. Say:  owner: <the account its PHP runs as>')]
        : [comment(`From ${site.ownerFrom}.`), entry('owner', site.owner)]),
      ...(site.phpSocket === null
        ? [comment("No socket of PHP-FPM was seen. Say:  php: { socket: <the path of its pool's> }")]
        : [`php: ${flow({ socket: site.phpSocket })}`]),
      ...(site.aliases.length === 0 ? [] : [entry('aliases', site.aliases)]),
      ...(site.settings === null
        ? settingsNotSeen(site)
        : [comment('A guess from names in the file; adopting the site proves it.'), entry('settings', site.settings)]),
      ...vhostLines(site),
    ]),
  ];
}

/** A kind that knows its settings by itself has no such key. */
function settingsNotSeen({ kind }: DiscoveredSite): string[] {
  return kind === 'php'
    ? [comment('Where its login is was not seen. Say it by  settings:  as kedge.example.yaml shows.')]
    : [];
}

function pathLines({ elsewhere }: DiscoveredSite): string[] {
  if (elsewhere.length === 0) return [];
  return [
    ...elsewhere.map(({ from, path }) => comment(`${capitalised(from)} leads to ${path}, which belongs to its owner.`)),
    comment('What of it is a part of the site is in its backups only when it is declared:'),
    comment(`paths: ${flow(Object.fromEntries(elsewhere.map(({ name, path }) => [name, path])))}`),
  ];
}

function vhostLines(site: DiscoveredSite): string[] {
  if (site.managed) return [comment('Kedge wrote its vhost.'), 'vhost: managed'];
  return [
    comment(
      `Its vhost stays yours, ${site.vhostFile}. \`kedge sites adopt\` tells the line that its server blocks have to include, by`,
    ),
    comment(
      'which visitors see a maintenance page. With none nothing is included: then they see no such page, and a restored site',
    ),
    comment('is not asked for a page.'),
    'vhost: include',
  ];
}

function capitalised(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

function apacheLines({ apache }: Discovery): string[] {
  if (apache.length === 0) return [];
  return [
    comment('Apache is not supported yet. Sites it serves here:'),
    ...apache.map(({ name, root, file }) => comment(`- ${name}${root === null ? '' : `, ${root}`} (${file})`)),
  ];
}

function entry(key: string, value: unknown): string {
  return `${key}: ${flow(value)}`;
}

/** A value on one line, quoted where YAML needs it. */
function flow(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0, defaultStringType: 'PLAIN' })
    .trim()
    .replace(/\n\s*/g, ' ');
}

function comment(text: string): string {
  return `# ${printable(text)}`;
}

/** What was found is not trusted: a comment ends where its line does. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, '?');
}

function indented(width: number, lines: readonly string[]): string[] {
  return lines.map((line) => `${' '.repeat(width)}${line}`);
}
