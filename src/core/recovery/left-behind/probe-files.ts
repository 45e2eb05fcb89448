import { basename, join } from 'node:path';
import { probeFolder } from '../../flags/flag-paths';
import { probePrefix } from '../../flags/probe-file';
import type { Host } from '../../hosts/host';
import type { TaskLeftovers } from '../leftovers';
import type { Leftover, SearchParts } from './leftover';
import { prepareAgain } from './machines';
import { findOldFile } from './old-file';

const PROBE_FOLDER = '.probe';

/** Probe files are removed by who made them, unless he was killed. Sites with a task that is open, or may be, are passed over. */
export async function findProbeFiles(
  { flags, machines }: SearchParts,
  isBusy: (site: string) => boolean,
): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for (const { host, path } of flags) {
    const all = await machines.ask(host, { site: null, whenRefused: prepareAgain(host) }, () => host.list(path));
    for (const name of (all ?? []).filter((each) => each.endsWith(PROBE_FOLDER))) {
      const site = name.slice(0, -PROBE_FOLDER.length);
      if (isBusy(site)) continue;
      const folder = join(path, name);
      const question = { site, whenRefused: removeByHand(host, folder) };
      for (const probe of (await machines.ask(host, question, () => host.list(folder))) ?? []) {
        const look = (): Promise<Leftover[]> => findOldFile(host, join(folder, probe), 'the probe file');
        found.push(...((await machines.ask(host, question, look)) ?? []));
      }
    }
  }
  return found;
}

/**
 * Those of a closed task, whatever their age, on the machine of its web server. The folder is asked for what it holds only where there is
 * one: the rules of that machine may know nothing of a site that has none. Null where it cannot be seen.
 */
export async function findProbeFilesOf(
  { flags, machines }: SearchParts,
  { task, site, mark }: TaskLeftovers,
  webHost: Host,
): Promise<Leftover[] | null> {
  const found: Leftover[] = [];
  for (const { host, path } of flags.filter((each) => each.host === webHost)) {
    const folder = probeFolder(path, site);
    const all = await machines.ask(host, { site: null, whenRefused: prepareAgain(host) }, () => host.list(path));
    if (all === null) return null;
    if (!all.includes(basename(folder))) continue;
    const question = { site, whenRefused: removeByHand(host, folder) };
    const probes = await machines.ask(host, question, () => host.list(folder));
    if (probes === null) return null;
    for (const name of probes.filter((file) => file.startsWith(probePrefix(mark)))) {
      const file = join(folder, name);
      found.push({ what: `the probe file ${file}`, task, remove: () => host.removeFile(file) });
    }
  }
  return found;
}

/** For a folder that stays where a site was: an empty one too. */
function removeByHand(host: Host, folder: string): string {
  return `Where the configuration has the site, run \`kedge servers prepare ${host.name}\`; otherwise remove ${folder} there`;
}
