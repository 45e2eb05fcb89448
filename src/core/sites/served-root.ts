import { dirname } from 'node:path';
import { KedgeError } from '../../contract/errors';
import { type SiteLocation, rootsOf } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import type { WebServer } from '../web/web-server';
import { isBelow } from './site-folder';

/** A folder that somebody else has, and who that is. */
export interface TakenFolder {
  readonly of: string;
  readonly path: string;
}

/**
 * A site whose `root` is a link, at what it leads to now: the release that is live, where each has a folder of its own. Only
 * a folder beside the link, or below one beside it, is followed to; other links stay, and are refused by whoever needs a
 * folder. Where a release is gone that the link names, the site is at the folder it had. `taken` are folders of others, which
 * may be such links too.
 * @throws KedgeError SiteFolderRefused where the site and somebody else come to have one folder, by links or by two names of one
 *   machine
 */
export async function followRoot(host: Host, site: SiteLocation, taken: readonly TakenFolder[]): Promise<SiteLocation> {
  const path = await folderBehind(host, site.root);
  const own = (await host.realPath(path)) ?? path;
  const isLink = own !== site.root;
  for (const other of taken) {
    const theirs = isLink ? await folderBehind(host, other.path) : other.path;
    const real = isLink ? ((await host.realPath(theirs)) ?? theirs) : theirs;
    if (!touches(own, real)) continue;
    throw new KedgeError(
      'SiteFolderRefused',
      isLink
        ? `${site.root} of ${site.uri} leads to ${own}, and ${other.of} has ${real}`
        : `${site.uri} has ${own} on ${host.name}, and ${other.of} has ${real}`,
      {
        site: site.uri,
        server: host.name,
        state: 'nothing was changed',
        hint: `Give ${site.uri} a folder of its own, and set \`root:\` or the link to it.`,
      },
    );
  }
  return path === site.root ? site : { ...site, root: path, linkedRoot: site.root };
}

/**
 * Sees that a link the site was followed by still leads where it did when the task began.
 * @throws KedgeError RootNotServed
 */
export async function assertStillLinked(host: Host, { uri, root, linkedRoot }: SiteLocation): Promise<void> {
  if (linkedRoot === undefined) return;
  const now = await folderBehind(host, linkedRoot);
  if (now === root) return;
  throw new KedgeError(
    'RootNotServed',
    `${linkedRoot} of ${uri} led to ${root} when the task began, and now to ${now}`,
    {
      site: uri,
      server: host.name,
      hint: 'Releases were switched meanwhile: run the command again, and no deployment beside it.',
    },
  );
}

/**
 * Sees to it that the folder of a site is the one that its web server serves. Where that cannot be told (a vhost that is not
 * nginx's, a proxy, a folder that is computed) nothing happens.
 * @throws KedgeError RootNotServed
 */
export async function assertServed(
  host: Host,
  web: Pick<WebServer, 'name' | 'documentRoots'>,
  site: SiteLocation,
  operation: Operation,
): Promise<void> {
  const served = await web.documentRoots(site, operation);
  const own = [...rootsOf(site).map(({ path }) => path), ...(site.linkedRoot === undefined ? [] : [site.linkedRoot])];
  const reals = await Promise.all(own.map((path) => host.realPath(path)));
  const leadTo: string[] = [];
  for (const { path } of served) {
    if (own.some((root) => touches(root, path))) return;
    const real = await host.realPath(path);
    if (real !== null && reals.some((root) => root !== null && touches(root, real))) return;
    leadTo.push(real === null || real === path ? path : `${path}, which leads to ${real}`);
  }
  const [first] = served;
  if (!first) return;
  throw new KedgeError(
    'RootNotServed',
    `${web.name} serves ${site.uri} from ${leadTo[0]} (${first.place}), not from its root ${site.linkedRoot ?? site.root}`,
    {
      site: site.uri,
      server: web.name,
      state: 'the site is unchanged',
      hint: `Set \`root:\` of ${site.uri} to what is served: a link such as current that leads from release to release may be named itself.`,
    },
  );
}

/** Where a root leads that is a link to a folder beside it; the root itself otherwise. */
export async function folderBehind(host: Host, root: string): Promise<string> {
  if ((await host.status(root))?.type !== 'link') return root;
  const beside = await host.realPath(dirname(root));
  const real = await host.realPath(root);
  if (beside === null || beside === '/' || real === null || real === beside || !isBelow(beside, real)) return root;
  return real;
}

/** A document root may be a folder of the application, or one that holds several. */
function touches(root: string, documentRoot: string): boolean {
  return isBelow(root, documentRoot) || isBelow(documentRoot, root);
}
