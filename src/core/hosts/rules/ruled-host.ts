import type { Duplex } from 'node:stream';
import { basename, dirname, join } from 'node:path/posix';
import { KedgeError } from '../../../contract/errors';
import type { Owner } from '../../../contract/target';
import { type Deadline, deadlineOf } from '../../flags/deadline';
import { type Operation, unheard } from '../../operation';
import { ownUid } from '../../../trust/trusted-path';
import { listenToStreams } from '../command-streams';
import { DEFAULT_GROUP_LIMITS } from '../control-groups';
import { freeSpaceOf, namesIn } from '../files';
import type {
  Command,
  Completed,
  FileAttributes,
  FileStatus,
  FreeSpace,
  Host,
  HostAccount,
  LimitMeans,
  Limits,
  SocketAddress,
  VhostFileRequest,
} from '../host';
import type { GuardedMachine } from '../local-host';
import { openPath, within } from '../open-path';
import type { RunGuard } from '../run';
import { filesOfCommand } from '../trusted-command';
import { allowedAddress } from './connections';
import { confinementOf, type Confinement } from './confinement';
import { FoldersOfSites, type InSites } from './folders-of-sites';
import { assertHarmless } from './exposure';
import type { HostRules } from './host-rules';
import { commandsOf, mayRunUnconfined } from './known-commands';
import { KnownRules } from './known-rules';
import { connectToListedSocket } from './listed-socket';
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
import { putVhostFile } from './vhost-files';

/** What the kernel tells of sockets. */
const KERNEL_TABLES = ['/proc/net/unix', '/proc/net/tcp', '/proc/net/tcp6'];
/** Whether they are there says what kind of system it is. */
const MARKS_OF_SYSTEMS = ['/run/systemd/system', '/sys/fs/selinux/enforce'];
const SPECIAL_BITS = 0o7000;
const WRITABLE_BY_OTHERS = 0o022;
/** How long it may take until what a task has staged is looked through, once its programs have ended, ms. */
const STAGING_LIMIT_MS = 10 * 60_000;

/**
 * This machine, for a master whose word is not taken: whatever its rules do not allow is refused, whoever asks. It does what a
 * {@link Host} does, in the folders of sites, in the folders of flags and vhosts, by the commands of the rules, and nothing else.
 *
 * Who has the master's key can do with sites here what he likes, and runs what he likes in sandboxes, as root too. So no path is followed
 * through a link in those folders, whoever laid it; the kernel refuses to programs of root what leads out of their folders; and nothing with
 * more rights than an owner's comes to where others are. All methods throw HostRefused, beside what their contract says.
 */
export class RuledHost implements Host {
  /** What was read last. */
  private last: { readonly rules: HostRules; readonly known: Promise<KnownRules> } | null = null;

  private readonly folders: FoldersOfSites;
  private readonly uid = ownUid();
  private readonly privileged = this.uid === 0;

  constructor(
    private readonly machine: GuardedMachine,
    /** Is asked for each method; another object says that they are others now. @throws KedgeError, which the method then throws */
    private readonly readRules: () => HostRules,
  ) {
    this.folders = new FoldersOfSites(machine.name);
  }

  get name(): string {
    return this.machine.name;
  }

  account(): Promise<HostAccount> {
    return this.machine.account();
  }

  async run(command: Command): Promise<Completed> {
    listenToStreams(command);
    const known = await this.known();
    const limits = command.limits && boundedLimits(command.limits);
    const marked = { ...command, ...(limits ? { limits } : {}), operation: this.marked(known, command.operation) };
    const { argv, sandbox } = marked;
    if (sandbox === undefined) {
      if (!mayRunUnconfined(known.rules, marked) || marked.secret !== undefined || marked.input !== undefined)
        throw this.refused(`running ${JSON.stringify(argv.join(' '))} without a sandbox`);
      // Who asks is not believed that he has looked.
      for (const file of filesOfCommand(argv)) await this.machine.assertTrusted(file);
      return this.machine.run(marked);
    }
    const emptyFolder = emptyFolderOf(marked);
    if (emptyFolder !== null) return this.removeEmptyFolder(known, emptyFolder);
    const confinement = confinementOf(known, this.name, marked, sandbox);
    const guard = this.guardOf(known, confinement);
    if (!this.privileged) return this.machine.runGuarded(marked, guard);
    for (const staging of confinement.stagingFolders) await this.folders.assertShut(staging);
    const { covered, writesTo } = confinement;
    const exclusively = covered.map(({ task }) => task);
    return withStagingLocks(this.machine, exclusively, 'exclusive', marked.operation, async () => {
      for (const { inPlaceOf } of covered) await this.assertPlainFile(known, inPlaceOf);
      const others = writesTo.filter((task) => !exclusively.includes(task));
      return withStagingLocks(this.machine, others, 'shared', marked.operation, () =>
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

  async connectTo(address: SocketAddress, signal: AbortSignal): Promise<Duplex> {
    const { rules } = await this.known();
    const allowed = allowedAddress(rules, address);
    if (allowed && 'socketPath' in allowed) return connectToListedSocket(this.machine, allowed.socketPath, signal);
    if (allowed) return this.machine.connectTo(allowed, signal);
    const where = 'socketPath' in address ? address.socketPath : `${address.host} port ${address.port}`;
    throw this.refused(`connecting to ${where}`);
  }

  async now(): Promise<number> {
    await this.known();
    return this.machine.now();
  }

  async readFile(path: string, maximumBytes?: number): Promise<Buffer> {
    const { rules } = await this.known();
    const place = await this.safePlaceOf(rules, path);
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
    const isOfVhosts =
      web !== undefined && ([web.vhosts, web.flags, ...web.templates].includes(path) || isFileOfVhosts(web, path));
    if (!isOfVhosts && !commandsOf(rules).flatMap(filesOfCommand).includes(path))
      throw this.refused(`looking at ${path}`);
    return this.machine.assertTrusted(path);
  }

  /** Flags and probe files alone. What the web server reads as its configuration is written by nobody from elsewhere. */
  async writeFile(path: string, content: string | Buffer, attributes: FileAttributes): Promise<void> {
    const { rules } = await this.known();
    const place = await this.safePlaceOf(rules, path);
    const flag = place.kind === 'flags' ? flagPlace(place.web, place.names) : null;
    const isWord = content.length === 0 || mayEnd(rules, deadlineOf(content));
    const isFlag = (flag === 'flag' && isWord) || flag === 'probe';
    const { mode, uid = this.uid, gid } = attributes;
    if (!isFlag || uid !== this.uid || gid !== undefined || (mode & (SPECIAL_BITS | WRITABLE_BY_OTHERS)) !== 0)
      throw this.refused(`writing ${path}`);
    return this.machine.writeFile(path, content, attributes);
  }

  async putVhostFile(request: VhostFileRequest): Promise<void> {
    const { rules } = await this.known();
    await putVhostFile(this.machine, rules, request);
  }

  async status(path: string): Promise<FileStatus | undefined> {
    const { rules } = await this.known();
    const place = await this.safePlaceOf(rules, path);
    switch (place.kind) {
      case 'site':
      case 'staging':
        return this.folders.status(place);
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
    const place = await this.safePlaceOf(rules, path);
    if (place.kind === 'site' || place.kind === 'staging')
      return (await this.folders.inPlace(place, (folder) => namesIn(within(folder)))) ?? [];
    const flag = place.kind === 'flags' ? flagPlace(place.web, place.names) : null;
    const isFolder = flag === 'folder' || flag === 'probes' || (rules.web && holdsFilesOfVhosts(rules.web, path));
    if (!isFolder) throw this.refused(`listing ${path}`);
    return this.machine.list(path);
  }

  async makeFolder(path: string, attributes: FileAttributes): Promise<void> {
    const known = await this.known();
    const place = await this.safePlaceOf(known.rules, path);
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
    if (place.kind === 'site' || place.names.length < 2) return this.folders.make(place, attributes);
    const operation = this.marked(known, unheard('makeFolder', AbortSignal.timeout(STAGING_LIMIT_MS)));
    await this.alone(place, operation, () => this.folders.make(place, attributes));
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
    const move = (): Promise<void> => this.folders.rename(source, target);
    const operation = this.marked(known, unheard('rename', AbortSignal.timeout(STAGING_LIMIT_MS)));
    if (source.kind === 'site') {
      // It may have other names in the site: where bits that run as root are set later it would bring them there.
      if (target.kind !== 'staging' || !isOfBefore(target.names))
        throw this.refused(what, 'sites are moved by way of the folders of before');
      return this.alone(target, operation, move);
    }
    const [task = ''] = source.names;
    if (target.kind === 'staging' && target.names[0] !== task)
      throw this.refused(what, 'what a task has staged stays its own');
    // What came from visitors goes back to them as it is.
    if (!this.privileged || isOfBefore(source.names)) return this.alone(source, operation, move);
    await this.folders.assertShut(source.site.staging);
    await this.alone(source, operation, async () => {
      const guard = this.guardOf(known, NOTHING_WRITTEN);
      const owners = known.ownersOf([target.site]);
      if (target.kind === 'site') await assertHarmless(this.machine, from, owners, guard, operation);
      await move();
    });
  }

  /** Does `work` while no program runs that could change what a task has staged, or is shown a part of it. */
  private async alone({ site, names }: InSites, operation: Operation, work: () => Promise<void>): Promise<void> {
    if (!this.privileged) return work();
    const [task = ''] = names;
    await withStagingLocks(this.machine, [`${site.staging}/${task}`], 'exclusive', operation, work);
  }

  /** Of flags and probe files alone. */
  async removeFile(path: string): Promise<void> {
    const { rules } = await this.known();
    const place = await this.safePlaceOf(rules, path);
    const flag = place.kind === 'flags' ? flagPlace(place.web, place.names) : null;
    if (flag !== 'flag' && flag !== 'probe' && flag !== 'unfinished') throw this.refused(`removing ${path}`);
    return this.machine.removeFile(path);
  }

  async removeTree(path: string, operation: Operation): Promise<void> {
    const known = await this.known();
    const place = placeOf(known.rules, path);
    if (place.kind !== 'staging' || place.names.length === 0) throw this.refused(`removing ${path}`);
    if ((await this.folders.status(place)) === undefined) return;
    const marked = this.marked(known, operation);
    await this.alone(place, marked, async () => {
      await this.machine.runGuarded(
        {
          argv: ['rm', '-rf', '--one-file-system', '--', `/folder/${basename(path)}`],
          sandbox: { writable: [{ from: dirname(path), to: '/folder' }], capabilities: ['DAC_OVERRIDE', 'FOWNER'] },
          operation: marked,
        },
        this.guardOf(known, NOTHING_WRITTEN),
      );
    });
    if ((await this.folders.status(place)) === undefined) return;
    throw new KedgeError('FileRefused', `${path} on ${this.name} could not be removed`, {
      server: this.name,
      hint: 'Is another file system mounted below it, or a file immutable?',
    });
  }

  async withLock<T>(path: string, operation: Operation, work: () => Promise<T>): Promise<T> {
    const known = await this.known();
    const { web } = known.rules;
    const place = await this.safePlaceOf(known.rules, path);
    const isFlagLock = place.kind === 'flags' && flagPlace(place.web, place.names) === 'lock';
    if (!web || !(isFlagLock || isVhostLock(web, path))) throw this.refused(`the lock ${path}`);
    return this.machine.withLock(path, this.marked(known, operation), work);
  }

  async freeSpace(path: string): Promise<FreeSpace> {
    const { rules } = await this.known();
    const place = await this.safePlaceOf(rules, path);
    if (place.kind === 'other') throw this.refused(`looking at ${path}`);
    if (place.kind !== 'site' && place.kind !== 'staging') return this.machine.freeSpace(path);
    const found = await this.folders.inPlace(place, (folder) => freeSpaceOf(within(folder)));
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

  private async known(): Promise<KnownRules> {
    const rules = this.readRules();
    if (this.last?.rules !== rules) {
      const known = this.readKnown(rules);
      this.last = { rules, known };
      // What could not be read is read again.
      known.catch(() => {
        if (this.last?.known === known) this.last = null;
      });
    }
    return this.last.known;
  }

  private async readKnown(rules: HostRules): Promise<KnownRules> {
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

  /**
   * What a path is to the rules. One in a folder of the web server is taken there as it is written, as root: so nobody but root can have
   * changed that folder, or put another one in its place. @throws KedgeError OwnerRefused
   */
  private async safePlaceOf(rules: HostRules, path: string): Promise<Place> {
    const place = placeOf(rules, path);
    if (place.kind === 'vhosts' || place.kind === 'flags') await this.machine.assertTrusted(place.web[place.kind]);
    return place;
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
        const handle = await this.folders.open(place);
        if (handle) return handle;
        throw new KedgeError('FileRefused', `${path} on ${this.name} does not exist`, { server: this.name });
      },
      systemCalls:
        this.privileged && owners !== null
          ? systemCallFilter({ owners: owners.map(({ uid }) => uid), specialBits: !setsSpecialBits })
          : null,
    };
  }

  private async assertPlainFile({ rules }: KnownRules, path: string): Promise<void> {
    const place = placeOf(rules, path);
    if (place.kind !== 'staging') throw this.refused(`showing something in the place of ${path}`);
    const status = await this.folders.inPlace(place, (handle) => handle.stat());
    if (status?.isFile() !== true) throw this.refused(`showing something in the place of ${path}`, 'it is no file');
  }

  /** As `rmdir` does it, which is refused for a folder that holds anything. */
  private async removeEmptyFolder(known: KnownRules, path: string): Promise<Completed> {
    const place = placeOf(known.rules, path);
    if (place.kind !== 'site' && place.kind !== 'staging') throw this.refused(`removing ${path}`);
    try {
      await this.folders.removeEmpty(place);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new KedgeError('ProgramFailed', `${path} on ${this.name} is not removed: ${why}`, {
        server: this.name,
        cause,
      });
    }
    return { exitCode: 0, stdout: '', stderr: '', result: Buffer.alloc(0) };
  }
}

/** A flag that goes by itself, and with it what shuts an application in a folder of sites. */
function mayEnd(rules: HostRules, deadline: Deadline | null): boolean {
  if (deadline === null) return false;
  return deadline.application === undefined || placeOf(rules, deadline.application.root).kind === 'site';
}

/** For what Kedge itself looks at: root alone owns what it makes, and nothing gets a special bit. */
const NOTHING_WRITTEN = { owners: [], setsSpecialBits: false };

/** What a master may ask for, at most: no more than whoever asks for nothing is given, but for output, which this process keeps. */
const MOST = {
  ...DEFAULT_GROUP_LIMITS,
  temporaryBytes: 256 * 1024 ** 2,
  captureBytes: 64 * 1024 ** 2,
};

function boundedLimits(asked: Limits): Limits {
  const bounds = Object.entries(MOST).flatMap(([name, most]) => {
    const wanted = asked[name as keyof Limits];
    return wanted === undefined ? [] : [[name, Math.min(wanted, most)]];
  });
  return { ...asked, ...(Object.fromEntries(bounds) as Limits) };
}

/** Marks of one master. */
function markOf({ rules }: KnownRules, mark: string): string {
  return `of-${rules.master}/${mark}`;
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
