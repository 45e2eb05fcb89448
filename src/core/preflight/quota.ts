import { KedgeError, isKedgeError } from '../../contract/errors';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { type SpaceNeed, nearestExisting } from './space';

/** What one account or group may have of one file system, and has. */
export interface Quota {
  /** Where the file system is mounted. */
  readonly mount: string;
  readonly bytes: Allowance;
  readonly files: Allowance;
}

interface Allowance {
  readonly used: number;
  /** Null where there is none. */
  readonly limit: number | null;
}

const LIMIT_MS = 30_000;
const KIB = 1024;
const OPTIONS = ['--no-wrap', '--raw-grace', '--show-mntpoint', '--hide-device', '--local-only', '--verbose'];

/**
 * Checks that what is to be unpacked fits into the quotas of those to whom it will belong: until a restore is committed its files
 * and the live ones count together. Where quotas are not in use, or the machine has no `quota` program, nothing is known of them.
 * @throws KedgeError DiskFull naming the account, what is needed and what it may have
 */
export async function checkQuotas(
  needs: readonly SpaceNeed[],
  site: string,
  operation: Operation,
  program = 'quota',
): Promise<void> {
  for (const host of new Set(needs.map((need) => need.host))) {
    const there = needs.filter((need) => need.host === host);
    await checkQuotasAt(host, there, site, operation, program);
  }
}

async function checkQuotasAt(
  host: Host,
  needs: readonly SpaceNeed[],
  site: string,
  operation: Operation,
  program: string,
): Promise<void> {
  for (const { kind, id, byMount } of await neededBy(host, needs)) {
    const quotas = await quotasOf(host, kind, id, operation, program);
    if (quotas === null) return;
    for (const { mount, bytes, files } of quotas) {
      const needed = byMount.get((await host.status(mount))?.device ?? NaN);
      if (!needed) continue;
      assertFits(`${kind} ${id}`, 'bytes', needed.bytes, bytes, { host, mount, site });
      assertFits(`${kind} ${id}`, 'files', needed.files, files, { host, mount, site });
    }
  }
}

function assertFits(
  who: string,
  what: 'bytes' | 'files',
  needed: number,
  { used, limit }: Allowance,
  { host, mount, site }: { readonly host: Host; readonly mount: string; readonly site: string },
): void {
  if (limit === null || used + needed <= limit) return;
  throw new KedgeError(
    'DiskFull',
    `web staging on ${host.name} needs ${needed} ${what} of the quota of ${who} at ${mount}, which has ${used} and may have ${limit}: the live files and those of the backup count together`,
    {
      ...{ site, server: host.name, state: 'the site is unchanged' },
      hint: 'Raise the quota (`setquota`) for as long as the restore takes, or free some of it.',
    },
  );
}

interface NeededBy {
  readonly kind: 'user' | 'group';
  readonly id: number;
  /** By the device of the file system. */
  readonly byMount: Map<number, { bytes: number; files: number }>;
}

/** What is needed, by whom it counts for; root has no quotas. */
async function neededBy(host: Host, needs: readonly SpaceNeed[]): Promise<NeededBy[]> {
  const all = new Map<string, NeededBy>();
  for (const { path, owners = [] } of needs) {
    if (owners.length === 0) continue;
    const existing = await nearestExisting(host, path);
    const device = existing === null ? undefined : (await host.status(existing))?.device;
    if (device === undefined) continue;
    for (const { uid, gid, bytes, files } of owners)
      for (const [kind, id] of [
        ['user', uid],
        ['group', gid],
      ] as const) {
        if (id === 0) continue;
        const one: NeededBy = all.get(`${kind} ${id}`) ?? { kind, id, byMount: new Map() };
        const before = one.byMount.get(device) ?? { bytes: 0, files: 0 };
        one.byMount.set(device, { bytes: before.bytes + bytes, files: before.files + files });
        all.set(`${kind} ${id}`, one);
      }
  }
  return [...all.values()];
}

/** Null where the machine has no program that tells. */
async function quotasOf(
  host: Host,
  kind: NeededBy['kind'],
  id: number,
  operation: Operation,
  program: string,
): Promise<Quota[] | null> {
  try {
    const { stdout } = await host.run({
      argv: [program, `--${kind}`, ...OPTIONS, '--', String(id)],
      environment: { LC_ALL: 'C' },
      limits: { timeoutMs: LIMIT_MS },
      // 1: somebody is over a quota.
      acceptExitCodes: [0, 1],
      operation,
    });
    return readQuotas(stdout, await host.now());
  } catch (error) {
    operation.signal.throwIfAborted();
    if (isKedgeError(error) && error.code === 'ProgramMissing') return null;
    const why = error instanceof Error ? error.message : String(error);
    operation.log.warn(`the quota of ${kind} ${id} on ${host.name} cannot be asked for: ${why}`);
    return [];
  }
}

/** `/srv  1200*  1000  12000  1764190000  30  0  0  0`: KiB, the soft and the hard limit, when the time above the soft one ends; files. */
const LINE = /^\s*(\/.*?)\s+(\d+)\*?\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\*?\s+(\d+)\s+(\d+)\s+(\d+)\s*$/;

/** Reads what `quota --no-wrap --raw-grace --show-mntpoint --hide-device` of quota-tools 4 prints. `now` in ms. */
export function readQuotas(text: string, now: number): Quota[] {
  return text.split('\n').flatMap((line) => {
    const match = LINE.exec(line);
    if (!match) return [];
    const [blocks = 0, softBlocks = 0, hardBlocks = 0, blocksGrace = 0, files = 0, soft = 0, hard = 0, grace = 0] =
      match.slice(2).map(Number);
    return [
      {
        mount: match[1] ?? '/',
        bytes: {
          used: blocks * KIB,
          limit: limitOf(softBlocks * KIB, hardBlocks * KIB, blocksGrace, now),
        },
        files: { used: files, limit: limitOf(soft, hard, grace, now) },
      },
    ];
  });
}

/** Above the soft limit there is room up to the hard one until its time, in s, has come. */
function limitOf(soft: number, hard: number, grace: number, now: number): number | null {
  if (soft > 0 && grace > 0 && grace * 1000 < now) return soft;
  return hard > 0 ? hard : null;
}
