import { posix } from 'node:path';
import { KedgeError } from '../../contract/errors';
import type { SiteRoot } from '../../contract/target';
import { DUMP_MEMBER, RECORD_MEMBER, rootOfMember } from './layout';

/** A member as npm's tar reads it. */
export interface Member {
  readonly path: string;
  readonly type: string;
  readonly linkpath: string | undefined;
  /** Permission bits. */
  readonly mode: number;
}

const MAXIMUM_MEMBERS = 5_000_000;
const MAXIMUM_PATH_BYTES = 4096;
const MAXIMUM_DEPTH = 200;
const NAMED_LINKS = 100;
const SETUID_OR_SETGID = 0o6000;

const FILE_TYPES = new Set(['File', 'OldFile']);

/**
 * Judges the members of an archive one by one: whether each is one that a backup of a site may hold. What is refused is
 * what could act outside the folder it is unpacked to, or what the program that unpacks could take for something else.
 * Remembers folders and links alone, so that memory does not grow with the files.
 */
export class Judge {
  private readonly folders = new Set<string>();
  private readonly links = new Set<string>();
  private ended = false;
  members = 0;
  /** Where the folders of the site were, as far as the record says: a link from one into another leads nowhere else. */
  roots: readonly SiteRoot[] = [];
  /** Links that lead out of the folders, the first hundred. */
  readonly leavingLinks: string[] = [];

  constructor(private readonly archive: string) {}

  /** The end marker was read: GNU tar stops here, so nothing may follow. */
  end(): void {
    this.ended = true;
  }

  /** Something npm's tar passed over: nobody knows what GNU tar would make of it. */
  refuseIgnored(path: string, type: string): never {
    throw this.refusal(path, `is of a kind that no site backup holds (${type})`);
  }

  /** Extended headers as they stand in the archive. GNU's sparse maps hide in them. */
  meta(text: string): void {
    if (/\bGNU\.sparse\./.test(text)) throw this.refusal('an extended header', 'describes a sparse file');
  }

  /** Name of the folder of the site that the member belongs to. @throws KedgeError ArchiveRefused */
  judge(member: Member): string {
    this.members += 1;
    const { path, type } = member;
    if (this.ended) throw this.refusal(path, 'stands behind the end of the archive');
    if (this.members > MAXIMUM_MEMBERS) throw this.refusal(path, `is one of more than ${MAXIMUM_MEMBERS}`);
    const parts = this.partsOf(path);
    const name = parts.join('/');
    const isLink = type === 'SymbolicLink';
    this.refusePassingThroughLink(path, parts);
    this.refuseMisspelt(path, name);
    if (this.links.has(name)) throw this.refusal(path, 'comes again after a link of that name');
    const at = rootOfMember(parts);
    if (at === null || (at.parts.length === 0 && type !== 'Directory'))
      throw this.refusal(path, 'stands where folders of the site alone do');

    if (type === 'Directory') {
      this.folders.add(name);
      return at.root;
    }
    if (this.folders.has(name)) throw this.refusal(path, 'comes again after a folder of that name');
    if (isLink) {
      if (name === '') throw this.refusal(path, 'makes the folder itself a link');
      this.links.add(name);
      if (this.leaves(at.root, at.parts, member.linkpath ?? '') && this.leavingLinks.length < NAMED_LINKS)
        this.leavingLinks.push(`${path} -> ${member.linkpath}`);
    } else if (type === 'Link') {
      this.judgeHardLink(path, at.root, member.linkpath ?? '');
    } else if (FILE_TYPES.has(type)) {
      if ((member.mode & SETUID_OR_SETGID) !== 0) throw this.refusal(path, 'has a setuid or setgid bit');
    } else {
      this.refuseIgnored(path, type);
    }
    return at.root;
  }

  private judgeHardLink(path: string, root: string, target: string): void {
    const parts = this.partsOf(target);
    this.refusePassingThroughLink(target, parts);
    const name = parts.join('/');
    if (this.links.has(name) || this.folders.has(name))
      throw this.refusal(path, `is a hard link to ${target}, which is no file`);
    if (rootOfMember(parts)?.root !== root)
      throw this.refusal(path, `is a hard link to ${target}, in another folder of the site`);
    if (`./${name}` === DUMP_MEMBER || `./${name}` === RECORD_MEMBER)
      throw this.refusal(path, `is a hard link to ${target}, which is not unpacked`);
  }

  /** Parts of a path that stays inside. */
  private partsOf(path: string): string[] {
    if (path.startsWith('/')) throw this.refusal(path, 'is an absolute path');
    if (path.includes('\0')) throw this.refusal(path, 'holds a NUL');
    if (Buffer.byteLength(path) > MAXIMUM_PATH_BYTES)
      throw this.refusal(path.slice(0, 80), `has a path longer than ${MAXIMUM_PATH_BYTES} bytes`);
    const parts = path.split('/').filter((part) => part !== '' && part !== '.');
    if (parts.includes('..')) throw this.refusal(path, 'leads out of its folder');
    if (parts.length > MAXIMUM_DEPTH)
      throw this.refusal(path.slice(0, 80), `is nested more than ${MAXIMUM_DEPTH} deep`);
    return parts;
  }

  private refusePassingThroughLink(path: string, parts: readonly string[]): void {
    for (let depth = 1; depth < parts.length; depth += 1) {
      if (this.links.has(parts.slice(0, depth).join('/')))
        throw this.refusal(path, 'passes through a link of the archive');
    }
  }

  /** The dump and what is ours are known by their exact spelling; another spelling would be unpacked as a file of the site. */
  private refuseMisspelt(path: string, name: string): void {
    const ours = name === 'database.sql' || name === '.kedge' || name.startsWith('.kedge/');
    if (ours && path.replace(/\/$/, '') !== `./${name}`)
      throw this.refusal(path, 'is spelled in a way that hides what it is');
  }

  /** True when a symlink, as it stands, leads out of the folders of the site. */
  private leaves(root: string, parts: readonly string[], target: string): boolean {
    // No path of a site: where its folder was is not known.
    const path = this.roots.find(({ name }) => name === root)?.path ?? '/\0';
    const leadsTo = posix.resolve(path, ...parts.slice(0, -1), target);
    return ![path, ...this.roots.map((each) => each.path)].some(
      (folder) => leadsTo === folder || leadsTo.startsWith(`${folder}/`),
    );
  }

  private refusal(path: string, why: string): KedgeError {
    return new KedgeError('ArchiveRefused', `${this.archive}: ${JSON.stringify(path)} ${why}`);
  }
}
