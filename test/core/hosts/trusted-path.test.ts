import { chmod, chown, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { assertTrustedFile } from '../../../src/core/hosts/trusted-path';

const host = createLocalHost({ name: 'here' });
let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp('/var/tmp/kedge-trusted-');
  await mkdir(join(folder, 'backups'), { mode: 0o700 });
  file = join(folder, 'backups', 'a.tar');
  await writeFile(file, 'x', { mode: 0o600 });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const refused = { code: 'OwnerRefused', server: 'here' };

test('a file of our own in folders of our own, below a sticky one, is trusted', async () => {
  await expect(assertTrustedFile(host, file)).resolves.toBeUndefined();
});

test.each(['620', '602'])('a file of mode %s is refused', async (mode) => {
  await chmod(file, Number.parseInt(mode, 8));
  await expect(assertTrustedFile(host, file)).rejects.toMatchObject(refused);
});

test.each(['770', '707'])('a folder of mode %s above it is refused', async (octal) => {
  const mode = Number.parseInt(octal, 8);
  await chmod(join(folder, 'backups'), mode);
  await expect(assertTrustedFile(host, file)).rejects.toMatchObject(refused);
  await chmod(join(folder, 'backups'), 0o700);
  await chmod(folder, mode);
  await expect(assertTrustedFile(host, file)).rejects.toMatchObject(refused);
});

test('a link, and what is missing, are refused', async () => {
  await symlink(file, join(folder, 'backups', 'link'));
  await expect(assertTrustedFile(host, join(folder, 'backups', 'link'))).rejects.toMatchObject(refused);
  await expect(assertTrustedFile(host, join(folder, 'backups', 'none'))).rejects.toMatchObject(refused);
});

// Only root can give files away.
(process.getuid?.() === 0 ? test : test.skip)("somebody else's file or folder is refused", async () => {
  await chown(file, 65534, 65534);
  await expect(assertTrustedFile(host, file)).rejects.toMatchObject(refused);
  await chown(file, 0, 0);
  await chown(folder, 65534, 65534);
  await expect(assertTrustedFile(host, file)).rejects.toMatchObject(refused);
});
