import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSecret } from '../../../src/core/secrets/references';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-secrets-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const NOTHING = { environment: {} };
const read = (name: string) => readSecret({ file: join(folder, name) }, NOTHING);
async function lay(content: string | Buffer, mode = 0o600): Promise<void> {
  await writeFile(join(folder, 'secret'), content);
  await chmod(join(folder, 'secret'), mode);
}

describe('references to secrets', () => {
  test.each([
    ['as it stands', 'p4ss wörd', 'p4ss wörd'],
    ['without one newline at its end', 'secret\n', 'secret'],
    ['nor one of Windows', 'secret\r\n', 'secret'],
    ['of two newlines one stays', 'secret\n\n', 'secret\n'],
    ['spaces are part of it', ' secret ', ' secret '],
    ['a byte order mark too', '\ufeffsecret', '\ufeffsecret'],
  ])('a file is read %s', async (_, content, secret) => {
    await lay(content);
    expect(await read('secret')).toBe(secret);
  });

  test.each([0o600, 0o400, 0o440, 0o640])('mode %o lets nobody in who may not', async (mode) => {
    await lay('secret', mode);
    expect(await read('secret')).toBe('secret');
  });

  test.each([0o644, 0o604, 0o606, 0o660, 0o620, 0o601, 0o666])(
    'mode %o is refused, and says what to do',
    async (mode) => {
      await lay('secret-canary', mode);
      const error: unknown = await read('secret').catch((caught: unknown) => caught);
      expect(error).toMatchObject({
        code: 'OwnerRefused',
        message: expect.stringContaining(`mode 0${mode.toString(8)}`),
        hint: expect.stringContaining(`chmod 600 ${join(folder, 'secret')}`),
      });
      expect(JSON.stringify(error)).not.toContain('canary');
    },
  );

  (process.getuid?.() === 0 ? test : test.skip)('a file of another account is refused (needs root)', async () => {
    await lay('secret');
    execFileSync('chown', ['12345', join(folder, 'secret')]);
    await expect(read('secret')).rejects.toMatchObject({
      code: 'OwnerRefused',
      message: expect.stringContaining('uid 12345'),
    });
  });

  test('a link is followed, and what it leads to is judged', async () => {
    await lay('secret');
    await symlink('secret', join(folder, 'link'));
    expect(await read('link')).toBe('secret');
    await chmod(join(folder, 'secret'), 0o644);
    await expect(read('link')).rejects.toMatchObject({ code: 'OwnerRefused' });
  });

  test('what is no secret is refused, and named', async () => {
    execFileSync('sh', ['-c', 'cd "$1"; mkdir dir; mkfifo -m 600 pipe; ln -s loop loop', 'sh', folder]);
    const contents: [string | Buffer, RegExp][] = [
      ['', /is empty/],
      ['\n', /is empty/],
      ['a\0b', /holds a NUL byte/],
      [Buffer.from([0x63, 0xe9]), /is not UTF-8/],
      [Buffer.alloc(64 * 1024 + 1, 0x61), /is larger than 65536 bytes/],
    ];
    for (const [content, message] of contents) {
      await lay(content);
      await expect(read('secret')).rejects.toMatchObject({
        code: 'SecretUnavailable',
        message: expect.stringMatching(message),
      });
    }
    for (const [name, message] of [
      ['missing', /missing does not exist/],
      ['dir', /no regular file/],
      ['pipe', /no regular file/],
      ['loop', /ELOOP/],
    ] as const) {
      await expect(read(name)).rejects.toMatchObject({
        code: 'SecretUnavailable',
        message: expect.stringMatching(message),
      });
    }
  });

  test('a variable of the environment that was handed in', async () => {
    const source = { environment: { DB_PASSWORD: 'from env\n', EMPTY: '' } };
    expect(await readSecret({ env: 'DB_PASSWORD' }, source)).toBe('from env');
    for (const [env, message] of [
      ['EMPTY', /EMPTY is empty/],
      ['PATH', /PATH is not set/],
    ] as const) {
      await expect(readSecret({ env }, source)).rejects.toMatchObject({
        code: 'SecretUnavailable',
        message: expect.stringMatching(message),
      });
    }
  });
});
