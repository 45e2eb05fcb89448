import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assertTrusted, readTrustedFile } from '../../src/trust/trusted-path';
import { describeAsRoot } from '../helpers/as-root';

const SOMEBODY = 65534;

let top: string;
let file: string;
beforeEach(async () => {
  top = await mkdtemp('/var/tmp/kedge-trust-');
  await mkdir(join(top, 'etc/kedge'), { recursive: true });
  file = join(top, 'etc/kedge/kedge.yaml');
  await writeFile(file, 'right', { mode: 0o644 });
});
afterEach(() => rm(top, { recursive: true, force: true }));

const at = (path: string): string => join(top, path);
const read = (path = file): string => readTrustedFile(path).toString();

describeAsRoot('to root', () => {
  it('a file of his own in folders of his own, below a sticky one, is trusted', () => {
    expect(read()).toBe('right');
    expect(() => assertTrusted(file)).not.toThrow();
  });

  it.each<[string, (path: string) => Promise<void>, string]>([
    ['the file', async (path) => chown(path, SOMEBODY, SOMEBODY), 'it belongs to uid 65534'],
    ['its mode', async (path) => chmod(path, 0o664), 'it has mode 0664'],
    ['its mode for all', async (path) => chmod(path, 0o646), 'it has mode 0646'],
    ['a sticky file', async (path) => chmod(path, 0o1666), 'it has mode 0666'],
    ['its folder', async () => chown(at('etc/kedge'), SOMEBODY, 0), 'etc/kedge belongs to uid 65534'],
    ['a group of its folder', async () => chmod(at('etc/kedge'), 0o775), 'etc/kedge has mode 0775'],
    ['a folder further up', async () => chmod(at('etc'), 0o777), 'etc has mode 0777'],
    ['the owner of one further up', async () => chown(at('etc'), SOMEBODY, 0), 'etc belongs to uid 65534'],
  ])('what others can change by %s is refused', async (_, change, why) => {
    await change(file);
    for (const look of [read, assertTrusted])
      expect(() => look(file)).toThrow(
        expect.objectContaining({ code: 'OwnerRefused', message: expect.stringContaining(why) }) as Error,
      );
  });

  it('in a sticky folder only what belongs to root', async () => {
    await chmod(at('etc/kedge'), 0o1777);
    expect(read()).toBe('right');
    await chown(file, SOMEBODY, SOMEBODY);
    expect(() => read()).toThrow(/belongs to uid/);
  });

  it('through links of his own to what is trusted, as configuration management lays them', async () => {
    await mkdir(at('store/1'), { recursive: true });
    await rename(file, at('store/1/kedge.yaml'));
    await symlink('1', at('store/now'));
    await symlink('../../store/now/../now/kedge.yaml', file);
    await symlink(at('etc'), at('configuration'));
    expect(read(at('configuration/kedge/./kedge.yaml'))).toBe('right');
  });

  it.each<[string, () => Promise<void>]>([
    ['a link of others', async () => execFileSync('chown', ['-h', '65534', at('link')]) as unknown as void],
    ['a link to what is theirs', async () => chown(file, SOMEBODY, SOMEBODY)],
    ['a link through a folder of theirs', async () => chown(at('etc'), SOMEBODY, SOMEBODY)],
    ['a folder of theirs that a link leads through', async () => chmod(at('etc/kedge'), 0o777)],
  ])('not through %s', async (_, change) => {
    await symlink('etc/kedge/kedge.yaml', at('link'));
    expect(read(at('link'))).toBe('right');
    await change();
    expect(() => read(at('link'))).toThrow(expect.objectContaining({ code: 'OwnerRefused' }) as Error);
  });

  it('dots lead where the kernel goes, not where the text does', async () => {
    await mkdir(at('elsewhere/deep'), { recursive: true });
    await symlink('elsewhere/deep', at('short'));
    await writeFile(at('elsewhere/kedge.yaml'), 'kernel');
    await writeFile(at('kedge.yaml'), 'text');
    const path = `${top}/short/../kedge.yaml`;
    expect(await readFile(path, 'utf8')).toBe('kernel');
    expect(read(path)).toBe('kernel');
  });

  it('a program that may be run and not read is judged too', async () => {
    await chmod(file, 0o711);
    expect(() => assertTrusted(file)).not.toThrow();
    await chown(file, SOMEBODY, SOMEBODY);
    expect(() => assertTrusted(file)).toThrow(/belongs to uid/);
  });

  it('devices and what is not there are for the program to complain of', () => {
    for (const path of ['/dev/null', at('none'), at('none/below')]) expect(() => assertTrusted(path)).not.toThrow();
  });

  it('a pipe holds nobody, a folder and what is too large are refused, a circle ends', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    await symlink('circle', at('circle'));
    expect(() => read(at('pipe'))).toThrow(/no regular file/);
    expect(() => read(at('etc'))).toThrow(/no regular file/);
    expect(() => read('/')).toThrow(/no regular file/);
    expect(() => readTrustedFile(file, 4)).toThrow(/larger than 4 bytes/);
    expect(readTrustedFile(file, 5).toString()).toBe('right');
    expect(() => read(at('circle'))).toThrow(/ELOOP/);
  });
});

describeAsRoot('to an ordinary user', () => {
  beforeEach(() => chown(top, SOMEBODY, SOMEBODY));
  /** Effective only, so that root's rights come back. */
  function asSomebody<T>(work: () => T): T {
    const getuid = jest.spyOn(process as { getuid(): number }, 'getuid').mockReturnValue(SOMEBODY);
    try {
      return work();
    } finally {
      getuid.mockRestore();
    }
  }

  it("root's files and his own are trusted, also where his group may write", async () => {
    await chmod(file, 0o664);
    await chmod(top, 0o775);
    expect(asSomebody(() => read())).toBe('right');
    await chown(file, SOMEBODY, SOMEBODY);
    expect(asSomebody(() => read())).toBe('right');
  });

  it("a third account's are not, nor what everybody may write", async () => {
    await chown(file, 12345, 12345);
    expect(() => asSomebody(() => read())).toThrow(/others than root and yourself: it belongs to uid 12345/);
    await chown(file, SOMEBODY, SOMEBODY);
    await chmod(top, 0o777);
    expect(() => asSomebody(() => read())).toThrow(/has mode 0777/);
  });
});
