import { posix } from 'node:path';
import type { Owner, SiteRoot } from '../../contract/target';
import type { Origin } from './archive';
import { type ByteString, byteString, shown } from './byte-string';
import { type ArchiveFault, refused } from './fault';
import { placeOf } from './layout';
import { NameTable } from './name-table';
import { SPECIAL_BITS, Tally } from './tally';
import type { Member } from './tar-reader';
import type { WrittenMember } from './tar-writer';

/** A member as it is unpacked. */
export interface Unpacked extends WrittenMember {
  /** Name of the folder of the site it belongs to. */
  readonly root: string;
  /** Its path there; empty for the folder itself. Targets of hard links are such paths too. */
  readonly path: ByteString;
}

/** What a member of an archive is to become. For the site: folders it implies, then itself. */
export type Verdict =
  { readonly as: 'dump' | 'record' | 'left out' } | { readonly as: 'site'; readonly members: readonly Unpacked[] };

const MAXIMUM_MEMBERS = 5_000_000;
/** The kernel's PATH_MAX without its NUL, less the short name of the folder that each is unpacked into. */
const MAXIMUM_PATH_BYTES = 4095 - 2;
/** The kernel's NAME_MAX. */
const MAXIMUM_NAME_BYTES = 255;
const MAXIMUM_TARGET_BYTES = 4095;
/** How many names a warning holds. */
const NAMED = 20;
const NAMED_LINKS = 100;
const SETUID_AND_SETGID = 0o6000;
const IMPLIED_MODE = 0o755;
/** In the place of a kind: a member that is not unpacked, and to which hard links are not either. */
const LEFT_OUT = 0xfffe;
const NOTHING_EXTENDED: ReadonlyMap<string, string> = new Map();

/** Names of what a warning is about, the first of them. */
class Noted {
  private readonly names: string[] = [];
  count = 0;

  add(name: ByteString): void {
    this.count += 1;
    if (this.names.length < NAMED) this.names.push(shown(name));
  }

  get some(): string {
    return this.names.join(', ') + (this.count > NAMED ? ` and ${this.count - NAMED} more` : '');
  }
}

/**
 * Judges the members of an archive one by one: whether each is one that a backup of a site may hold, and what it becomes.
 * What is refused could act outside the folder it is unpacked to, or is not plainly understood. Of names it keeps
 * hashes, so that memory stays small.
 */
export class Judge {
  private readonly names = new NameTable();
  private readonly seen = new Set<'dump' | 'record'>();
  private readonly leftOut = new Noted();
  private readonly joining = new Noted();
  private readonly bitsTaken = new Noted();
  private readonly attributesSkipped = new Noted();
  private readonly givenAway = new Noted();
  private unpacked = 0;
  /** The folder that the newest member is in; its neighbours mostly follow. */
  private newestFolder: ByteString | null = null;
  members = 0;
  /** What is to lie on the disk when all is unpacked. */
  readonly tally = new Tally();
  /** Where the folders of the site were, as far as the record says: a link from one into another leads nowhere else. */
  roots: readonly SiteRoot[] = [];
  /** Links that lead out of the folders, the first hundred. */
  readonly leavingLinks: string[] = [];

  constructor(private readonly origin: Origin) {}

  /** @throws ArchiveFault to refuse it */
  judge(member: Member): Verdict {
    this.members += 1;
    const { type } = member;
    if (member.attributesSkipped) this.attributesSkipped.add(member.path);
    const parts = partsOf(member.path);
    refuseMisspelt(member.path, parts);
    const place = placeOf(parts);
    if (place === null) throw refusal(member.path, 'stands where folders of the site alone do');
    if (place.as === 'structure') {
      if (type !== 'folder') throw refusal(member.path, 'stands where folders of the site alone do');
      return { as: 'left out' };
    }
    if (place.as !== 'site') return this.ownMember(place.as, member);
    const { root, path } = place;
    if (path === '' && type !== 'folder') throw refusal(member.path, 'stands where folders of the site alone do');
    if (path.length > MAXIMUM_PATH_BYTES)
      throw refusal(member.path, `has a path longer than ${MAXIMUM_PATH_BYTES} bytes`);
    switch (type) {
      case 'file':
        return this.placed(member, { ...this.ownedAs(member), root, path, type, mode: this.modeOf(member) });
      case 'folder':
        return this.placed(member, { ...this.ownedAs(member), root, path, type });
      case 'symbolic link':
        return this.symbolicLink(member, root, path);
      case 'hard link':
        return this.hardLink(member, root, path);
      case 'named pipe':
      case 'character device':
      case 'block device':
        return this.leaveOut(member, root, path);
    }
  }

  /** Folders of the site that the archive says nothing of, though they have to be there; when all members are judged. */
  impliedRoots(roots: readonly string[]): Unpacked[] {
    const owner = this.origin.owner ?? { uid: 0, gid: 0 };
    return roots
      .filter((root) => this.names.get(keyOf(root, '')) === undefined)
      .map((root) => this.impliedFolder(root, '', { ...owner, modified: '0' }));
  }

  /** What will not come back as it stands in the archive: a sentence each. */
  warnings(): string[] {
    const { bitsTaken, givenAway } = this;
    const warnings = this.leftOutWarnings();
    if (bitsTaken.count > 0)
      warnings.push(`setuid and setgid bits of files that are not the site owner's are taken off: ${bitsTaken.some}`);
    if (givenAway.count > 0) {
      const owner = this.origin.owner?.user ?? '';
      warnings.push(`the archive holds files of other accounts; all becomes ${owner}'s: ${givenAway.some}`);
    }
    return warnings;
  }

  /** Those of them that say what will not come back at all. */
  leftOutWarnings(): string[] {
    const { leftOut, joining, attributesSkipped } = this;
    const warnings: string[] = [];
    if (leftOut.count > 0) warnings.push(`named pipes and devices of the archive are left out: ${leftOut.some}`);
    if (joining.count > 0) warnings.push(`hard links into another folder of the site are left out: ${joining.some}`);
    if (attributesSkipped.count > 0)
      warnings.push(`attributes of users beyond one MiB a file are left out: ${attributesSkipped.some}`);
    return warnings;
  }

  private ownMember(as: 'dump' | 'record', member: Member): Verdict {
    if (member.type !== 'file') throw refusal(member.path, `is no file but a ${member.type}`);
    if (this.seen.has(as)) throw refusal(member.path, 'stands in it twice');
    this.seen.add(as);
    return { as };
  }

  private symbolicLink(member: Member, root: string, path: ByteString): Verdict {
    const { linkTarget } = member;
    if (linkTarget === '' || linkTarget.includes('\0') || linkTarget.length > MAXIMUM_TARGET_BYTES)
      throw refusal(member.path, 'is a link to nothing that can be');
    if (this.leavingLinks.length < NAMED_LINKS && this.leaves(root, path, linkTarget))
      this.leavingLinks.push(`${shown(member.path)} -> ${shown(linkTarget)}`);
    const link = { ...this.ownedAs(member), root, path, type: 'symbolic link', extended: NOTHING_EXTENDED } as const;
    return this.placed(member, { ...link, mode: 0o777 });
  }

  private hardLink(member: Member, root: string, path: ByteString): Verdict {
    const is = `is a hard link to "${shown(member.linkTarget)}"`;
    const parts = partsOf(member.linkTarget);
    refuseMisspelt(member.linkTarget, parts);
    const target = placeOf(parts);
    if (target?.as === 'dump' || target?.as === 'record') throw refusal(member.path, `${is}, which is not unpacked`);
    if (target?.as !== 'site' || target.root !== root) {
      // Packing keeps them apart; whoever owns the site can lay one while it goes on.
      if (target?.as === 'site' && this.origin.from === 'catalogue')
        return this.leaveOut(member, root, path, this.joining);
      throw refusal(member.path, `${is}, in another folder of the site`);
    }
    const kind = this.names.get(keyOf(root, target.path));
    if (kind === LEFT_OUT) return this.leaveOut(member, root, path);
    if (kind === undefined) throw refusal(member.path, `${is}, which does not come before it`);
    const attributes = this.tally.at(kind);
    if (attributes === undefined || attributes.type === 'folder' || target.path === path)
      throw refusal(member.path, `${is}, which is no other file`);
    const link = {
      ...member,
      root,
      path,
      type: 'hard link',
      linkTarget: target.path,
      extended: NOTHING_EXTENDED,
    } as const;
    // What it links to says whose it is and what may be done with it.
    return this.placed(member, { ...link, uid: attributes.uid, gid: attributes.gid, mode: 0o600 }, kind);
  }

  private leaveOut(member: Member, root: string, path: ByteString, noted = this.leftOut): Verdict {
    // Whoever may write to a site can have such a thing in the middle of its backup.
    if (this.origin.from === 'foreign') throw refusal(member.path, `is a ${member.type}, which no site backup holds`);
    const key = keyOf(root, path);
    if ((this.names.get(key) ?? LEFT_OUT) !== LEFT_OUT)
      throw refusal(member.path, 'comes again as another kind of file');
    this.names.set(key, LEFT_OUT);
    this.countUnpacked(member.path);
    noted.add(member.path);
    return { as: 'left out' };
  }

  /** Enters a member where it is to lie. `linked`: the kind of what a hard link leads to. */
  private placed(member: Member, unpacked: Unpacked, linked?: number): Verdict {
    const { root, path } = unpacked;
    const implied = this.impliedFolders(member, unpacked);
    const key = keyOf(root, path);
    const earlier = this.names.get(key);
    const type = unpacked.type === 'hard link' ? this.tally.at(linked ?? LEFT_OUT)?.type : unpacked.type;
    if (type === undefined) throw new RangeError('a hard link without what it leads to');
    if (earlier !== undefined) {
      // The later one counts, as in archives that were added to. A link may have others behind it.
      const before = this.tally.at(earlier)?.type;
      if (before !== type || type === 'symbolic link') {
        const what = before === 'folder' ? 'a folder' : before === 'symbolic link' ? 'a link' : 'another kind of file';
        throw refusal(member.path, `comes again after ${what} of that name`);
      }
      this.tally.remove(earlier);
    }
    if (linked === undefined) {
      const { uid, gid, mode } = unpacked;
      this.names.set(
        key,
        this.tally.add({ root, type, uid, gid, special: type === 'symbolic link' ? 0 : mode & SPECIAL_BITS }),
      );
    } else {
      this.tally.again(linked);
      this.names.set(key, linked);
    }
    this.countUnpacked(member.path);
    return { as: 'site', members: [...implied, unpacked] };
  }

  /** Folders above a member that the archive has not named: GNU tar would make them by itself, as root's. */
  private impliedFolders(member: Member, { root, path, uid, gid, modified }: Unpacked): Unpacked[] {
    const missing: ByteString[] = [];
    const folder = keyOf(root, parentOf(path));
    if (folder === this.newestFolder) return [];
    for (let below = path; below !== '';) {
      const parent = parentOf(below);
      const kind = this.names.get(keyOf(root, parent));
      const type = kind === undefined ? 'missing' : this.tally.at(kind)?.type;
      if (type === 'folder') break;
      if (type === 'symbolic link') throw refusal(member.path, 'passes through a link of the archive');
      if (type !== 'missing') throw refusal(member.path, 'passes through a file of the archive');
      missing.push(parent);
      below = parent;
    }
    this.newestFolder = folder;
    const owner = this.origin.owner ?? { uid, gid };
    return missing.reverse().map((parent) => {
      this.countUnpacked(member.path);
      return this.impliedFolder(root, parent, { ...owner, modified });
    });
  }

  private impliedFolder(
    root: string,
    path: ByteString,
    { uid, gid, modified }: Pick<Member, 'uid' | 'gid' | 'modified'>,
  ): Unpacked {
    const folder = { root, type: 'folder', uid, gid } as const;
    this.names.set(keyOf(root, path), this.tally.add({ ...folder, special: 0 }));
    return { ...folder, path, modified, mode: IMPLIED_MODE, size: 0, linkTarget: '', extended: NOTHING_EXTENDED };
  }

  private countUnpacked(path: ByteString): void {
    this.unpacked += 1;
    if (this.unpacked > MAXIMUM_MEMBERS) throw refusal(path, `is one of more than ${MAXIMUM_MEMBERS}`);
  }

  /** From the catalogue as recorded; what is foreign becomes the site owner's. */
  private ownedAs(member: Member): Member {
    if (this.origin.from === 'catalogue') return member;
    const { uid, gid } = this.origin.owner;
    if (member.uid === uid && member.gid === gid) return member;
    this.givenAway.add(member.path);
    return { ...member, uid, gid };
  }

  private modeOf(member: Member): number {
    if ((member.mode & SETUID_AND_SETGID) === 0) return member.mode;
    if (this.origin.from === 'foreign') throw refusal(member.path, 'has a setuid or setgid bit');
    if (isOwn(member, this.origin.owner)) return member.mode;
    this.bitsTaken.add(member.path);
    return member.mode & ~SETUID_AND_SETGID;
  }

  /** True when a symlink, as it stands, leads out of the folders of the site. */
  private leaves(root: string, path: ByteString, target: ByteString): boolean {
    // No path of a site: where its folder was is not known.
    const pathOf = (name: string): string | undefined => this.roots.find((each) => each.name === name)?.path;
    const own = byteString(pathOf(root) ?? '/\0');
    const leadsTo = posix.resolve(own, posix.dirname(path), target);
    return ![own, ...this.roots.map((each) => byteString(each.path))].some(
      (folder) => leadsTo === folder || leadsTo.startsWith(`${folder}/`),
    );
  }
}

/** A program that acts as its owner harms nobody where that owner runs programs anyway. Never root's. */
function isOwn({ uid, gid }: Member, owner: Owner | null): boolean {
  return owner !== null && owner.uid !== 0 && owner.gid !== 0 && uid === owner.uid && gid === owner.gid;
}

function parentOf(path: ByteString): ByteString {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function keyOf(root: string, path: ByteString): ByteString {
  return `${root}/${path}`;
}

/** Parts of a path that stays inside. */
function partsOf(path: ByteString): ByteString[] {
  if (path.startsWith('/')) throw refusal(path, 'is an absolute path');
  if (path.includes('\0')) throw refusal(path, 'holds a NUL');
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refusal(path, 'leads out of its folder');
  if (parts.some((part) => part.length > MAXIMUM_NAME_BYTES))
    throw refusal(path, `has a name longer than ${MAXIMUM_NAME_BYTES} bytes in it`);
  return parts;
}

/** The dump and what is ours are known by their exact spelling; another spelling would be unpacked as a file of the site. */
function refuseMisspelt(path: ByteString, parts: readonly ByteString[]): void {
  const name = parts.join('/');
  const ours = name === 'database.sql' || parts[0] === '.kedge';
  if (ours && path.replace(/\/$/, '') !== `./${name}`) throw refusal(path, 'is spelled in a way that hides what it is');
}

function refusal(path: ByteString, why: string): ArchiveFault {
  return refused(`"${shown(path)}" ${why}`);
}
