import { createHash } from 'node:crypto';
import { basename, join } from 'node:path/posix';
import { LOOPBACK_SOCKET, type SiteLocation, type VhostSite } from '../../../contract/target';
import { serverNames } from '../../web/server-names';
import { filesOfVhost } from '../../web/vhost-files';
import { vhostRendererOf } from '../../web/vhost-renderers';
import { matchesPattern } from '../file-pattern';
import type { Host, VhostFileRequest } from '../host';
import type { HostRules, WebRules } from './host-rules';
import { mayAnswerTo, placeOf } from './places';
import { refused } from './refusal';

const MAXIMUM_BYTES = 256 * 1024;
/** Beside the vhosts, and read by no web server: what their files held before. */
const KEPT = '.kedge.kept';
/** Of one file. A task needs the last; others may have come between. */
const KEPT_OF_A_FILE = 20;

/**
 * Sees to a file of the folder of vhosts: what it is to hold is known by its digest, and is what this machine renders for the site, from the rules
 * and from values that the rules allow, or what the file held before. @throws KedgeError HostRefused, ConfigurationInvalid, OwnerRefused, FileRefused
 */
export async function putVhostFile(
  machine: Host,
  rules: HostRules,
  { path, site, sha256 }: VhostFileRequest,
): Promise<void> {
  const { web } = rules;
  const name = basename(path);
  const file = web && mayAnswerTo(web, site.uri) ? fileNamed(web, site, name) : undefined;
  if (!web || file === undefined || join(web.vhosts, name) !== path) throw refused(machine.name, `writing ${path}`);
  // Root writes there by the path as it is written: nobody else may have it lead elsewhere.
  await machine.assertTrusted(web.vhosts);
  const kept = new KeptFiles(machine, join(web.vhosts, KEPT));
  const found = (await machine.status(path)) ? await machine.readFile(path, MAXIMUM_BYTES) : null;
  const before = sha256 === null ? null : await kept.find(name, sha256);
  const wanted = sha256 === null ? null : (before ?? (await rendered(machine, rules, web, site, file)));
  if (wanted !== null && digestOf(wanted) !== sha256)
    throw refused(
      machine.name,
      `writing ${path}`,
      'it is neither what this server renders for the site nor what was there before; are addresses, folders and template of the web server the same in kedge.yaml and in the rules of the server?',
    );
  if (found !== null) await kept.keep(name, found);
  if (wanted === null) await machine.removeFile(path);
  else await machine.writeFile(path, wanted, { mode: 0o644 });
}

function fileNamed(web: WebRules, site: VhostSite, name: string): 'vhost' | 'snippet' | undefined {
  const names = vhostRendererOf(web).fileNames(site);
  return (['vhost', 'snippet'] as const).find((file) => names[file] === name);
}

async function rendered(
  machine: Host,
  rules: HostRules,
  web: WebRules,
  site: VhostSite,
  file: 'vhost' | 'snippet',
): Promise<Buffer> {
  await assertValues(machine, rules, web, site);
  const renderer = vhostRendererOf(web);
  const { vhostTemplate: template, ...values } = site;
  const location: SiteLocation = {
    ...values,
    ...(template
      ? { vhostTemplate: { path: template.path, text: await renderer.readTemplate(machine, template.path) } }
      : {}),
    // Nothing of these stands in a vhost.
    owner: { user: 'nobody', uid: 65534, gid: 65534 },
    vhost: file === 'vhost' ? 'managed' : 'include',
    healthPath: '/',
    exclude: [],
  };
  const address = { ...web, name: machine.name };
  return Buffer.from(
    file === 'vhost' ? renderer.renderVhost(address, location) : renderer.renderSnippet(address, location),
  );
}

/** What a vhost names is what the rules name: folders, names, the socket of PHP, files that are read as root. */
async function assertValues(machine: Host, rules: HostRules, web: WebRules, site: VhostSite): Promise<void> {
  const refuse = (what: string): Error => refused(machine.name, `a vhost with ${what}`);
  for (const name of serverNames(site)) if (!mayAnswerTo(web, name)) throw refuse(`the name ${name}`);
  for (const path of [site.root, ...(site.linkedRoot === undefined ? [] : [site.linkedRoot])])
    if (placeOf(rules, path).kind !== 'site') throw refuse(`the folder ${path}`);
  if (!mayConnect(rules, site.phpSocket)) throw refuse(`PHP at ${site.phpSocket}`);
  const named = [site.tls?.certificate, site.tls?.key, site.vhostInclude].filter((path) => path !== undefined);
  for (const path of named) if (!web.files.some((file) => matchesPattern(file, path))) throw refuse(`the file ${path}`);
  if (site.vhostTemplate && !web.templates.includes(site.vhostTemplate.path))
    throw refuse(`the template ${site.vhostTemplate.path}`);
  for (const path of await filesOfVhost(machine, site)) await machine.assertTrusted(path);
}

/** True for a socket of PHP that the rules name, as the configuration of a master writes it. */
function mayConnect({ connect }: HostRules, socket: string): boolean {
  const [, host = '', port] = LOOPBACK_SOCKET.exec(socket) ?? [];
  if (host === '') return connect.sockets.includes(socket);
  const address = host.replace(/^\[|\]$/g, '');
  return connect.ports.some((allowed) => allowed.host === address && allowed.port === Number(port));
}

/** What files of the folder of vhosts held before, by their digests: root's own, so that a master can name it and not write it. */
class KeptFiles {
  constructor(
    private readonly machine: Host,
    private readonly folder: string,
  ) {}

  async find(name: string, sha256: string): Promise<Buffer | null> {
    const path = this.pathOf(name, sha256);
    if ((await this.machine.status(path)) === undefined) return null;
    return this.machine.readFile(path, MAXIMUM_BYTES);
  }

  async keep(name: string, content: Buffer): Promise<void> {
    await this.machine.makeFolder(this.folder, { mode: 0o700 });
    // Written anew each time, so that the last one is the newest.
    await this.machine.writeFile(this.pathOf(name, digestOf(content)), content, { mode: 0o600 });
    const others = (await this.machine.list(this.folder)).filter((each) => each.startsWith(`${name}.`));
    const aged = await Promise.all(
      others.map(async (each) => {
        const path = join(this.folder, each);
        return { path, at: (await this.machine.status(path))?.modifiedMs ?? 0 };
      }),
    );
    for (const { path } of aged.sort((one, other) => other.at - one.at).slice(KEPT_OF_A_FILE))
      await this.machine.removeFile(path);
  }

  private pathOf(name: string, sha256: string): string {
    return join(this.folder, `${name}.${sha256}`);
  }
}

function digestOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
