import { execFileSync } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { SmallDisk, canMount } from '../../../scripts/lab/small-disk';
import type { Command, Host } from '../../../src/core/hosts/host';
import type { MasterHost } from '../../../src/core/hosts/master-host';
import { pushFolder } from '../../../src/core/sync/push-folder';
import { MappedHost } from '../../helpers/mapped-host';
import { testOperation } from '../../helpers/operation';
import { localMachine } from '../hosts/local-machine';
import type { Machine } from '../hosts/machine';

const [STAGED, LIVE] = ['/srv/.kedge/staged', '/srv/site'];
const SIZE = 50_000;

let machine: Machine & { readonly host: MasterHost };
let web: MappedHost;
/** On the master; what is staged and what is live there, where they lie here. */
let from: string;
let to: string;
let live: string;

beforeEach(() => {
  machine = localMachine();
  web = new MappedHost('web1', join(machine.folder, 'web1'));
  from = join(machine.folder, 'unpacked');
  [to, live] = [web.at(STAGED), web.at(LIVE)];
  for (const folder of [from, to, live]) mkdirSync(folder, { recursive: true });
  for (let at = 0; at < 40; at += 1) writeFileSync(join(from, `file${at}`), Buffer.alloc(SIZE, `${at}`));
});
afterEach(() => machine.dispose());

const push = (host: Host = web, withLive = true): Promise<void> =>
  pushFolder(machine.host, { from, host, to: STAGED, live: withLive ? LIVE : null }, testOperation());
const copyToLive = (): void => void execFileSync('cp', ['-a', `${from}/.`, live]);

/** Other content of the same size at the same time. */
function alter(path: string): void {
  // Times to the nanosecond.
  const times = join(machine.folder, 'times');
  execFileSync('touch', ['-r', path, times]);
  writeFileSync(path, Buffer.alloc(SIZE, 'evil'));
  execFileSync('touch', ['-r', times, path]);
}

/** All of a folder: kinds, modes, times, targets of links, content, and which names are one file. */
const described = (folder: string): string =>
  execFileSync(
    'sh',
    [
      '-c',
      `cd "$1" && find . -printf '%P %y %m %U %G %T@ %n %l\\n' | sort && find . -type f -exec sha256sum {} + | sort -k 2`,
      'sh',
      folder,
    ],
    { encoding: 'utf8' },
  );

/** The bytes that a program on the host was sent. */
function countingInput(host: Host, count: (bytes: number) => void): Host {
  return wrapped(host, async (command) => {
    const { input } = command;
    if (!(input instanceof Readable)) return host.run(command);
    const counted = async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of input as AsyncIterable<Buffer>) {
        count(chunk.length);
        yield chunk;
      }
    };
    return host.run({ ...command, input: Readable.from(counted()) });
  });
}
function wrapped(host: Host, run: (command: Command) => ReturnType<Host['run']>): Host {
  return new Proxy(host, {
    get: (real, name) => {
      if (name === 'run') return run;
      const value = Reflect.get(real, name) as unknown;
      return typeof value === 'function' ? (value.bind(real) as unknown) : value;
    },
  });
}

test.each([
  ['onto nothing', false],
  ['beside what is live', true],
])('a folder comes as it is, %s', async (_what, withLive) => {
  mkdirSync(join(from, 'deep'));
  writeFileSync(join(from, 'deep/we\nird "name" \\ *'), 'x', { mode: 0o640 });
  symlinkSync('../nowhere', join(from, 'deep/link'));
  linkSync(join(from, 'file1'), join(from, 'deep/twin'));
  execFileSync('sh', [
    '-c',
    `cd "$1" && truncate -s 3M sparse && printf z >> sparse && setfacl -m u:games:r sparse && chmod 2750 deep &&
     printf x > "$(printf 'bytes-\\303\\050')" && touch -d '2001-02-03 04:05:06.789012345' sparse deep`,
    'sh',
    from,
  ]);
  if (withLive) {
    copyToLive();
    writeFileSync(join(live, 'shell.php'), '<?php');
  }
  await push(web, withLive);
  expect(described(to)).toBe(described(from));
  expect(execFileSync('getfacl', ['-cp', join(to, 'sparse')], { encoding: 'utf8' })).toContain('user:games:r--');
});

test('what is live there does not cross', async () => {
  copyToLive();
  alter(join(from, 'file3'));
  let sent = 0;
  await push(countingInput(web, (count) => (sent += count)));
  expect(sent).toBeLessThan(40 * SIZE * 0.1);
  expect(described(to)).toBe(described(from));
});

test('what is live there and other by its content is not taken, whatever its size and time', async () => {
  copyToLive();
  alter(join(live, 'file3'));
  await push();
  expect(readFileSync(join(to, 'file3')).equals(readFileSync(join(from, 'file3')))).toBe(true);
});

test('what its owner changes while it is copied is mended', async () => {
  copyToLive();
  let runs = 0;
  const meddled = wrapped(web, async (command) => {
    const done = await web.run(command);
    runs += 1;
    if (runs === 1) {
      // As if it had been so when it was copied.
      alter(join(to, 'file5'));
      writeFileSync(join(to, 'shell.php'), '<?php');
    }
    return done;
  });
  await push(meddled);
  expect(described(to)).toBe(described(from));
});

(canMount ? test : test.skip)('a full disk of the host is named as that (needs leave to mount)', async () => {
  const disk = new SmallDisk(to);
  try {
    disk.leaveBytes(1024 * 1024);
    await expect(push()).rejects.toMatchObject({ code: 'DiskFull', server: 'web1' });
  } finally {
    execFileSync('umount', [to]);
  }
});

test('neither end reaches beyond its folder, and a link in the place of the live one leads nowhere', async () => {
  const secret = join(machine.folder, 'web1/secret');
  mkdirSync(secret);
  writeFileSync(join(secret, 'file1'), Buffer.alloc(SIZE, '1'));
  symlinkSync(secret, join(to, 'd'));
  mkdirSync(join(from, 'd'));
  writeFileSync(join(from, 'd/planted'), 'x');
  await push();
  expect(existsSync(join(secret, 'planted'))).toBe(false);
  expect(described(to)).toBe(described(from));
});

test('when it is cancelled it ends as that', async () => {
  const cancel = new AbortController();
  const host = wrapped(web, (command) => {
    cancel.abort(new Error('cancelled'));
    return web.run(command);
  });
  const pushing = pushFolder(
    machine.host,
    { from, host, to: STAGED, live: null },
    { ...testOperation(), signal: cancel.signal },
  );
  await expect(pushing).rejects.toThrow('cancelled');
});
