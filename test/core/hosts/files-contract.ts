import { join } from 'node:path';
import fc from 'fast-check';
import type { Machine, MachineFactory } from './machine';
import { hostileText } from '../../helpers/hostile-text';
import { testOperation } from '../../helpers/operation';

/** What the file methods of a host promise. */
export function describeFiles(makeMachine: MachineFactory): void {
  let machine: Machine;
  let folder: string;
  let count = 0;
  beforeAll(async () => {
    machine = await makeMachine();
  });
  afterAll(() => machine.dispose());
  beforeEach(() => {
    folder = join(machine.folder, `case-${(count += 1)}`);
    machine.sh('mkdir "$1"', folder);
  });

  const at = (name: string): string => join(folder, name);
  const sh = (script: string): string => machine.sh(`cd "$1" && { ${script}\n}`, folder);
  /** Mounts a small file system at `name`, for as long as `work` takes. */
  const withMount = async (name: string, options: string, work: (path: string) => Promise<void>): Promise<void> => {
    machine.sh('mkdir -p "$1" && mount -t tmpfs -o "$2" kedge-test "$1"', at(name), options);
    try {
      await work(at(name));
    } finally {
      machine.sh('umount "$1"', at(name));
    }
  };
  const needsMount = (what: string, work: () => Promise<void>): void =>
    test(what, async () => {
      if (machine.canMount) await work();
      else console.warn(`not tested, since nothing can be mounted here: ${what}`);
    });

  test('names and arguments of whatever characters are what they are', async () => {
    const name = hostileText(/[/\0]/).filter(
      (text) => !['', '.', '..'].includes(text) && Buffer.byteLength(text) <= 200,
    );
    const others = fc.tuple(name, name).filter(([one, other]) => one !== other);
    const { host } = machine;
    await fc.assert(
      fc.asyncProperty(others, async ([one, other]) => {
        const [made, moved] = [at(one), at(other)];
        await host.makeFolder(made, { mode: 0o755 });
        await host.writeFile(join(made, other), one, { mode: 0o600 });
        expect(await host.list(made)).toEqual([other]);
        expect((await host.readFile(join(made, other))).toString()).toBe(one);
        const argv = ['printf', '%s', other] as const;
        expect(await host.run({ argv, sandbox: {}, operation: testOperation() })).toMatchObject({ stdout: other });
        await host.rename(made, moved);
        expect(await host.status(made)).toBeUndefined();
        expect(await host.status(join(moved, other))).toMatchObject({ type: 'file', mode: 0o600 });
        await host.removeFile(join(moved, other));
        expect(await host.list(moved)).toEqual([]);
        await host.removeTree(moved, testOperation());
        expect(sh('ls -A')).toBe('');
      }),
      { numRuns: 15 },
    );
  });

  describe('writeFile and readFile', () => {
    test('content and mode as given, whatever the umask; what was there is replaced', async () => {
      const bytes = Buffer.from([0, 255, 1, 128, 10]);
      await machine.host.writeFile(at('file'), 'first', { mode: 0o600 });
      await machine.host.writeFile(at('file'), bytes, { mode: 0o666 });
      expect(await machine.host.readFile(at('file'))).toEqual(bytes);
      expect(sh('stat -c "%a %h" file; ls -A')).toBe('666 1\nfile\n');
    });

    test('owner and group as given', async () => {
      const { uid, gid } = machine.owner;
      await machine.host.writeFile(at('file'), 'x', { mode: 0o640, uid, gid });
      expect(sh('stat -c "%u %g %a" file')).toBe(`${uid} ${gid} 640\n`);
    });

    test('a link is replaced, and what it leads to stays as it is', async () => {
      sh('echo target > target; chmod 644 target; ln -s target link');
      await machine.host.writeFile(at('link'), 'new', { mode: 0o600 });
      expect(sh('stat -c "%F %a" link; cat target; stat -c %a target')).toBe('regular file 600\ntarget\n644\n');
    });

    test('a write that fails leaves nothing behind', async () => {
      sh('mkdir -p taken/inside');
      await expect(machine.host.writeFile(at('taken'), 'x', { mode: 0o600 })).rejects.toThrow();
      await expect(machine.host.writeFile(at('missing/file'), 'x', { mode: 0o600 })).rejects.toThrow();
      expect(sh('find . | sort')).toBe('.\n./taken\n./taken/inside\n');
    });

    needsMount('a full disk is said to be full, and the old content stays', async () => {
      await withMount('small', 'size=256k', async (small) => {
        const file = join(small, 'file');
        await machine.host.writeFile(file, 'old', { mode: 0o600 });
        await expect(machine.host.writeFile(file, Buffer.alloc(1024 * 1024), { mode: 0o600 })).rejects.toMatchObject({
          code: 'DiskFull',
          server: machine.host.name,
        });
        expect(sh('cat small/file; ls -A small')).toBe('oldfile\n');
      });
    });

    test('what is missing, a link, a folder, a pipe, a socket or too large is refused, and named', async () => {
      sh(`echo secret > file; ln -s file link; ln -s nowhere dangling; mkdir dir; mkfifo pipe
        perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "sock", Listen => 1) or die'`);
      const refusals: [string, RegExp][] = [
        ['missing', /does not exist/],
        ['file/below', /does not exist/],
        ['link', /is a symbolic link/],
        ['dangling', /is a symbolic link/],
        ['dir', /no regular file/],
        ['pipe', /no regular file/],
        ['sock', /no regular file/],
      ];
      for (const [name, message] of refusals) {
        await expect(machine.host.readFile(at(name))).rejects.toMatchObject({
          code: 'FileRefused',
          message: expect.stringMatching(message),
        });
      }
      expect(await machine.host.readFile(at('file'), 7)).toEqual(Buffer.from('secret\n'));
      await expect(machine.host.readFile(at('file'), 6)).rejects.toMatchObject({
        code: 'FileRefused',
        message: expect.stringContaining(at('file')),
      });
    });
  });

  describe('status and list', () => {
    test('what is there, links as links', async () => {
      sh(`printf 12345 > file; chmod 4751 file; ln file second; ln -s file link; mkdir -m 1777 dir; mkfifo pipe
        touch -d @1700000000.5 file`);
      expect(await machine.host.status(at('file'))).toMatchObject({
        type: 'file',
        mode: 0o4751,
        bytes: 5,
        modifiedMs: 1_700_000_000_500,
      });
      expect(await machine.host.status(at('link'))).toMatchObject({ type: 'link' });
      expect(await machine.host.status(at('dir'))).toMatchObject({ type: 'folder', mode: 0o1777 });
      expect(await machine.host.status(at('pipe'))).toMatchObject({ type: 'other' });
      const [uid, gid, device] = sh('stat -c "%u %g %d" dir').trim().split(' ').map(Number);
      expect(await machine.host.status(at('dir'))).toMatchObject({ uid, gid, device });
    });

    test('times are told by the clock of the machine, and so is the present', async () => {
      const clock = (): number => Number(sh('date +%s%3N'));
      const before = clock();
      const now = await machine.host.now();
      expect(now).toBeGreaterThanOrEqual(before);
      expect(now).toBeLessThanOrEqual(clock());
    });

    test('nothing where nothing is', async () => {
      sh('touch file');
      expect(await machine.host.status(at('missing'))).toBeUndefined();
      expect(await machine.host.status(at('missing/below'))).toBeUndefined();
      expect(await machine.host.status(at('file/below'))).toBeUndefined();
    });

    test('names are sorted, hidden ones too; none in a folder that is missing', async () => {
      sh('touch b .a c; mkdir d');
      expect(await machine.host.list(folder)).toEqual(['.a', 'b', 'c', 'd']);
      expect(await machine.host.list(at('missing'))).toEqual([]);
      expect(await machine.host.list(at('b/below'))).toEqual([]);
    });
  });

  describe('makeFolder', () => {
    test('missing parents too, all with the attributes; what exists is kept', async () => {
      sh('mkdir -m 751 kept; echo x > kept/file');
      await machine.host.makeFolder(at('kept/a/b'), { mode: 0o711 });
      await machine.host.makeFolder(at('kept'), { mode: 0o700 });
      expect(sh('stat -c "%a %n" kept kept/a kept/a/b; cat kept/file')).toBe('751 kept\n711 kept/a\n711 kept/a/b\nx\n');
    });

    test('owner and group as given', async () => {
      const { uid, gid } = machine.owner;
      await machine.host.makeFolder(at('a/b'), { mode: 0o2770, uid, gid });
      expect(sh('stat -c "%u %g %a" a a/b')).toBe(`${uid} ${gid} 2770\n`.repeat(2));
    });
  });

  describe('rename', () => {
    test('files, links and folders, as they are', async () => {
      sh('echo file > a; mkdir -p dir/in; ln -s nowhere link; mkdir other');
      await machine.host.rename(at('a'), at('other/a'));
      await machine.host.rename(at('dir'), at('other/dir'));
      await machine.host.rename(at('link'), at('other/link'));
      expect(sh('ls; ls other other/dir; cat other/a; readlink other/link')).toBe(
        'other\nother:\na\ndir\nlink\n\nother/dir:\nin\nfile\nnowhere\n',
      );
    });

    test('nothing is ever replaced', async () => {
      sh('echo one > one; echo two > two; mkdir empty full; touch full/x; ln -s nowhere dangling');
      const before = sh('find . -printf "%p %y %l\\n" | sort; cat one two');
      for (const [from, to] of [
        ['one', 'two'],
        ['one', 'empty'],
        ['one', 'dangling'],
        ['one', 'one'],
        ['full', 'empty'],
        ['full', 'two'],
        ['dangling', 'one'],
      ] as const) {
        await expect(machine.host.rename(at(from), at(to))).rejects.toMatchObject({
          code: 'FileRefused',
          message: expect.stringContaining('exists already'),
        });
      }
      expect(sh('find . -printf "%p %y %l\\n" | sort; cat one two')).toBe(before);
    });

    test('nothing is renamed or made behind a link that others can lay', async () => {
      sh('mkdir victim mine; mkdir victim/site; mkdir -m 777 open; ln -s ../victim open/www; ln -s victim ours');
      const before = sh('find . -printf "%p %y %U %m\\n" | sort');
      const refused = { code: 'FileRefused', message: expect.stringContaining('symbolic link') };
      await expect(machine.host.rename(at('open/www/site'), at('mine/site'))).rejects.toMatchObject(refused);
      await expect(machine.host.rename(at('mine'), at('open/www/mine'))).rejects.toMatchObject(refused);
      await expect(machine.host.makeFolder(at('open/www/new'), { mode: 0o755 })).rejects.toMatchObject(refused);
      expect(sh('find . -printf "%p %y %U %m\\n" | sort')).toBe(before);
      await machine.host.rename(at('ours/site'), at('mine/site'));
      await machine.host.makeFolder(at('ours/new'), { mode: 0o755 });
      expect(sh('ls mine victim')).toBe('mine:\nsite\n\nvictim:\nnew\n');
    });

    test('one that was interrupted between its two steps is completed', async () => {
      sh('echo content > from; ln from to');
      await machine.host.rename(at('from'), at('to'));
      expect(sh('ls; cat to')).toBe('to\ncontent\n');
    });
  });

  describe('removeFile and removeTree', () => {
    test('a link is removed, not what it leads to; nothing happens when it is missing', async () => {
      sh('echo kept > target; ln -s target link; mkdir -p dir/in; touch dir/in/file; ln -s dir folder-link');
      await machine.host.removeFile(at('link'));
      await machine.host.removeFile(at('missing'));
      await machine.host.removeTree(at('folder-link'), testOperation());
      await machine.host.removeTree(at('missing'), testOperation());
      await expect(machine.host.removeFile(at('dir'))).rejects.toThrow();
      expect(sh('find . | sort')).toBe('.\n./dir\n./dir/in\n./dir/in/file\n./target\n');
    });

    test('a tree goes, and follows no link', async () => {
      sh(`mkdir -p kept tree/deep/er "tree/-rf" tree/locked; echo kept > kept/file
        ln -s ../kept tree/link; ln -s "$PWD/kept" tree/deep/absolute; ln kept/file tree/hard
        touch "tree/-rf/*" tree/locked/file; chmod 500 tree/deep`);
      if ((await machine.host.account()).privileged) sh('chmod 0 tree/locked tree/locked/file');
      else sh('chmod 700 tree/deep');
      await machine.host.removeTree(at('tree'), testOperation());
      expect(sh('find . | sort; cat kept/file')).toBe('.\n./kept\n./kept/file\nkept\n');
    });

    test('a name that looks like an option is a name', async () => {
      sh('mkdir -- "-rf"; touch -- "-rf/x" kept');
      await machine.host.removeTree(at('-rf'), testOperation());
      expect(sh('ls')).toBe('kept\n');
    });

    needsMount('it stays on one file system, and says when something stays', async () => {
      sh('mkdir -p tree/a; touch tree/a/file');
      await withMount('tree/mounted', 'size=256k', async (mounted) => {
        machine.sh('echo kept > "$1/file"', mounted);
        await expect(machine.host.removeTree(at('tree'), testOperation())).rejects.toMatchObject({
          name: 'KedgeError',
        });
        expect(sh('cat tree/mounted/file; ls tree')).toBe('kept\nmounted\n');
      });
      await machine.host.removeTree(at('tree'), testOperation());
      expect(sh('ls')).toBe('');
    });
  });

  describe('mounts, space and accounts', () => {
    needsMount('mount points at and below a path, whatever their names', async () => {
      const names = ['a b', 'tab\there', 'back\\slash', 'größe', 'new\nline', 'hash#'];
      const mounted: string[] = [];
      try {
        for (const name of names) {
          machine.sh('mkdir -p "$1" && mount -t tmpfs -o size=4k kedge-test "$1"', at(`in/${name}`));
          mounted.push(at(`in/${name}`));
        }
        machine.sh('mkdir -p "$1" && mount -t tmpfs -o size=4k kedge-test "$1"', at('inside'));
        mounted.push(at('inside'));
        const expected = names.map((name) => at(`in/${name}`)).sort();
        expect(await machine.host.mountsBelow(at('in'))).toEqual(expected);
        for (const path of expected) expect(await machine.host.mountsBelow(path)).toEqual([path]);
        expect(await machine.host.mountsBelow(at('ins'))).toEqual([]);
      } finally {
        for (const path of mounted) machine.sh('umount "$1"', path);
      }
      expect(await machine.host.mountsBelow(folder)).toEqual([]);
      expect(await machine.host.mountsBelow('/')).toContain('/proc');
    });

    needsMount('free space and inodes of the file system a path is on', async () => {
      await withMount('small', 'size=1m,nr_inodes=100', async (small) => {
        expect(await machine.host.freeSpace(small)).toEqual({ bytes: 1024 * 1024, inodes: 99, readOnly: false });
        machine.sh('head -c 600000 /dev/zero > "$1/file"', small);
        const { bytes, inodes } = await machine.host.freeSpace(join(small, 'file'));
        expect(bytes).toBe(1024 * 1024 - Math.ceil(600_000 / 4096) * 4096);
        expect(inodes).toBe(98);
      });
    });

    test('the account the worker acts as, also before anything else is asked', async () => {
      const uid = Number(machine.sh('id -u'));
      expect(await machine.host.account()).toEqual({ uid, privileged: uid === 0 });
    });

    test('accounts as the system knows them', async () => {
      expect(await machine.host.lookUpOwner('root')).toEqual({ user: 'root', uid: 0, gid: 0 });
      for (const user of ['no-such-account', '', '--help', '0', 'root:x', 'root\nroot']) {
        await expect(machine.host.lookUpOwner(user)).rejects.toMatchObject({
          code: 'ConfigurationInvalid',
          server: machine.host.name,
        });
      }
    });
  });
}
