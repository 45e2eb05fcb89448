import { join } from 'node:path';
import { probeFolder } from '../../flags/flag-paths';
import { probePrefix } from '../../flags/probe-file';
import type { TaskLeftovers } from '../leftovers';
import type { Leftover, SweepParts } from './leftover';
import { findOldFile } from './old-file';

const PROBE_FOLDER = '.probe';

/** Probe files are removed by who made them, unless he was killed. Sites with a task that is open, or may be, are passed over. */
export async function findProbeFiles({ flags }: SweepParts, isBusy: (site: string) => boolean): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for (const { host, path } of flags) {
    for (const folder of (await host.list(path)).filter((name) => name.endsWith(PROBE_FOLDER))) {
      const site = folder.slice(0, -PROBE_FOLDER.length);
      if (isBusy(site)) continue;
      for (const name of await host.list(join(path, folder)))
        found.push(...(await findOldFile(host, join(path, folder, name), 'the probe file')));
    }
  }
  return found;
}

/** Those of a closed task, whatever their age. */
export async function findProbeFilesOf(
  { flags }: SweepParts,
  { task, site, mark }: TaskLeftovers,
): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for (const { host, path } of flags) {
    const folder = probeFolder(path, site);
    for (const name of (await host.list(folder)).filter((file) => file.startsWith(probePrefix(mark)))) {
      const file = join(folder, name);
      found.push({ what: `the probe file ${file}`, task, remove: () => host.removeFile(file) });
    }
  }
  return found;
}
