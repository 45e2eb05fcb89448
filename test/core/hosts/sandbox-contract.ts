import { join } from 'node:path';
import type { Capability, Command, Sandbox } from '../../../src/core/hosts/host';
import { type Machine, type MachineFactory, processesWith, uniqueSleep } from './machine';
import { testOperation } from '../../helpers/operation';
import { until } from '../../helpers/until';
import { itAsRoot } from '../../helpers/as-root';

/** Bit of each capability in /proc/self/status (linux/capability.h). */
const BITS: Record<Capability, number> = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  DAC_READ_SEARCH: 2,
  FOWNER: 3,
  FSETID: 4,
  SETFCAP: 31,
};

/** What `Command.sandbox`, `owner` and `limits` promise. */
export function describeSandbox(makeMachine: MachineFactory): void {
  let machine: Machine;
  let shown: string;
  let hidden: string;
  beforeAll(async () => {
    machine = await makeMachine();
    shown = join(machine.folder, 'shown');
    hidden = join(machine.folder, 'hidden');
    machine.sh('mkdir -m 777 "$1" "$2"; echo visible > "$1/file"; echo hidden > "$2/file"', shown, hidden);
  });
  afterAll(() => machine.dispose());

  const confined = (script: string, sandbox: Sandbox, more: Partial<Command> = {}) =>
    machine.host.run({
      argv: ['sh', '-c', `exec 2>&1; ${script}`, 'sh', shown, hidden],
      sandbox,
      acceptExitCodes: Array.from({ length: 256 }, (_, code) => code),
      operation: testOperation(),
      ...more,
    });
  const says = async (script: string, sandbox: Sandbox, more: Partial<Command> = {}): Promise<string> =>
    (await confined(script, sandbox, more)).stdout;

  describe('sandbox', () => {
    test('only what is shown exists', async () => {
      const listing = await says('cat "$1/file"; ls "$(dirname "$1")"; cat "$2/file"', { readOnly: [{ from: shown }] });
      expect(listing).toMatch(/^visible\nshown\ncat: .*No such file or directory\n$/);
      const system = new Set('bin dev etc lib lib32 lib64 libx32 proc sbin tmp usr'.split(' '));
      const top = (await says('ls -A /', {})).trim().split('\n');
      expect(top.filter((name) => !system.has(name))).toEqual([]);
      expect(await says('ls -A /tmp; [ -e /etc/shadow ] || echo none; [ -e /etc/ssh ] || echo none', {})).toBe(
        'none\nnone\n',
      );
    });

    test('the empty /tmp is its own', async () => {
      machine.sh('true > "/tmp/$1"', `kedge-test-${process.pid}`);
      try {
        expect(await says('ls -A /tmp; touch /tmp/mine && ls -A /tmp', {})).toBe('mine\n');
        expect(machine.sh('[ -e /tmp/mine ] || echo none')).toBe('none\n');
      } finally {
        machine.sh('rm "/tmp/$1"', `kedge-test-${process.pid}`);
      }
    });

    test('what is shown read-only cannot be changed, with every capability', async () => {
      const capabilities = Object.keys(BITS) as Capability[];
      const script =
        'touch "$1/new"; echo x > "$1/file"; rm "$1/file"; mv "$1/file" "$1/other"; chmod 700 "$1"; touch /usr/x';
      const said = await says(script, { readOnly: [{ from: shown }], capabilities });
      expect(said.trim().split('\n')).toEqual(Array.from({ length: 6 }, () => expect.stringContaining('Read-only')));
      expect(machine.sh('ls "$1"; cat "$1/file"', shown)).toBe('file\nvisible\n');
    });

    test('what is writable is, under the path it is shown at', async () => {
      const place = { from: shown, to: '/srv/live/site' };
      expect(await says('pwd; cat file; echo new > new; ls /srv', { writable: [place], workingFolder: place.to })).toBe(
        '/srv/live/site\nvisible\nlive\n',
      );
      expect(machine.sh('cat "$1/new"; rm "$1/new"', shown)).toBe('new\n');
    });

    test('a single file can be shown', async () => {
      const file = { from: join(hidden, 'file'), to: '/pack/one' };
      expect(await says('cat /pack/*; ls /pack', { readOnly: [file] })).toBe('hidden\none\n');
    });

    test('links lead nowhere', async () => {
      machine.sh(
        'ln -sfn /etc/shadow "$1/shadow"; ln -sfn "$2" "$1/out"; ln -sfn ../hidden/file "$1/up"',
        shown,
        hidden,
      );
      try {
        const script = 'cat "$1/shadow"; cat "$1/out/file"; cat "$1/up"; echo x > "$1/up"; mv "$1/file" "$1/out/"';
        const said = (await says(script, { writable: [{ from: shown }] })).trim().split('\n');
        expect(said.slice(0, 3)).toEqual(Array.from({ length: 3 }, () => expect.stringContaining('No such file')));
        expect(machine.sh('cat "$1/file"; ls "$1"; cat "$2/file"', hidden, shown)).toBe('hidden\nfile\nvisible\n');
      } finally {
        machine.sh('rm -f "$1/shadow" "$1/out" "$1/up"', shown);
      }
    });

    test('links on the way to what is shown are followed where only the worker can lay them', async () => {
      machine.sh('ln -sfn "$2" "$1/trusted"; ln -sfn trusted/file "$1/file"', machine.folder, hidden);
      const by = (path: string) =>
        says('cat /it/file 2>/dev/null || cat /it', { readOnly: [{ from: path, to: '/it' }] });
      expect(await by(join(machine.folder, 'trusted'))).toBe('hidden\n');
      expect(await by(join(machine.folder, 'trusted/file'))).toBe('hidden\n');
      expect(await by(join(machine.folder, 'file'))).toBe('hidden\n');
      machine.sh('ln -sfn loop "$1/loop"', machine.folder);
      await expect(by(join(machine.folder, 'loop'))).rejects.toMatchObject({ code: 'FileRefused' });
    });

    test('links that others can lay are not', async () => {
      // Everybody may write to it.
      machine.sh('ln -sfn "$2" "$1/out"; ln -sfn "$2/file" "$1/one"', shown, hidden);
      try {
        for (const from of ['out', 'out/file', 'one'].map((name) => join(shown, name))) {
          for (const sandbox of [{ readOnly: [{ from, to: '/it' }] }, { writable: [{ from, to: '/it' }] }]) {
            await expect(confined('cat /it', sandbox)).rejects.toMatchObject({
              code: 'FileRefused',
              message: expect.stringContaining('symbolic link'),
            });
          }
        }
      } finally {
        machine.sh('rm -f "$1/out" "$1/one"', shown);
      }
    });

    test('what is shown leaves no descriptor behind', async () => {
      const argv = ['bash', '-c', 'ls -A /it; for fd in /proc/$$/fd/*; do readlink "$fd"; done; true'] as const;
      const { stdout } = await machine.host.run({
        argv,
        sandbox: { readOnly: [{ from: shown, to: '/it' }] },
        operation: testOperation(),
      });
      expect(stdout).toContain('file');
      expect(stdout).not.toContain(machine.folder);
    });

    test('no network, unless it is asked for', async () => {
      const interfaces = "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort";
      expect(await says(interfaces, {})).toBe('lo\n');
      expect(await says(interfaces, { network: true })).toBe(machine.sh(interfaces));
    });

    test('nothing of the processes and settings of the machine', async () => {
      const own = (await says('ls -d /proc/[0-9]*', {})).trim().split('\n');
      // The namespace's first process, the shell and ls.
      expect(own.length).toBeLessThanOrEqual(4);
      expect(await says('tr "\\0" " " < /proc/1/cmdline', {})).toMatch(/^bwrap /);
      const script = `for f in /proc/sys/kernel/core_pattern /proc/sys/vm/swappiness /proc/sys/kernel/hostname; do
        ( : >> "$f" ) 2>/dev/null && echo "writable: $f"; done; true`;
      expect(await says(script, { capabilities: Object.keys(BITS) as Capability[] })).toBe('');
      expect(await says('ls /sys /run /root /var /home', {})).not.toMatch(/^(?!ls: cannot access).+/m);
    });

    itAsRoot('nothing in /proc takes what root writes, whatever this machine has there', async () => {
      const script = `find /proc -maxdepth 4 -type f ! -path "*/task/*" | while read -r f; do
        ( : >> "$f" ) 2>/dev/null && echo "writable: $f"; done; true`;
      for (const capabilities of [[], Object.keys(BITS) as Capability[]])
        expect(await says(script, { capabilities })).toBe('');
      // What leads out of it does.
      expect(await says('{ echo there > /proc/self/fd/1; } | cat', {})).toBe('there\n');
    });

    test('a folder that is not there is an error', async () => {
      // Whatever exit codes are accepted.
      await expect(confined('true', { readOnly: [{ from: '/no/such/folder' }] })).rejects.toMatchObject({
        code: 'FileRefused',
        message: expect.stringContaining('/no/such/folder'),
      });
    });
  });

  describe('account and capabilities', () => {
    const status = "grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs):' /proc/self/status | tr -d '\\t'";

    test('no capability unless asked for, and none comes back', async () => {
      expect(await says(status, {})).toBe(
        ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'].map((set) => `${set}:${'0'.repeat(16)}\n`).join('') + 'NoNewPrivs:1\n',
      );
    });

    test('capabilities as asked; for an ordinary worker they reach its own files alone', async () => {
      const asked = Object.keys(BITS) as Capability[];
      for (const capabilities of [...asked.map((one) => [one]), asked]) {
        const effective = /CapEff:(\w+)/.exec(await says(status, { capabilities }))?.[1] ?? '';
        const bits = capabilities.reduce((mask, one) => mask | (1n << BigInt(BITS[one])), 0n);
        expect(BigInt(`0x${effective}`)).toBe(bits);
      }
    });

    test('as an account: its ids alone, no capability, and no way back', async () => {
      const { owner } = machine;
      const more = { owner };
      const sandbox = { writable: [{ from: shown }], capabilities: Object.keys(BITS) as Capability[] };
      expect(await says('id -u; id -g; id -ru; id -rg', sandbox, more)).toBe(
        [owner.uid, owner.gid, owner.uid, owner.gid].map((id) => `${id}\n`).join(''),
      );
      if ((await machine.host.account()).privileged) expect(await says('id -G', sandbox, more)).toBe(`${owner.gid}\n`);
      expect(await says(status, sandbox, more)).toMatch(/^CapInh:0+\nCapPrm:0+\nCapEff:0+\nCapAmb:0+\nNoNewPrivs:1\n$/);
      expect((await confined('setpriv --reuid=0 true', sandbox, more)).exitCode).not.toBe(0);
      expect(await says('touch "$1/mine" && stat -c %u "$1/mine"', sandbox, more)).toBe(`${owner.uid}\n`);
      machine.sh('rm "$1/mine"', shown);
    });

    itAsRoot('as an account, files of others stay shut, and setuid programs change nothing', async () => {
      machine.sh(
        'echo private > "$1/private"; chmod 600 "$1/private"; cp /usr/bin/id "$1/id"; chmod 4755 "$1/id"',
        shown,
      );
      const sandbox = { writable: [{ from: shown }] };
      expect(await says('cat "$1/private"; "$1/id" -u', sandbox, { owner: machine.owner })).toMatch(
        new RegExp(`Permission denied\\n${machine.owner.uid}\\n$`),
      );
      machine.sh('rm "$1/private" "$1/id"', shown);
    });

    test('the secret and the result are for the account too', async () => {
      const completed = await confined(
        'cat /dev/fd/3; echo result >&4',
        {},
        {
          owner: machine.owner,
          secret: 'canary-of-owner',
          wantsResult: true,
        },
      );
      expect([completed.stdout, completed.result.toString()]).toEqual(['canary-of-owner', 'result\n']);
    });
  });

  describe('what can be written', () => {
    /** Every folder in which a file can be made. */
    const places = `for m in $(cut -d' ' -f5 /proc/self/mountinfo); do
      find "$m" -xdev -type d 2>/dev/null; done | sort -u | grep -v '^/proc' | while read -r d; do
      if ( : > "$d/.probe" ) 2>/dev/null; then rm -f "$d/.probe"; echo "$d"; fi; done`;
    const all = Object.keys(BITS) as Capability[];

    test('besides the folders shown there is /tmp and /dev/shm, whoever runs it', async () => {
      const sandbox = { readOnly: [{ from: hidden }], writable: [{ from: shown, to: '/srv/site' }] };
      const writable = ['/dev/shm', '/srv/site', '/tmp'];
      expect((await says(places, { ...sandbox, capabilities: all })).trim().split('\n')).toEqual(writable);
      expect((await says(places, sandbox)).trim().split('\n')).toEqual(writable);
      expect((await says(places, sandbox, { owner: machine.owner })).trim().split('\n')).toEqual(writable);
      // Files that are there already, like devices, take what is written to them.
      expect(await says('echo x > /dev/null && echo taken; [ -w /proc/sys/vm ] || echo shut', {})).toMatch(/^taken/);
    });

    test('both are bounded', async () => {
      const script = `head -c 5000000 /dev/zero > /tmp/big; stat -c %s /tmp/big
        head -c 50000000 /dev/zero > /dev/shm/big; stat -c %s /dev/shm/big`;
      const said = await says(script, {}, { limits: { temporaryBytes: 1024 * 1024 }, owner: machine.owner });
      expect(said.match(/No space left on device/g)).toHaveLength(2);
      expect(said.match(/^\d+$/gm)).toEqual([String(1024 * 1024), String(16 * 1024 * 1024)]);
    });

    test('what fills them is told its limit, and no disk is called full', async () => {
      const full = confined(
        '',
        {},
        {
          argv: ['sh', '-c', 'head -c 5000000 /dev/zero > /tmp/big'],
          limits: { temporaryBytes: 1024 * 1024 },
          acceptExitCodes: [0],
        },
      );
      await expect(full).rejects.toMatchObject({
        code: 'ProgramLimitReached',
        message: expect.stringContaining('wrote more into /tmp than fits'),
      });
    });
  });

  describe('limits', () => {
    const megabytes = (count: number): string => `perl -e '$x = "x" x (${count} * 1024 * 1024); print length $x'`;

    test('memory', async () => {
      expect(await says(megabytes(100), {}, { owner: machine.owner })).toBe(String(100 * 1024 * 1024));
      const limits = { memoryBytes: 90 * 1024 * 1024 };
      for (const more of [{ limits }, { limits, owner: machine.owner }]) {
        await expect(
          confined('', {}, { ...more, argv: ['sh', '-c', megabytes(300)], acceptExitCodes: [0] }),
        ).rejects.toMatchObject({
          code: 'ProgramLimitReached',
          message: expect.stringMatching(/^sh on .* needed more than 90 MiB of memory$/),
        });
      }
    });

    test('memory as a whole, files of /tmp included, where there are control groups', async () => {
      if ((await machine.host.limitMeans()) !== 'control-group') return;
      const limits = { memoryBytes: 64 * 1024 * 1024 };
      const scripts = [
        `for n in 1 2 3 4; do perl -e '$x = "x" x (30 * 1024 * 1024); sleep 3' & done; wait; exit 1`,
        'head -c 150000000 /dev/zero > /tmp/big; perl -e \'$x = "x" x (30 * 1024 * 1024)\'; exit 1',
      ];
      for (const script of scripts) {
        await expect(
          confined(
            '',
            {},
            {
              argv: ['sh', '-c', script],
              limits: { ...limits, timeoutMs: 60_000 },
              owner: machine.owner,
              acceptExitCodes: [],
            },
          ),
        ).rejects.toMatchObject({ code: 'ProgramLimitReached', message: expect.stringContaining('64 MiB of memory') });
      }
    });

    test('size of a file', async () => {
      const script = 'head -c 200000 /dev/zero > "$1/big"; stat -c %s "$1/big"; rm "$1/big"';
      const sandbox = { writable: [{ from: shown }] };
      expect(await says(script, sandbox, { owner: machine.owner, limits: { fileBytes: 4096 } })).toMatch(/^4096$/m);
    });

    const forks = 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 30 & done; echo all';
    const limits = { processes: 10 };

    test('processes', async () => {
      expect(await says(forks, {}, { owner: machine.owner })).toBe('all\n');
      await expect(
        confined('', {}, { argv: ['sh', '-c', forks], owner: machine.owner, limits, acceptExitCodes: [0] }),
      ).rejects.toMatchObject({
        code: 'ProgramLimitReached',
        message: expect.stringMatching(/^sh on .* needed more than 10 processes$/),
      });
    });

    test('processes of the owner that run elsewhere do not count', async () => {
      if ((await machine.host.limitMeans()) === 'account') return;
      const sleep = uniqueSleep();
      const elsewhere = testOperation();
      const many = machine.host
        .run({
          argv: ['sh', '-c', 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep "$1" & done; wait', 'sh', sleep],
          sandbox: {},
          owner: machine.owner,
          operation: elsewhere,
        })
        .catch((error: unknown) => error);
      try {
        await until('they run', () => processesWith(machine, sleep) >= 12);
        expect(await says('sleep 0 & wait; echo all', {}, { owner: machine.owner, limits })).toBe('all\n');
      } finally {
        elsewhere.cancel();
        await many;
      }
    });

    test('time and output of an owner', async () => {
      const ran = (script: string, more: object) =>
        confined('', {}, { argv: ['sh', '-c', script], owner: machine.owner, limits: more });
      const code = 'ProgramLimitReached';
      await expect(ran('sleep 60', { timeoutMs: 300 })).rejects.toMatchObject({ code });
      await expect(ran('yes', { captureBytes: 1000 })).rejects.toMatchObject({ code });
    });
  });
}
