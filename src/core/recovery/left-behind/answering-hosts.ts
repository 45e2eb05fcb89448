import { isKedgeError } from '../../../contract/errors';
import type { Host } from '../../hosts/host';
import type { SweepParts } from './leftover';

/**
 * The parts of a search, with the machines that it is about and that answer now: what was left on others waits for a later search, and holds
 * up nothing elsewhere. `wanted`: by the names of web servers; null for all. Why one is passed over is added to the problems.
 */
export async function withAnsweringHosts(
  parts: SweepParts,
  wanted: ReadonlySet<string> | null,
  problems: string[],
): Promise<SweepParts> {
  const webHosts = [...parts.webHosts].filter(([name]) => wanted === null || wanted.has(name));
  const answering = new Set<Host>([parts.master]);
  await Promise.all(
    [...new Set(webHosts.map(([, host]) => host))].map(async (host) => {
      try {
        if (host !== parts.master) await host.now();
        answering.add(host);
      } catch (error) {
        if (!isKedgeError(error)) throw error;
        problems.push(`${host.name} is passed over: ${error.message}`);
      }
    }),
  );
  return {
    ...parts,
    webHosts: new Map(webHosts.filter(([, host]) => answering.has(host))),
    flags: parts.flags.filter(({ host }) => answering.has(host)),
  };
}
