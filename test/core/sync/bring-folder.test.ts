import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  readFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import fc from 'fast-check';
import { SmallDisk, canMount } from '../../../scripts/lab/small-disk';
import { SITE_FOLDER } from '../../../src/contract/target';
import type { Command, Completed, Host } from '../../../src/core/hosts/host';
import type { MasterHost } from '../../../src/core/hosts/master-host';
import type { Operation } from '../../../src/core/operation';
import { bringFolder } from '../../../src/core/sync/bring-folder';
import { MappedHost } from '../../helpers/mapped-host';
import { cancelAtEachTurn } from '../../helpers/cancelled-everywhere';
import { testOperation } from '../../helpers/operation';
import { localMachine } from '../hosts/local-machine';
import type { Machine } from '../hosts/machine';

/* That owners, modes, times, links and access lists come as they are: test/activities/two-hosts. */

let machine: Machine & { readonly host: MasterHost };
let web: MappedHost;
/** As the web server has it, where it lies here, and where it is brought to. */
const THERE = '/srv/site';
let here: string;
let mirrors: string;
let to: string;

beforeEach(() => {
  machine = localMachine();
  web = new MappedHost('web1', join(machine.folder, 'web1'));
  here = web.at(THERE);
  mirrors = join(machine.folder, 'mirrors');
  to = join(mirrors, 'brought');
  for (const folder of [here, to]) mkdirSync(folder, { recursive: true });
});
afterEach(() => {
  return machine.dispose();
});

interface Asked {
  readonly host?: Host;
  readonly exclude?: readonly string[];
  readonly bases?: readonly string[];
  readonly saveWhatCanBe?: boolean;
  readonly operation?: Operation;
}

const bring = ({
  host = web,
  exclude = [],
  bases = [],
  saveWhatCanBe = false,
  operation = testOperation(),
}: Asked = {}) =>
  bringFolder(
    machine.host,
    {
      site: 'gazette.example',
      host,
      folder: { name: SITE_FOLDER, path: THERE },
      exclude,
      to,
      within: mirrors,
      bases,
      saveWhatCanBe,
    },
    operation,
  );

/** Does something once the first bytes have come, or so many of them: no more come while it is done. */
function onFirstBytes(act: () => void, count = 1): Operation {
  let done = false;
  return {
    ...testOperation(),
    progress: ({ bytes = 0 }) => {
      if (done || bytes < count) return;
      done = true;
      act();
    },
  };
}

const rsyncs = (): number =>
  Number(machine.sh(`grep -alzx rsync /proc/[0-9]*/cmdline 2>/dev/null | xargs -r grep -l "$1" | wc -l`, '/folder/'));

test('names of whatever bytes, and many files, come as they are', async () => {
  execFileSync('sh', [
    '-c',
    `cd "$1" && printf x > "$(printf 'a\\377\\nb"\\\\')" && printf y > ' -rf ' && printf z > '-e' && mkdir many && cd many &&
     seq 1 3000 | xargs -n 500 touch`,
    'sh',
    here,
  ]);
  expect(await bring()).toEqual({ warnings: [], notSaved: [] });
  const list = (folder: string): string[] => readdirSync(folder, { recursive: true, encoding: 'latin1' }).sort();
  expect(list(to)).toEqual(list(here));
  expect(list(to).length).toBeGreaterThan(3000);
});

test('cancelled at any moment it throws the reason, and that is all', async () => {
  writeFileSync(join(here, 'file'), 'x'.repeat(100_000));
  await cancelAtEachTurn((operation) => bring({ operation }));
  expect(readFileSync(join(to, 'file'), 'utf8')).toHaveLength(100_000);
});

describe('leaves out what tar leaves out', () => {
  const PIECE = fc.constantFrom('a', 'b', '*', '**', '?', '[ab]', '\\*', '/', 'a', 'b', '-');
  const PATTERN = fc
    .array(PIECE, { minLength: 1, maxLength: 5 })
    .map((pieces) => pieces.join(''))
    .filter((pattern) => !/^\/|\/$|\/\//.test(pattern));

  test('whatever the patterns', async () => {
    for (const name of ['a', 'b', 'ab', '*', 'a*', '-', 'a-b']) {
      mkdirSync(join(here, `${name}d`), { recursive: true });
      for (const path of [name, `${name}d/a`, `${name}d/b*`]) writeFileSync(join(here, path), '');
      mkdirSync(join(here, `${name}d/bd`));
      writeFileSync(join(here, `${name}d/bd/ab`), '');
    }
    const listed = (of: string, ...without: string[]): string[] =>
      execFileSync(
        'sh',
        [
          '-c',
          'cd "$1" && shift && tar --create --anchored --wildcards --no-wildcards-match-slash "$@" . | tar --list --quoting-style=literal',
          'sh',
          of,
          ...without.map((pattern) => `--exclude=./${pattern}`),
        ],
        { encoding: 'latin1' },
      )
        .split('\n')
        .sort();
    await fc.assert(
      fc.asyncProperty(fc.array(PATTERN, { minLength: 1, maxLength: 3 }), async (exclude) => {
        rmSync(to, { recursive: true });
        mkdirSync(to);
        await bring({ exclude });
        expect(listed(to)).toEqual(listed(here, ...exclude));
      }),
      { numRuns: 40 },
    );
  });
});

test('what vanishes while it is brought is named, and all else is there', async () => {
  for (let at = 0; at < 50; at += 1) writeFileSync(join(here, `file${at}`), Buffer.alloc(200_000, at));
  const operation = onFirstBytes(() => {
    for (const at of [48, 49]) unlinkSync(join(here, `file${at}`));
  });
  const { warnings, notSaved } = await bring({ operation });
  const missing = readdirSync(here).filter((name) => !existsSync(join(to, name)));
  expect(missing).toEqual([]);
  expect(notSaved).toEqual([]);
  // Whether they were read before is up to the two programs.
  for (const warning of warnings)
    expect(warning).toMatch(/^files of gazette\.example that vanished .* \([12]\): file4[89]/);
});

/** A socket that nobody listens at. Its path may be longer than an address is. */
function leaveSocket(path: string): void {
  execFileSync('perl', [
    '-MIO::Socket::UNIX',
    '-e',
    'chdir shift; IO::Socket::UNIX->new(Local => "s", Listen => 1) or die',
    machine.folder,
  ]);
  renameSync(join(machine.folder, 's'), path);
}

/** Files that keep both ends busy: what lies behind them is not opened before most of them have come. */
function leaveLargeFiles(): void {
  for (let at = 0; at < 20; at += 1) writeFileSync(join(here, `file${at}`), Buffer.alloc(1_000_000, at));
}
const LISTED = 1_000_000;

test('what stands in the place of a file when it is opened is told of as one that was replaced', async () => {
  leaveLargeFiles();
  for (const name of ['z-gone', 'z-link', 'z-socket']) writeFileSync(join(here, name), Buffer.alloc(1000, 1));
  const operation = onFirstBytes(() => {
    for (const name of ['z-gone', 'z-link', 'z-socket']) unlinkSync(join(here, name));
    symlinkSync('file0', join(here, 'z-link'));
    leaveSocket(join(here, 'z-socket'));
  }, LISTED);
  const { warnings, notSaved } = await bring({ operation });
  expect(warnings).toEqual([
    expect.stringMatching(/^files of gazette\.example that vanished or were replaced .* \(3\): /),
  ]);
  for (const name of ['z-gone', 'z-link', 'z-socket']) expect(warnings[0]).toContain(name);
  expect(notSaved).toEqual([]);
  expect(readdirSync(to).sort()).toEqual(Array.from({ length: 20 }, (_, at) => `file${at}`).sort());
});

test('a folder that is gone when it is opened does not fail all of it', async () => {
  leaveLargeFiles();
  mkdirSync(join(here, 'many'));
  for (let at = 0; at < 3000; at += 1) writeFileSync(join(here, 'many', `${at}`), '');
  mkdirSync(join(here, 'z-cache'));
  writeFileSync(join(here, 'z-cache/page'), 'x');
  // rsync looks no more than some thousand files ahead.
  const operation = onFirstBytes(() => rmSync(join(here, 'z-cache'), { recursive: true }), LISTED);
  const { warnings, notSaved } = await bring({ operation });
  expect(warnings).toEqual([expect.stringMatching(/that vanished or were replaced .* \(1\): z-cache$/)]);
  expect(notSaved).toEqual([]);
  expect(readdirSync(join(to, 'many'))).toHaveLength(3000);
});

test('names of 255 bytes come; pipes and sockets stay, and paths that are too long are named', async () => {
  const long = 'n'.repeat(255);
  writeFileSync(join(here, long), 'x');
  execFileSync('mkfifo', [join(here, 'pipe'), join(here, 'p'.repeat(255))]);
  leaveSocket(join(here, 'socket'));
  // Folders of 200 bytes up to where no path of the kernel's reaches, and a short file in the last but one.
  execFileSync('perl', [
    '-e',
    'chdir shift; for (1 .. 25) { if ($_ == 20) { open(my $f, ">", "short") } mkdir "d" x 200 or die; chdir "d" x 200 or die }',
    here,
  ]);
  const { warnings, notSaved } = await bring();
  expect(warnings).toEqual([
    expect.stringMatching(/whose paths are too long, and that are in no backup .* \(1\): d{200}/),
  ]);
  expect(notSaved).toEqual(warnings);
  expect(readdirSync(to).sort()).toEqual(['d'.repeat(200), long]);
  expect(execFileSync('find', [to, '-name', 'short'], { encoding: 'utf8' })).toMatch(/\/short\n$/);
});

test('a host that cannot be asked ends both programs, with what it said', async () => {
  writeFileSync(join(here, 'file'), 'x');
  const broken = new Proxy(web, {
    get: (host, name) => {
      if (name === 'run') return () => Promise.reject(new Error('the line is dead'));
      const value = Reflect.get(host, name) as unknown;
      return typeof value === 'function' ? (value.bind(host) as unknown) : value;
    },
  });
  await expect(bring({ host: broken })).rejects.toThrow('the line is dead');
  expect(rsyncs()).toBe(0);
});

test('what cannot begin on the master ends both programs too', async () => {
  writeFileSync(join(here, 'file'), 'x');
  rmSync(mirrors, { recursive: true });
  await expect(bring()).rejects.toMatchObject({ code: 'FileRefused' });
  mkdirSync(to, { recursive: true });
  const operation = { ...testOperation(), signal: AbortSignal.abort(new Error('cancelled before')) };
  await expect(bring({ operation })).rejects.toThrow('cancelled before');
  expect(rsyncs()).toBe(0);
});

test('a file that becomes shorter while it is read does not fail all of it', async () => {
  const log = join(here, 'z-log');
  for (let at = 0; at < 20; at += 1) writeFileSync(join(here, `file${at}`), Buffer.alloc(2_000_000, at));
  writeFileSync(log, Buffer.alloc(8_000_000, 1));
  const { notSaved } = await bring({ operation: onFirstBytes(() => truncateSync(log, 1000)) });
  expect(notSaved).toEqual([]);
  expect(statSync(join(to, 'z-log')).size).toBe(1000);
});

test.each(['--server', '--blocking-io'])('rsync with %s ended from outside is nobody’s fault', async (which) => {
  for (let at = 0; at < 20; at += 1) writeFileSync(join(here, `file${at}`), Buffer.alloc(2_000_000, at));
  const operation = onFirstBytes(() => {
    const pids = machine.sh(
      `for each in /proc/[0-9]*; do tr '\\0' ' ' < "$each/cmdline" 2>/dev/null | grep -q "^rsync .*$1" && echo "\${each#/proc/}"; done; true`,
      which,
    );
    for (const pid of pids.trim().split('\n')) process.kill(Number(pid), 'SIGKILL');
  });
  await expect(bring({ operation })).rejects.toMatchObject({ code: 'ProgramKilled' });
  expect(rsyncs()).toBe(0);
});

test('when it is cancelled nothing of it goes on', async () => {
  for (let at = 0; at < 20; at += 1) writeFileSync(join(here, `file${at}`), Buffer.alloc(2_000_000, at));
  const cancel = new AbortController();
  const operation = { ...onFirstBytes(() => cancel.abort(new Error('cancelled'))), signal: cancel.signal };
  await expect(bring({ operation })).rejects.toThrow('cancelled');
  expect(rsyncs()).toBe(0);
});

(canMount ? test : test.skip)('a full disk of the master is named as that (needs leave to mount)', async () => {
  const disk = new SmallDisk(to);
  try {
    disk.leaveBytes(1024 * 1024);
    writeFileSync(join(here, 'file'), Buffer.alloc(4 * 1024 * 1024, 7));
    await expect(bring()).rejects.toMatchObject({
      code: 'DiskFull',
      message: expect.stringContaining('no space left') as string,
    });
  } finally {
    execFileSync('umount', [to]);
  }
});

describe('what was brought before', () => {
  let basis: string;
  let bytes: number;
  const counting = (): Operation => ({ ...testOperation(), progress: (told) => (bytes = told.bytes ?? 0) });
  /** Each file of a folder by its path, with all that it is. */
  const described = (folder: string): string =>
    execFileSync(
      'sh',
      [
        '-c',
        `cd "$1" && find . -mindepth 1 -printf '%P %y %m %U %G %T@ %l' -type f -exec sha256sum {} \\; -o -printf '\\n' | sort`,
        'sh',
        folder,
      ],
      { encoding: 'utf8' },
    ).replaceAll(/ \.\/.*$/gm, '');
  const bringAnew = (asked: Asked = {}) => {
    to = join(mirrors, 'anew');
    mkdirSync(to);
    return bring({ bases: [basis], operation: counting(), ...asked });
  };
  const inode = (path: string): number => statSync(path).ino;

  beforeEach(async () => {
    for (let at = 0; at < 100; at += 1) writeFileSync(join(here, `file${at}`), Buffer.alloc(50_000, `${at}`));
    basis = to;
    await bring({ operation: counting() });
  });

  test('is not brought again, and takes no more room', async () => {
    const first = bytes;
    writeFileSync(join(here, 'file7'), 'changed');
    const { mtimeMs } = statSync(join(here, 'file8'));
    expect(await bringAnew()).toEqual({ warnings: [], notSaved: [] });
    expect(bytes).toBeLessThan(first * 0.05);
    expect(described(to)).toBe(described(here));
    expect(inode(join(to, 'file8'))).toBe(inode(join(basis, 'file8')));
    expect(statSync(join(to, 'file8')).mtimeMs).toBe(mtimeMs);
    expect(readFileSync(join(basis, 'file7'))).toHaveLength(50_000);
  });

  test('counts by its content, whatever sizes and times say, on either side', async () => {
    const change = (path: string): void => {
      // Times to the nanosecond.
      const times = join(machine.folder, 'times');
      execFileSync('touch', ['-r', path, times]);
      writeFileSync(path, Buffer.alloc(50_000, 'other'));
      execFileSync('touch', ['-r', times, path]);
    };
    change(join(here, 'file3'));
    change(join(basis, 'file4'));
    await bringAnew();
    for (const name of ['file3', 'file4'])
      expect([name, readFileSync(join(to, name)).equals(readFileSync(join(here, name)))]).toEqual([name, true]);
  });

  test('leaves nothing of what is gone, or is something else by now', async () => {
    rmSync(join(here, 'file0'));
    for (const name of ['file1', 'file2', 'file3', 'file4']) unlinkSync(join(here, name));
    mkdirSync(join(here, 'file1'));
    writeFileSync(join(here, 'file1/inside'), 'x');
    symlinkSync('file9', join(here, 'file2'));
    execFileSync('mkfifo', [join(here, 'file3')]);
    leaveSocket(join(here, 'file4'));
    chmodSync(join(here, 'file5'), 0o600);
    mkdirSync(join(basis, 'planted'));
    writeFileSync(join(basis, 'planted/shell.php'), '<?php');
    expect(await bringAnew({ exclude: ['file6'] })).toEqual({ warnings: [], notSaved: [] });
    for (const name of ['file3', 'file4', 'file6']) rmSync(join(here, name));
    expect(described(to)).toBe(described(here));
  });

  test('makes no file a link to another that it is not any more', async () => {
    for (const name of ['file1', 'file2']) {
      rmSync(join(here, name));
      linkSync(join(here, 'file0'), join(here, name));
    }
    await bringAnew();
    expect(inode(join(to, 'file1'))).toBe(inode(join(to, 'file0')));
    // The same, in files of their own.
    for (const name of ['file1', 'file2']) {
      rmSync(join(here, name));
      execFileSync('cp', ['-p', join(here, 'file0'), join(here, name)]);
    }
    basis = to;
    to = join(mirrors, 'third');
    mkdirSync(to);
    await bring({ bases: [basis] });
    const [one, two, three] = ['file0', 'file1', 'file2'].map((name) => inode(join(to, name)));
    expect(new Set([one, two, three]).size).toBe(3);
    expect(readFileSync(join(to, 'file2'))).toEqual(readFileSync(join(here, 'file0')));
  });

  test('of what was cut off no more is brought than is missing', async () => {
    // No piece of it is like another.
    const size = 20_000_000;
    execFileSync('sh', ['-c', 'head -c "$2" /dev/urandom > "$1"', 'sh', join(here, 'large'), `${size}`]);
    let sent = 0;
    const cutAt = (limit: number): Host => cutting(web, limit);
    await expect(bringAnew({ host: cutAt(12_000_000) })).rejects.toThrow('the line is cut');
    sent += bytes;
    expect(bytes).toBeGreaterThan(11_000_000);
    expect(rsyncs()).toBe(0);
    const cutOff = to;
    to = join(mirrors, 'again');
    mkdirSync(to);
    await bring({ bases: [basis, cutOff], operation: counting() });
    sent += bytes;
    expect(sent).toBeLessThan(size * 1.3);
    expect(readFileSync(join(to, 'large')).equals(readFileSync(join(here, 'large')))).toBe(true);
  });
});

/** A host whose line is cut once a program has written so many bytes. */
function cutting(host: Host, limit: number): Host {
  return new Proxy(host, {
    get: (real, name) => {
      const value = Reflect.get(real, name) as unknown;
      if (name !== 'run') return typeof value === 'function' ? (value.bind(real) as unknown) : value;
      return async (command: Command): Promise<Completed> => {
        const { output, operation } = command;
        if (output === undefined) return real.run(command);
        const cut = new AbortController();
        let written = 0;
        const passing = new Transform({
          transform(chunk: Buffer, _encoding, done) {
            written += chunk.length;
            if (written > limit) cut.abort(new Error('the line is cut'));
            else this.push(chunk);
            done();
          },
        });
        passing.pipe(output);
        const signal = AbortSignal.any([operation.signal, cut.signal]);
        return real.run({ ...command, output: passing, operation: { ...operation, signal } });
      };
    },
  });
}

test('neither end reaches beyond its folder', async () => {
  writeFileSync(join(machine.folder, 'secret'), 'canary');
  execFileSync('ln', ['-s', join(machine.folder, 'secret'), join(here, 'link')]);
  execFileSync('ln', ['-s', machine.folder, join(to, 'd')]);
  mkdirSync(join(here, 'd'));
  writeFileSync(join(here, 'd/planted'), 'x');
  await bring();
  expect(existsSync(join(machine.folder, 'planted'))).toBe(false);
  expect(execFileSync('readlink', [join(to, 'link')], { encoding: 'utf8' }).trim()).toBe(
    join(machine.folder, 'secret'),
  );
});

(process.getuid?.() === 0 ? test.skip : test)(
  'files that the worker may not read are named (needs no root)',
  async () => {
    writeFileSync(join(here, 'open'), 'x');
    writeFileSync(join(here, 'shut'), 'x');
    chmodSync(join(here, 'shut'), 0);
    const { warnings, notSaved } = await bring();
    expect(warnings).toEqual([expect.stringMatching(/that cannot be read and are in no backup \(1\): shut$/)]);
    expect(notSaved).toEqual(warnings);
  },
);
