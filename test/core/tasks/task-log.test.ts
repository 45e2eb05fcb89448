import { appendFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { MAXIMUM_PAYLOAD_BYTES, jsonBytes } from '../../../src/contract/payload-bounds';
import { Redactor } from '../../../src/core/secrets/redaction';
import { TaskLogs } from '../../../src/core/tasks/task-log';
import { hostileText, obeyed } from '../../helpers/hostile-text';

let folder: string;
let logs: TaskLogs;
const redactor = new Redactor();
redactor.register('canary-secret', null);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-log-'));
  logs = new TaskLogs(join(folder, 'tasks'), (value, site) => redactor.value(value, site));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const task = 'example.com-20261124.031502-backup';

describe('task log', () => {
  it('writes a line each, in order, for its owner alone, and collects warnings', async () => {
    const log = logs.of(task, 'tarball', 2);
    log.info('began', { bytes: 3 });
    log.warn('a file changed');
    log.error('no');
    await log.settled();
    const { lines, next } = await logs.read(task);
    expect(lines.map(({ level, step, message }) => [level, step, message])).toEqual([
      ['info', 'tarball', 'began'],
      ['warning', 'tarball', 'a file changed'],
      ['error', 'tarball', 'no'],
    ]);
    expect(lines[0]).toMatchObject({ attempt: 2, bytes: 3 });
    expect(log.told.warnings).toEqual(['a file changed']);
    expect((await stat(join(folder, 'tasks', `${task}.ndjson`))).mode & 0o777).toBe(0o600);
    expect(await logs.read(task, next)).toEqual({ lines: [], next });
  });

  it('redacts messages, fields and warnings', async () => {
    const log = logs.of(task, 'verify', 1);
    log.warn('password canary-secret refused', { argv: ['--password=canary-secret'] });
    await log.settled();
    expect(await readFile(join(folder, 'tasks', `${task}.ndjson`), 'utf8')).not.toContain('canary-secret');
    expect(log.told.warnings).toEqual(['password [redacted] refused']);
  });

  it('a password that is a word of the log itself takes nothing away, from no site', async () => {
    const words = new Redactor();
    for (const word of ['message', 'info', 'level', 'verify', 'began', 'event', task, '2026', 'T', 'durationMs'])
      words.register(word, 'example.com');
    words.register('shop.example was saved as ever', 'example.com');
    const logs = new TaskLogs(join(folder, 'tasks'), (value, site) => words.value(value, site));
    const log = logs.of(task, 'verify', 1);
    log.info('began', { event: 'began', durationMs: 3 });
    await log.settled();
    expect((await logs.read(task)).lines).toMatchObject([
      {
        level: 'info',
        step: 'verify',
        message: 'began',
        event: 'began',
        durationMs: 3,
        time: expect.stringMatching(/^20/),
      },
    ]);
    const other = 'shop.example-20261124.031502-backup';
    const others = logs.of(other, 'verify', 1);
    others.warn('shop.example was saved as ever');
    await others.settled();
    expect((await logs.read(other)).lines).toMatchObject([{ message: 'shop.example was saved as ever' }]);
  });

  it('leaves a line that is not yet whole for the next read, and shows a torn one as such', async () => {
    const log = logs.of(task, 'deploy', 1);
    log.info('one');
    await log.settled();
    const path = join(folder, 'tasks', `${task}.ndjson`);
    await appendFile(path, '{"time":"t","level":"info","step":"deploy","mess');
    const first = await logs.read(task);
    expect(first.lines).toHaveLength(1);
    await appendFile(path, '\n{"time":"t","level":"info","step":"deploy","message":"two"}\n');
    expect((await logs.read(task, first.next)).lines.map((line) => line.message)).toEqual([
      'a line of the log cannot be read: {"time":"t","level":"info","step":"deploy","mess',
      'two',
    ]);
  });

  it('shows what it does not know, and is held by no line however long', async () => {
    await logs.of(task, 'deploy', 1).settled();
    const path = join(folder, 'tasks', `${task}.ndjson`);
    const odd = ['no JSON', '7', '{"level":"debug"}', '{"time":1,"level":"info","step":"a","message":"b"}'];
    await mkdir(join(folder, 'tasks'), { recursive: true });
    await writeFile(
      path,
      `${odd.join('\n')}\n${'x'.repeat(3 * 1024 * 1024)}\n{"time":"t","level":"info","step":"s","message":"end"}\n`,
    );
    const messages: string[] = [];
    for (let offset = 0, next = -1; next !== offset;) {
      if (next > 0) offset = next;
      const read = await logs.read(task, offset);
      messages.push(...read.lines.map(({ level, message }) => `${level}: ${message}`));
      next = read.next;
    }
    for (const line of odd) expect(messages).toContain(`warning: a line of the log cannot be read: ${line}`);
    expect(messages.at(-1)).toBe('info: end');
  });

  it('an event is one line, whatever it says', () => {
    return fc.assert(
      fc.asyncProperty(hostileText(), hostileText(), async (text, key) => {
        const log = logs.of(task, 'verify', 1);
        log.warn(text, { [key]: text });
        await log.settled();
        const written = await readFile(join(folder, 'tasks', `${task}.ndjson`), 'utf8');
        expect(written.match(/\n/g)).toHaveLength(1);
        expect(obeyed(written.slice(0, -1))).toBeNull();
        expect(obeyed(log.told.warnings.join(''))).toBeNull();
        expect((await logs.read(task)).lines.map(({ message }) => message)).toEqual([text.toWellFormed()]);
        await logs.remove(task);
      }),
    );
  });

  it('a warning of any length is in the log, whole, in lines that fit into a page; what is told of it is short', async () => {
    const names = Array.from({ length: 20_000 }, (_, index) => `tablé ${index}`);
    const log = logs.of(task, 'dumpDatabase', 1);
    log.warn(names.join(', '), { event: 'found' });
    for (let more = 0; more < 50; more += 1) log.warn(`another ${more} ${'"'.repeat(10_000)}`);
    await log.settled();
    expect(log.told.warnings).toHaveLength(20);
    expect(log.told.more).toBe(31);
    expect(jsonBytes(log.told.sentences(task))).toBeLessThan(MAXIMUM_PAYLOAD_BYTES);
    expect(log.told.warnings[0]).toMatch(/^tablé 0, tablé 1, .*… \(2\d+ more characters\)$/);
    expect(log.told.sentences(task).at(-1)).toBe(`31 more warnings: see \`kedge log ${task}\``);

    const messages: string[] = [];
    for (let offset = 0; ;) {
      const { lines, next } = await logs.read(task, offset, 64 * 1024);
      if (lines.length === 0) break;
      expect(jsonBytes(lines)).toBeLessThan(MAXIMUM_PAYLOAD_BYTES);
      messages.push(...lines.map(({ message }) => message));
      offset = next;
    }
    const first = messages.findIndex((message) => message.startsWith('another'));
    expect(
      messages
        .slice(0, first)
        .map((message, index) => (index === 0 ? message : message.slice('… '.length)))
        .join(''),
    ).toBe(names.join(', '));
  });

  it('a task without a log has no lines', async () => {
    expect(await logs.read(task)).toEqual({ lines: [], next: 0 });
  });
});
