import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from '../../../src/core/hosts/host';
import { type Machine, type MachineFactory, processesWith, uniqueSleep } from './machine';
import { testOperation } from '../../helpers/operation';
import { until } from '../../helpers/until';
import { isRoot, itAsRoot } from '../../helpers/as-root';

const shell = (script: string, ...parameters: string[]): readonly [string, ...string[]] => [
  'sh',
  '-c',
  script,
  'sh',
  ...parameters,
];

/** What `Host.run` and `Host.endProcesses` promise. */
export function describeRun(makeMachine: MachineFactory): void {
  let machine: Machine;
  beforeAll(async () => {
    machine = await makeMachine();
  });
  afterAll(() => machine.dispose());

  const run = (argv: readonly [string, ...string[]], more: Partial<Command> = {}) =>
    machine.host.run({ argv, operation: testOperation(), ...more });
  const exists = (path: string): boolean => machine.sh('[ -e "$1" ] && echo yes || true', path) !== '';

  describe.each([
    ['confined', {}],
    ['unconfined', undefined],
  ])('run, %s', (_, plain) => {
    const confinement = plain === undefined ? {} : { sandbox: plain };
    /** The machine's folder is seen at its own path. */
    const withFolder = (): Partial<Command> =>
      plain === undefined ? {} : { sandbox: { writable: [{ from: machine.folder }] } };

    test('arguments arrive as they are, whatever a shell would make of them', async () => {
      const args = ['a b', '', '$HOME', `it's "x"`, '*', '; id', '-n', 'ü\n日', '\\', '`id`', '$(id)'];
      const { stdout } = await run(['printf', '%s|', ...args], confinement);
      expect(stdout).toBe(args.map((arg) => `${arg}|`).join(''));
    });

    test('an exit code that is not accepted is an error with the end of standard error', async () => {
      await expect(run(shell('echo why-it-failed >&2; exit 7'), confinement)).rejects.toMatchObject({
        code: 'ProgramFailed',
        server: machine.host.name,
        message: expect.stringMatching(/^sh ended with 7 on .*: why-it-failed$/),
      });
      await expect(run(shell('exit 0'), { ...confinement, acceptExitCodes: [7] })).rejects.toMatchObject({
        code: 'ProgramFailed',
      });
    });

    test('ended from outside it is said so, and by a signal of its own making it has failed', async () => {
      for (const signal of ['KILL', 'TERM', 'INT', 'HUP'])
        await expect(run(shell(`kill -${signal} $$`), confinement)).rejects.toMatchObject({
          code: 'ProgramKilled',
          message: `sh on ${machine.host.name} was ended from outside, by SIG${signal}`,
        });
      for (const signal of ['SEGV', 'BUS', 'ABRT'])
        await expect(run(shell(`kill -${signal} $$`), confinement)).rejects.toMatchObject({
          code: 'ProgramFailed',
          message: expect.stringMatching(/was ended by SIG/),
        });
      for (const signal of ['XCPU', 'XFSZ'])
        await expect(run(shell(`kill -${signal} $$`), confinement)).rejects.toMatchObject({
          code: 'ProgramLimitReached',
        });
    });

    test('what a program gave before it was ended from outside is never taken for the whole', async () => {
      let given = '';
      const outcome = { ended: false, error: null as Error | null };
      const output = new Writable({
        write(chunk: Buffer, _, done) {
          given += chunk.toString();
          done();
        },
        final(done) {
          outcome.ended = true;
          done();
        },
      }).on('error', (error) => (outcome.error = error));
      await expect(run(shell('echo part; kill -9 $$'), { ...confinement, output })).rejects.toMatchObject({
        code: 'ProgramKilled',
      });
      expect(given).toBe('part\n');
      expect(outcome).toMatchObject({ ended: false, error: { code: 'ProgramKilled' } });
    });

    test('a compressor of tar that was ended from outside is no fault of the archive', async () => {
      const packing = (compressor: string) => {
        const script = 'cd /usr/lib; exec tar --create --file=- --use-compress-program="$1" os-release';
        return run(shell(script, compressor), { ...confinement, acceptExitCodes: [0, 2] });
      };
      const ended = (signal: string) => packing(`perl -e "kill ${signal} => \\$\\$"`);
      await expect(ended('KILL')).rejects.toMatchObject({ code: 'ProgramKilled' });
      await expect(ended('TERM')).rejects.toMatchObject({ code: 'ProgramKilled' });
      await expect(ended('SEGV')).resolves.toMatchObject({ exitCode: 2 });
      await expect(packing('sh -c "exit 9"')).resolves.toMatchObject({ exitCode: 2 });
    });

    test('an exit code that is accepted is returned', async () => {
      const completed = await run(shell('echo out; echo err >&2; exit 7'), {
        ...confinement,
        acceptExitCodes: [0, 7],
      });
      expect(completed).toMatchObject({ exitCode: 7, stdout: 'out\n', stderr: 'err\n' });
    });

    test('standard input is empty, or what is given', async () => {
      expect((await run(['cat'], confinement)).stdout).toBe('');
      expect((await run(['cat'], { ...confinement, input: 'größe' })).stdout).toBe('größe');
      const bytes = Buffer.from([0, 255, 10, 13, 0]);
      const { stdout } = await run(['od', '-An', '-tx1'], { ...confinement, input: bytes });
      expect(stdout.trim()).toBe('00 ff 0a 0d 00');
      const stream = Readable.from(['one ', 'two']);
      expect((await run(['cat'], { ...confinement, input: stream })).stdout).toBe('one two');
    });

    test('a program may end without reading its input', async () => {
      const input = Readable.from(Array.from({ length: 64 }, () => Buffer.alloc(64 * 1024)));
      expect((await run(['true'], { ...confinement, input })).exitCode).toBe(0);
    });

    test('input that fails ends the program, which does not take it for the whole', async () => {
      const whole = join(machine.folder, `whole-${plain ? 'confined' : 'unconfined'}`);
      const started = `${whole}.started`;
      async function* source(): AsyncGenerator<string> {
        yield 'half';
        await until('the program runs', () => exists(started));
        throw new Error('the source broke');
      }
      await expect(
        run(shell('touch "$1".started; cat > "$1".part; mv "$1".part "$1"', whole), {
          ...withFolder(),
          input: Readable.from(source()),
        }),
      ).rejects.toThrow('the source broke');
      expect(exists(whole)).toBe(false);
    });

    test('standard output is streamed with back-pressure, and the stream is ended', async () => {
      let bytes = 0;
      let waiting = 0;
      const output: Writable = new Writable({
        highWaterMark: 64 * 1024,
        write(chunk: Buffer, _encoding, done) {
          bytes += chunk.length;
          waiting = Math.max(waiting, output.writableLength);
          void delay(1).then(() => done());
        },
      });
      const total = 8 * 1024 * 1024;
      const completed = await run(['head', '-c', String(total), '/dev/zero'], { ...confinement, output });
      expect(completed.stdout).toBe('');
      expect(bytes).toBe(total);
      expect(output.writableFinished).toBe(true);
      expect(waiting).toBeLessThan(512 * 1024);
    });

    test('a stream that cannot take the output ends the program', async () => {
      const output = new Writable({ write: (_chunk, _encoding, done) => done(new Error('the taker broke')) });
      await expect(run(['cat', '/dev/zero'], { ...confinement, output })).rejects.toThrow('the taker broke');
    });

    test('more output than the limit ends the program; as much is taken', async () => {
      const limits = { captureBytes: 10_000 };
      const { stdout } = await run(['head', '-c', '10000', '/dev/zero'], { ...confinement, limits });
      expect(stdout.length).toBe(10_000);
      await expect(run(['yes'], { ...confinement, limits })).rejects.toMatchObject({
        code: 'ProgramLimitReached',
        message: expect.stringContaining('more than 10000 bytes'),
      });
      await expect(run(shell('yes >&4'), { ...confinement, limits, wantsResult: true })).rejects.toMatchObject({
        code: 'ProgramLimitReached',
      });
    });

    test('of standard error the end is kept', async () => {
      const { stderr } = await run(shell('yes noise | head -c 300000 >&2; echo last words >&2'), confinement);
      expect(stderr.length).toBeLessThanOrEqual(8 * 1024);
      expect(stderr.endsWith('last words\n')).toBe(true);
    });

    test('all of standard error is shown as it comes, also of what fails', async () => {
      let shown = '';
      const onErrorOutput = async (chunk: Buffer): Promise<void> => {
        await delay(0);
        shown += chunk.toString();
      };
      const noise = 'yes noise | head -c 300000 >&2; echo last words >&2';
      await run(shell(noise), { ...confinement, onErrorOutput });
      expect([shown.length, shown.endsWith('last words\n')]).toEqual([300_011, true]);
      shown = '';
      await expect(run(shell(`${noise}; exit 1`), { ...confinement, onErrorOutput })).rejects.toMatchObject({
        code: 'ProgramFailed',
      });
      expect(shown.length).toBe(300_011);
    });

    test('the result has a descriptor apart from standard output', async () => {
      const { stdout, result } = await run(shell('printf out; printf result >&4'), {
        ...confinement,
        wantsResult: true,
      });
      expect([stdout, result.toString()]).toEqual(['out', 'result']);
      expect((await run(shell('printf out'), confinement)).result.length).toBe(0);
    });

    test('the result goes where it is wanted, as it comes, and no more of it than the limit', async () => {
      let bytes = 0;
      const resultOutput = new Writable({
        write(chunk: Buffer, _encoding, done) {
          bytes += chunk.length;
          done();
        },
      });
      const wanted = { ...confinement, wantsResult: true, resultOutput };
      const { stdout, result } = await run(shell('printf out; head -c 300000 /dev/zero >&4'), wanted);
      expect([stdout, bytes, result.length, resultOutput.writableFinished]).toEqual(['out', 300_000, 0, true]);
      const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
      const limits = { captureBytes: 10_000 };
      const endless = run(shell('yes >&4'), { ...confinement, wantsResult: true, resultOutput: nowhere, limits });
      await expect(endless).rejects.toMatchObject({ code: 'ProgramLimitReached' });
    });

    test('a program that is not there is missing, and is named', async () => {
      for (const program of ['no-such-program', '/no/such/program']) {
        await expect(run([program], confinement)).rejects.toMatchObject({
          code: 'ProgramMissing',
          message: expect.stringContaining(program),
        });
      }
    });

    test('the environment holds what is given, and nothing of the worker', async () => {
      process.env['KEDGE_TEST_CANARY'] = 'leaked';
      try {
        const { stdout } = await run(['env'], { ...confinement, environment: { GIVEN: 'a b', HOME: '/elsewhere' } });
        expect(stdout).toContain('GIVEN=a b\n');
        expect(stdout).toContain('HOME=/elsewhere\n');
        expect(stdout).not.toContain('leaked');
      } finally {
        delete process.env['KEDGE_TEST_CANARY'];
      }
    });

    test('the secret is read at its path, more than once and from any place, and stands nowhere else', async () => {
      const secret = `canary-${uniqueSleep()}`;
      const [first, second] = [secret.slice(0, 9), secret.slice(9)];
      const report = join(machine.folder, `secret-${plain ? 'confined' : 'unconfined'}`);
      const stop = `${report}.stop`;
      const running = run(
        shell(
          'cat /dev/fd/3 /dev/fd/3; tail -c 4 /dev/fd/3; touch "$1"; until [ -e "$1.stop" ]; do sleep 0.01; done',
          report,
        ),
        { ...withFolder(), secret },
      );
      // Looks for the text in arguments and environment of all processes, and in the names and content of temporary files.
      const search = (): string =>
        machine.sh(
          `grep -lF -- "$1""$2" /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null
           grep -rlF -- "$1""$2" /dev/shm 2>/dev/null
           find /dev/shm /tmp -maxdepth 1 -name '.kedge-*'
           true`,
          first,
          second,
        );
      await until('the program has read', () => exists(report));
      const found = search();
      machine.sh(
        `SECRET="$1""$2" sh -c 'touch "$0"; until [ -e "$0.stop" ]; do sleep 0.01; done' "$3" >/dev/null 2>&1 &`,
        first,
        second,
        `${report}.planted`,
      );
      await until('a leak is planted', () => exists(`${report}.planted`));
      const planted = search();
      machine.sh('touch "$1" "$2"', stop, `${report}.planted.stop`);
      const { stdout } = await running;
      expect(stdout).toBe(secret + secret + secret.slice(-4));
      expect(found).toBe('');
      expect(planted).toMatch(/environ/);
    });

    test('after the time limit no process of it lives on, in whatever session', async () => {
      const sleep = uniqueSleep();
      await expect(
        run(shell('setsid sleep "$1" & setsid sh -c "trap : TERM; sleep $1; :" & sleep "$1"', sleep), {
          ...confinement,
          limits: { timeoutMs: 300 },
        }),
      ).rejects.toMatchObject({ code: 'ProgramTimedOut', message: expect.stringContaining('300 ms') });
      expect(processesWith(machine, sleep)).toBe(0);
    });

    test('cancelled, it throws the reason, and no process of it lives on, in whatever session', async () => {
      const sleep = uniqueSleep();
      const cancelled = testOperation();
      const running = run(
        shell('setsid sleep "$1" >/dev/null 2>&1 </dev/null & (setsid setsid sleep "$1" &) ; sleep "$1"', sleep),
        { ...confinement, operation: cancelled },
      );
      const outcome = expect(running).rejects.toThrow('no longer wanted');
      await until('all of them run', () => processesWith(machine, sleep) >= 3);
      cancelled.cancel(new Error('no longer wanted'));
      await outcome;
      expect(processesWith(machine, sleep)).toBe(0);
    });

    test('streams that fail before it begins, or behind its end, end nothing but it', async () => {
      const input = new PassThrough();
      const fed = run(['cat'], { ...confinement, input });
      input.destroy(new Error('its source failed'));
      await expect(fed).rejects.toThrow('its source failed');

      const output = new PassThrough();
      const cancelled = testOperation();
      const written = run(['echo', 'hello'], { ...confinement, output, operation: cancelled });
      cancelled.cancel(new Error('no longer wanted'));
      output.destroy(new Error('nobody reads it'));
      await expect(written).rejects.toThrow('no longer wanted');

      const [source, sink] = [new PassThrough(), new PassThrough()];
      source.end('all of it');
      await run(['cat'], { ...confinement, input: source, output: sink });
      for (const stream of [source, sink]) stream.destroy(new Error('its owner failed'));
      // An error without a listener is told in the turn behind this one.
      await new Promise(setImmediate);
    });

    test('cancelled before or while it starts, it does not run', async () => {
      const sleep = uniqueSleep();
      const before = testOperation();
      before.cancel(new Error('before'));
      await expect(run(['sleep', sleep], { ...confinement, operation: before })).rejects.toThrow('before');
      // At whatever moment of the start: each wait lets the start go a little further.
      for (let turns = 0; turns < 12; turns += 1) {
        const starting = testOperation();
        const running = run(['sleep', sleep], { ...confinement, operation: starting });
        const outcome = expect(running).rejects.toThrow('while it starts');
        if (turns > 6) await delay(turns - 6);
        else for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        starting.cancel(new Error('while it starts'));
        await outcome;
        expect(processesWith(machine, sleep)).toBe(0);
      }
    });

    test('what it left in the background is gone when it has ended', async () => {
      const script = 'for n in 1 2 3 4 5 6 7 8; do sleep "$1" >/dev/null 2>&1 & done; exit 0';
      for (let round = 0; round < 8; round += 1) {
        const sleep = uniqueSleep();
        await run(shell(script, sleep), confinement);
        expect(processesWith(machine, sleep)).toBe(0);
      }
    });

    test('a background process that holds the output open does not hold the caller', async () => {
      const sleep = uniqueSleep();
      expect((await run(shell('sleep "$1" & echo done', sleep), confinement)).stdout).toBe('done\n');
      expect(processesWith(machine, sleep)).toBe(0);
    });

    test('all processes of a mark are ended, in whatever session, and no others', async () => {
      const mark = `test-${process.pid}-${uniqueSleep()}`;
      const sleeps = new Map([`${mark}/one`, `${mark}/two`, `${mark}2/one`, mark].map((name) => [name, uniqueSleep()]));
      const other = testOperation(`${mark}2/one`);
      const running = [...sleeps].map(([name, sleep]) =>
        run(shell('(setsid sleep "$1" &) ; sleep "$1"', sleep), {
          ...confinement,
          operation: name === other.mark ? other : testOperation(name),
        }).catch((error: unknown) => error),
      );
      const count = (name: string): number => processesWith(machine, sleeps.get(name) ?? 'none');
      // Whole: bubblewrap is seen twice before the program begins.
      const whole = plain === undefined ? 3 : 5;
      for (const name of sleeps.keys()) await until(`${name} runs`, () => count(name) >= whole);
      expect(await machine.host.endProcesses(`${mark}/one`)).toBeGreaterThan(0);
      expect(count(`${mark}/one`)).toBe(0);
      expect(count(`${mark}/two`)).toBeGreaterThanOrEqual(2);
      expect(await machine.host.endProcesses(mark)).toBeGreaterThan(0);
      expect([count(mark), count(`${mark}/two`)]).toEqual([0, 0]);
      expect(await machine.host.endProcesses(mark)).toBe(0);
      expect(count(other.mark)).toBeGreaterThanOrEqual(2);
      other.cancel();
      expect(await Promise.all(running)).toEqual(Array.from(running, () => expect.any(Error)));
    });
  });

  test('who starts processes under a mark without end is not waited for', async () => {
    const mark = `test-${process.pid}-${uniqueSleep()}`;
    const stop = join(machine.folder, 'stop');
    machine.sh(`(until [ -e "$1" ]; do KEDGE_MARK="$2/x" sleep 600; done) </dev/null >/dev/null 2>&1 &`, stop, mark);
    const isThere = async (): Promise<boolean> => (await machine.host.listMarks()).includes(`${mark}/x`);
    try {
      await until('one runs', isThere);
      expect(await machine.host.endProcesses(mark)).toBeGreaterThan(0);
      await until('the next one runs', isThere);
    } finally {
      machine.sh('touch "$1"', stop);
      await machine.host.endProcesses(mark);
    }
    expect(await isThere()).toBe(false);
  });

  itAsRoot('processes of other accounts are none of a task, whatever mark they carry', async () => {
    const mark = `test-${process.pid}-${uniqueSleep()}`;
    const sleep = uniqueSleep();
    machine.sh(
      `KEDGE_MARK="$1/x" setpriv --reuid="$2" --regid="$2" --clear-groups sleep "$3" </dev/null >/dev/null 2>&1 &`,
      mark,
      String(machine.owner.uid),
      sleep,
    );
    try {
      await until(
        'it runs',
        () => machine.sh('pgrep -fxu "$1" "sleep $2" || true', String(machine.owner.uid), sleep) !== '',
      );
      expect(await machine.host.listMarks()).not.toContain(`${mark}/x`);
      expect(await machine.host.endProcesses(mark)).toBe(0);
      expect(processesWith(machine, sleep)).toBe(1);
    } finally {
      machine.sh('pkill -9 -fxu "$1" "sleep $2"', String(machine.owner.uid), sleep);
    }
  });

  test('to run as an account needs a sandbox', async () => {
    await expect(run(['true'], { owner: machine.owner })).rejects.toMatchObject({ code: 'Internal' });
  });

  (isRoot ? test.skip : test)('who is not root runs as no other account', async () => {
    const root = { user: 'root', uid: 0, gid: 0 };
    await expect(run(['true'], { owner: root, sandbox: {} })).rejects.toMatchObject({ code: 'OwnerRefused' });
  });
}
