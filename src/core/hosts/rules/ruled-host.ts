import { type FileHandle, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path/posix';
import { KedgeError } from '../../../contract/errors';
import type { Owner } from '../../../contract/target';
import { ownUid } from '../../../trust/trusted-path';
import type { Operation } from '../../operation';
import { diskFullOr } from '../disk-full';
import { freeSpaceOf, makeFolderAt, namesIn, renamePlaces } from '../files';
import { statusOf } from '../file-status';
import type { Command, Completed, FileAttributes, FileStatus, FreeSpace, Host, LimitMeans } from '../host';
import type { GuardedMachine } from '../local-host';
import { openBelow, openPath, within } from '../open-path';
import type { RunGuard } from '../run';
import { filesOfCommand } from '../trusted-command';
import { isTrustedFolder } from '../trusted-path';
import { confinementOf, type Confinement } from './confinement';
import { assertHarmless } from './exposure';
import type { HostRules } from './host-rules';
import { commandsOf, mayRunUnconfined } from './known-commands';
import { KnownRules } from './known-rules';
import {
  type Place,
  flagPlace,
  holdsFilesOfVhosts,
  isFileOfVhosts,
  isOfBefore,
  isVhostFile,
  isVhostLock,
  placeOf,
} from './places';
import { refused } from './refusal';
import { withStagingLocks } from './staging-locks';
import { systemCallFilter } from './system-calls';

/** What the kernel tells of sockets. */
const KERNEL_TABLES = ['/proc/net/unix', '/proc/net/tcp', '/proc/net/tcp6'];
/** Whether they are there says what kind of system it is. */
const MARKS_OF_SYSTEMS = ['/run/systemd/system', '/sys/fs/selinux/enforce'];
const SPECIAL_BITS = 0o7000;
const WRITABLE_BY_OTHERS = 0o022;
/** How long the programs of a task may go on before its folders are put in their places, ms. */
const STAGING_LIMIT_MS = 30_000;

type InSites = Extract<Place, { kind: 'site' | 'staging' }>;

/**
 * This machine, for a master whose word is not taken: whatever its rules do not allow is refused, whoever asks. It does what a
 * {@link Host} does, in the folders of sites, in the folders of flags and vhosts, by the commands of the rules, and nothing else.
 *
 * Who has the master's key can do with sites here what he likes, and runs what he likes in sandboxes, as root too. So no path is followed
 * through a link in those folders, whoever laid it; the kernel refuses to programs of root what leads out of their folders; and nothing with
 * more rights than an owner's comes to where others are. All methods throw HostRefused, beside what their contract says.
 */
export class RuledHost implements Host {
  private knownRules: Promise<KnownRules> | null = null;

  constructor(
    private readonly machine: GuardedMachine,
    /** @throws KedgeError, which every method then throws */
    private readonly readRules: () => HostRules,
  ) {}

  get name(): string {
    return this.machine.name;
  }

  get uid(): number {
    return this.machine.uid;
  }

  get privileged(): boolean {
    return this.machine.privileged;
  }

  async run(command: Command): Promise<Completed> {
    const known = await this.known();
    const marked = { ...command, operation: this.marked(known, command.operation) };
    const { argv, sandbox } = marked;
    if (sandbox === undefined) {
      if (!mayRunUnconfined(known.rules, marked) || marked.secret !== undefined || marked.input !== undefined)
        throw this.refused(`running ${JSON.stringify(argv.join(' '))} without a sandbox`);
      return this.machine.run(marked);
    }
    const emptyFolder = emptyFolderOf(marked);
    if (emptyFolder !== null) return this.removeEmptyFolder(known, emptyFolder);
    const confinement = confinementOf(known, this.name, marked, sandbox);
    const guard = this.guardOf(known, confinement);
    if (!this.privileged) return this.machine.runGuarded(marked, guard);
    for (const staging of confinement.stagingFolders) await this.assertShut(staging);
    const { covered, writesTo } = confinement;
    const exclusively = covered.map(({ task }) => task);
    return withStagingLocks(this.machine, exclusively, 'exclusive', marked.operation, async () => {
      for (const { inPlaceOf } of covered) await this.assertPlainFile(known, inPlaceOf);
      return withStagingLocks(this.machine, writesTo, 'shared', marked.operation, () =>
        this.machine.runGuarded(marked, guard),
      );
    });
  }

  async limitMeans(): Promise<LimitMeans> {
    await this.known();
    return this.machine.limitMeans();
  }

  async endProcesses(mark: string): Promise<number> {
    return this.machine.endProcesses(markOf(await this.known(), mark));
  }

  async listMarks(): Promise<string[]> {
    const prefix = markOf(await this.known(), '');
    const marks = await this.machine.listMarks();
    return marks.filter((mark) => mark.startsWith(prefix)).map((mark) => mark.slice(prefix.length));
  }

  async endSocketHolders(sockets: ReadonlySet<number>, uid: number): Promise<number> {
    const known = await this.known();
    if (!known.all().some((owner) => owner.uid === uid)) throw this.refused(`ending processes of account ${uid}`);
    return this.machine.endSocketHolders(sockets, uid);
  }

  async readFile(path: string, maximumBytes?: number): Promise<Buffer> {
    const { rules } = await this.known();
    const place = placeOf(rules, path);
    const isVhost = place.kind === 'vhosts' && isVhostFile(place.web, place.names);
    if (!isVhost && !KERNEL_TABLES.includes(path)) throw this.refused(`reading ${path}`);
    return this.machine.readFile(path, maximumBytes);
  }

  async readTrustedFile(path: string, maximumBytes?: number): Promise<Buffer> {
    const { rules } = await this.known();
    if (!rules.web?.templates.includes(path)) throw this.refused(`reading ${path}`);
    return this.machine.readTrustedFile(path, maximumBytes);
  }

  async assertTrusted(path: string): Promise<void> {
    const { rules } = await this.known();
    const { web } = rules;
    const isOfVhosts = web !== undefined && (web.templates.includes(path) || isFileOfVhosts(web, path));
    if (!isOfVhosts && !commandsOf(rules).flatMap(filesOfCommand).includes(path))
      throw this.refused(`looking at ${path}`);
    return this.machine.assertTrusted(path);
  }

  /** Flags and probe files alone. What the web server reads as its configuration is written by nobody from elsewhere. */
  async writeFile(path: string, content: string | Buffer, attributes: FileAttributes): Promise<void> {
    const { rules } = await this.known();
    const place = placeOf(rules, path);
    const flag = place.kind === 'flags' ? flagPlace(place.web, place.names) : null;
    const isFlag = (flag === 'flag' && content.length === 0) || flag === 'probe';
    const { mode, uid = this.uid, gid } = attributes;
    if (!isFlag || uid !== this.uid || gid !== undefined || (mode & (SPECIAL_BITS | WRITABLE_BY_OTHERS)) !== 0)
      throw this.refused(`writing ${path}`);
    return this.machine.writeFile(path, content, attributes);
  }

  async status(path: string): Promise<FileStatus | undefined> {
    const { rules } = await this.known();
    const place = placeOf(rules, path);
    switch (place.kind) {
      case 'site':
      case 'staging':
        return this.inParent(place, (at) => statusOf(at));
      case 'vhosts':
        if (place.names.length === 0 || isVhostFile(place.web, place.names)) return this.machine.status(path);
        throw this.refused(`looking at ${path}`);
      case 'flags':
        if (flagPlace(place.web, place.names) !== null) return this.machine.status(path);
        throw this.refused(`looking at ${path}`);
      case 'above':
      case 'named':
        return this.machine.status(path);
      case 'other': {
        const isTold = [...KERNEL_TABLES, ...MARKS_OF_SYSTEMS].includes(path);
        if (isTold || (await this.machine.mountsBelow(path)).includes(path)) return this.machine.status(path);
        throw this.refused(`looking at ${path}`);
      }
    }
  }

  async realPath(path: string): Promise<string | null> {
    const { rules } = await this.known();
    if (placeOf(rules, path).kind === 'other') throw this.refused(`looking at ${path}`);
    const real = await this.machine.realPath(path);
    // The folders themselves may lie behind links of root's.
    const tops = rules.sites.flatMap(({ folder, staging }) => [folder, staging]);
    const realTops = await Promise.all(tops.map((top) => this.machine.realPath(top)));
    const isInside = (found: string): boolean =>
      placeOf(rules, found).kind !== 'other' ||
      realTops.some((top) => top !== null && `${found}/`.startsWith(`${top}/`));
    if (real !== null && !isInside(real))
      throw this.refused(`looking at ${path}`, 'it leads out of the folders of sites');
    return real;
  }

  async list(path: string): Promise<string[]> {
    const { rules } = await this.known();
    const place = placeOf(rules, path);
    if (place.kind === 'site' || place.kind === 'staging')
      return (await this.inPlace(place, (folder) => namesIn(within(folder)))) ?? [];
    const flag = place.kind === 'flags' ? flagPlace(place.web, place.names) : null;
    const isFolder = flag === 'folder' || flag === 'probes' || (rules.web && holdsFilesOfVhosts(rules.web, path));
    if (!isFolder) throw this.refused(`listing ${path}`);
    return this.machine.list(path);
  }

  async makeFolder(path: string, attributes: FileAttributes): Promise<void> {
    const known = await this.known();
    const place = placeOf(known.rules, path);
    const { mode, uid = this.uid, gid } = attributes;
    const what = `making the folder ${path}`;
    if ((mode & (SPECIAL_BITS | WRITABLE_BY_OTHERS)) !== 0) throw this.refused(what, 'others could write there');
    if (place.kind === 'flags') {
      const flag = flagPlace(place.web, place.names);
      if ((flag !== 'folder' && flag !== 'probes') || uid !== this.uid || gid !== undefined) throw this.refused(what);
      return this.machine.makeFolder(path, attributes);
    }
    if (place.kind !== 'site' && place.kind !== 'staging') throw this.refused(what);
    const isOwners = known.ownersOf([place.site]).some((owner) => owner.uid === uid && owner.gid === gid);
    const isOurs = uid === this.uid && (gid === undefined || gid === 0);
    if (!isOurs && !(isOwners && place.kind === 'site'))
      throw this.refused(what, `account ${uid} is no owner of sites there`);
    if (place.kind === 'staging' && place.names.length < 2 && mode !== 0o700) throw this.refused(what, 'others get in');
    await this.makeFolders(place, attributes);
  }

  async rename(from: string, to: string): Promise<void> {
    const known = await this.known();
    const what = `renaming ${from} to ${to}`;
    const [source, target] = [from, to].map((path) => {
      const place = placeOf(known.rules, path);
      if (place.kind === 'site' || (place.kind === 'staging' && place.names.length >= 2)) return place;
      throw this.refused(what);
    }) as [InSites, InSites];
    if (source.site.staging !== target.site.staging)
      throw this.refused(what, 'they belong to different folders of sites');
    const move = (): Promise<void> =>
      this.renaming(source, target, (places) => renamePlaces(places, { from, to }, this.name));
    if (source.kind === 'site') {
      if (target.kind === 'staging') return move();
      throw this.refused(what, 'sites are moved by way of the staging folder');
    }
    const [task = ''] = source.names;
    if (target.kind === 'staging' && target.names[0] !== task)
      throw this.refused(what, 'what a task has staged stays its own');
    // What came from visitors goes back to them as it is.
    if (!this.privileged || isOfBefore(source.names)) return move();
    const operation = this.marked(known, quietly());
    await this.assertShut(source.site.staging);
    await withStagingLocks(this.machine, [`${source.site.staging}/${task}`], 'exclusive', operation, async () => {
      const guard = this.guardOf(known, NOTHING_WRITTEN);
      const owners = known.ownersOf([target.site]);
      if (target.kind === 'site') await assertHarmless(this.machine, from, owners, guard, operation);
      await move();
    });
  }

  /** Of flags and probe files alone. */
  async removeFile(path: string): Promise<void> {
    const { rules } = await this.known();
    const place = placeOf(rules, path);
    const flag = place.kind === 'flags' ? flagPlace(place.web, place.names) : null;
    if (flag !== 'flag' && flag !== 'probe' && flag !== 'unfinished') throw this.refused(`removing ${path}`);
    return this.machine.removeFile(path);
  }

  async removeTree(path: string, operation: Operation): Promise<void> {
    const known = await this.known();
    const place = placeOf(known.rules, path);
    if (place.kind !== 'staging' || place.names.length === 0) throw this.refused(`removing ${path}`);
    if ((await this.inParent(place, (at) => statusOf(at))) === undefined) return;
    await this.machine.runGuarded(
      {
        argv: ['rm', '-rf', '--one-file-system', '--', `/folder/${basename(path)}`],
        sandbox: { writable: [{ from: dirname(path), to: '/folder' }], capabilities: ['DAC_OVERRIDE', 'FOWNER'] },
        operation: this.marked(known, operation),
      },
      this.guardOf(known, NOTHING_WRITTEN),
    );
    if ((await this.inParent(place, (at) => statusOf(at))) === undefined) return;
    throw new KedgeError('FileRefused', `${path} on ${this.name} could not be removed`, {
      server: this.name,
      hint: 'Is another file system mounted below it, or a file immutable?',
    });
  }

  async withLock<T>(path: string, operation: Operation, work: () => Promise<T>): Promise<T> {
    const known = await this.known();
    const { web } = known.rules;
    if (!web || !isVhostLock(web, path)) throw this.refused(`the lock ${path}`);
    return this.machine.withLock(path, this.marked(known, operation), work);
  }

  async freeSpace(path: string): Promise<FreeSpace> {
    const { rules } = await this.known();
    const place = placeOf(rules, path);
    if (place.kind === 'other') throw this.refused(`looking at ${path}`);
    if (place.kind !== 'site' && place.kind !== 'staging') return this.machine.freeSpace(path);
    const found = await this.inPlace(place, (folder) => freeSpaceOf(within(folder)));
    if (found) return found;
    throw Object.assign(new Error(`ENOENT: ${path} does not exist`), { code: 'ENOENT' });
  }

  /** Those that have to do with folders of the rules. */
  async mountsBelow(path: string): Promise<string[]> {
    const { rules } = await this.known();
    if (placeOf(rules, path).kind === 'other') throw this.refused(`looking at ${path}`);
    return (await this.machine.mountsBelow(path)).filter((point) => placeOf(rules, point).kind !== 'other');
  }

  async lookUpOwner(user: string): Promise<Owner> {
    const known = await this.known();
    if (!known.rules.sites.some(({ owners }) => owners.includes(user))) throw this.refused(`the account ${user}`);
    const owner = known.named(user) ?? (await this.machine.lookUpOwner(user));
    if (owner.uid === 0) throw this.refused(`the account ${user}`, 'it is root');
    return owner;
  }

  private known(): Promise<KnownRules> {
    return (this.knownRules ??= this.readKnown());
  }

  private async readKnown(): Promise<KnownRules> {
    const rules = this.readRules();
    const accounts = new Map<string, Owner>();
    for (const user of new Set(rules.sites.flatMap(({ owners }) => owners))) {
      const owner = await this.machine.lookUpOwner(user).catch((error: unknown) => {
        // It may have been removed since.
        if (error instanceof KedgeError && error.code === 'ConfigurationInvalid') return null;
        throw error;
      });
      if (owner && owner.uid !== 0 && owner.gid !== 0) accounts.set(user, owner);
    }
    return new KnownRules(rules, accounts);
  }

  private refused(what: string, because?: string): KedgeError {
    return refused(this.name, what, because);
  }

  private marked(known: KnownRules, operation: Operation): Operation {
    return { ...operation, mark: markOf(known, operation.mark) };
  }

  private guardOf(
    { rules }: KnownRules,
    { owners, setsSpecialBits }: Pick<Confinement, 'owners' | 'setsSpecialBits'>,
  ): RunGuard {
    return {
      open: async (path) => {
        const place = placeOf(rules, path);
        if (place.kind !== 'site' && place.kind !== 'staging') return openPath(path, this.name);
        const handle = await this.open(place);
        if (handle) return handle;
        throw new KedgeError('FileRefused', `${path} on ${this.name} does not exist`, { server: this.name });
      },
      systemCalls:
        this.privileged && owners !== null
          ? systemCallFilter({ owners: owners.map(({ uid }) => uid), specialBits: !setsSpecialBits })
          : null,
    };
  }

  /** Null when nothing is there. */
  private open(place: InSites): Promise<FileHandle | null> {
    return openBelow(topOf(place), place.names, this.name);
  }

  private async inPlace<T>(place: InSites, work: (handle: FileHandle) => Promise<T>): Promise<T | undefined> {
    const handle = await this.open(place);
    if (!handle) return undefined;
    try {
      return await work(handle);
    } finally {
      await handle.close();
    }
  }

  /** Does `work` with the path of a name in an opened folder; undefined when that folder is missing. */
  private async inParent<T>(place: InSites, work: (at: string) => Promise<T>): Promise<T | undefined> {
    const handle = await this.openParent(place);
    if (!handle) return undefined;
    try {
      return await work(within(handle, nameOf(place)));
    } finally {
      await handle.close();
    }
  }

  private async openParent(place: InSites): Promise<FileHandle | null> {
    if (place.names.length > 0) return this.open({ ...place, names: place.names.slice(0, -1) });
    const above = dirname(topOf(place));
    return (await this.machine.status(above)) === undefined ? null : openPath(above, this.name);
  }

  private async makeFolders(place: InSites, attributes: FileAttributes): Promise<void> {
    const path = pathOf(place);
    if ((await this.inParent(place, (at) => statusOf(at))) !== undefined) return;
    if (place.names.length > 0) await this.makeFolders({ ...place, names: place.names.slice(0, -1) }, attributes);
    await this.writing(async () => {
      const made = await this.inParent(place, async (at) => {
        await makeFolderAt(at, path, attributes, this.name);
        return true;
      });
      if (made) return;
      throw new KedgeError('FileRefused', `the folder above ${path} on ${this.name} does not exist`, {
        server: this.name,
      });
    });
  }

  private async renaming(
    source: InSites,
    target: InSites,
    work: (places: { source: string; target: string }) => Promise<void>,
  ): Promise<void> {
    await this.writing(async () => {
      const moved = await this.inParent(source, (from) =>
        this.inParent(target, async (to) => {
          await work({ source: from, target: to });
          return true;
        }),
      );
      if (!moved)
        throw new KedgeError(
          'FileRefused',
          `a folder above ${pathOf(source)} or ${pathOf(target)} on ${this.name} does not exist`,
          {
            server: this.name,
          },
        );
    });
  }

  /** Nobody but root gets into a staging folder, or puts another one in its place. @throws KedgeError OwnerRefused */
  private async assertShut(staging: string): Promise<void> {
    const here = { status: statusOf, uid: ownUid() };
    const status = await statusOf(staging);
    const isShut = status?.type === 'folder' && status.uid === this.uid && (status.mode & 0o077) === 0;
    if (isShut && (await isTrustedFolder(here, dirname(staging)))) return;
    throw new KedgeError('OwnerRefused', `others than root get into ${staging} on ${this.name}`, {
      server: this.name,
      hint: `Run \`chown root: ${staging}\` and \`chmod 0700 ${staging}\`; nobody but root may write to the folders above it.`,
    });
  }

  private async assertPlainFile({ rules }: KnownRules, path: string): Promise<void> {
    const place = placeOf(rules, path);
    if (place.kind !== 'staging') throw this.refused(`showing something in the place of ${path}`);
    const status = await this.inPlace(place, (handle) => handle.stat());
    if (status?.isFile() !== true) throw this.refused(`showing something in the place of ${path}`, 'it is no file');
  }

  /** As `rmdir` does it, which is refused for a folder that holds anything. */
  private async removeEmptyFolder(known: KnownRules, path: string): Promise<Completed> {
    const place = placeOf(known.rules, path);
    if (place.kind !== 'site' && place.kind !== 'staging') throw this.refused(`removing ${path}`);
    try {
      await this.inParent(place, (at) => rmdir(at));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new KedgeError('ProgramFailed', `${path} on ${this.name} is not removed: ${why}`, {
        server: this.name,
        cause,
      });
    }
    return { exitCode: 0, stdout: '', stderr: '', result: Buffer.alloc(0) };
  }

  private async writing<T>(work: () => Promise<T>): Promise<T> {
    return work().catch((error: unknown) => {
      throw diskFullOr(error, this.name);
    });
  }
}

/** For what Kedge itself looks at: root alone owns what it makes, and nothing gets a special bit. */
const NOTHING_WRITTEN = { owners: [], setsSpecialBits: false };

/** Marks of one master. */
function markOf({ rules }: KnownRules, mark: string): string {
  return `of-${rules.master}/${mark}`;
}

function topOf({ kind, site }: InSites): string {
  return kind === 'site' ? site.folder : site.staging;
}

function pathOf(place: InSites): string {
  return join(topOf(place), ...place.names);
}

function nameOf(place: InSites): string {
  return basename(pathOf(place));
}

/** The folder that a command removes as `removeEmptyFolder` has it removed; null for any other command. */
function emptyFolderOf({ argv, sandbox }: Command): string | null {
  const [program, dashes, path = '', ...more] = argv;
  const [bind, ...others] = sandbox?.writable ?? [];
  const name = /^\/folder\/([^/]+)$/.exec(path)?.[1];
  if (program !== 'rmdir' || dashes !== '--' || more.length > 0 || name === undefined || bind?.to !== '/folder')
    return null;
  if (others.length > 0 || (sandbox?.readOnly ?? []).length > 0) return null;
  return join(bind.from, name);
}

/** For what is done within one call of a method that takes no operation. */
function quietly(): Operation {
  return {
    signal: AbortSignal.timeout(STAGING_LIMIT_MS),
    mark: 'rename',
    progress: () => undefined,
    log: { info: () => undefined, warn: () => undefined },
  };
}
