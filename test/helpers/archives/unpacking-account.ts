import type { DiskEntry } from './disk';
import type { ReadMember } from './opponents';

type Kept = Pick<DiskEntry, 'type' | 'mode' | 'uid' | 'gid'> & { sha256?: string; target?: string; mtime?: bigint };

/**
 * What must lie on a disk when these members were unpacked one after the other, by path below `prefix`: the later one
 * counts, hard links are one file. Throws where a member needs what is not there.
 */
export function accountOf(members: readonly ReadMember[], prefix: string): Map<string, Kept & { links: number }> {
  const files = new Map<string, Kept>();
  for (const member of members) {
    const path = below(member.name, prefix);
    const { uid, gid } = member;
    const mode = withAccessList(member.mode, member.acl);
    const mtime = keepable(BigInt(member.mtime));
    if (member.type === 'hard link') {
      const target = files.get(below(member.target, prefix));
      if (!target) throw new Error(`${member.name} is linked to ${member.target}, which is not there`);
      files.set(path, target);
    } else if (member.type === 'file') {
      files.set(path, { type: 'file', mode, uid, gid, mtime, sha256: member.sha256 ?? '' });
    } else if (member.type === 'folder') {
      files.set(path, { type: 'folder', mode, uid, gid, mtime });
    } else if (member.type === 'link') {
      files.set(path, { type: 'link', mode: 0o777, uid, gid, mtime, target: member.target });
    } else {
      throw new Error(`${member.name} is of a kind that is never unpacked`);
    }
  }
  const links = new Map<Kept, number>();
  for (const kept of files.values()) links.set(kept, (links.get(kept) ?? 0) + 1);
  return new Map(
    [...files].map(([path, kept]) => [path, { ...kept, links: kept.type === 'file' ? (links.get(kept) ?? 0) : 1 }]),
  );
}

/** Disks keep the nearest time they can: of ext4, the narrowest one, those from 1901 to 2446 (kernel, ext4/inodes.rst). */
function keepable(seconds: bigint): bigint {
  const [first, last] = [-0x8000_0000n, 0x3_7fff_ffffn];
  return seconds < first ? first : seconds > last ? last : seconds;
}

/** Access lists are set last, and what they give to owner, mask and others is a file's mode from then on (acl(5)). */
function withAccessList(mode: number, acl: string | undefined): number {
  const entries = (acl ?? '').split(',').map((entry) => /^(user|group|mask|other)::([r-][w-][x-])$/.exec(entry));
  const given = new Map(entries.flatMap((entry) => (entry?.[1] && entry[2] ? [[entry[1], bitsOf(entry[2])]] : [])));
  const [user, group, other] = [given.get('user'), given.get('mask') ?? given.get('group'), given.get('other')];
  if (user === undefined || group === undefined || other === undefined) return mode;
  return (mode & 0o7000) | (user << 6) | (group << 3) | other;
}

function bitsOf(permissions: string): number {
  return [...permissions].reduce((bits, letter) => (bits << 1) | (letter === '-' ? 0 : 1), 0);
}

function below(name: string, prefix: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..') || parts[0] !== prefix) throw new Error(`${name} is not below ${prefix}`);
  return parts.slice(1).join('/');
}

/** What lies there, described as an account describes it. Times in whole seconds: programs keep different fractions. */
export function accountable(found: ReadonlyMap<string, DiskEntry>): Map<string, Kept & { links: number }> {
  return new Map(
    [...found].map(([path, { type, mode, uid, gid, mtime, links, sha256, target }]) => [
      path,
      {
        ...{ type, mode, uid, gid, links, mtime: keepable(floorSeconds(mtime)) },
        ...(sha256 === undefined ? {} : { sha256 }),
        ...(target === undefined ? {} : { target }),
      },
    ]),
  );
}

function floorSeconds(nanoseconds: bigint): bigint {
  const seconds = nanoseconds / 1_000_000_000n;
  return seconds * 1_000_000_000n > nanoseconds ? seconds - 1n : seconds;
}
