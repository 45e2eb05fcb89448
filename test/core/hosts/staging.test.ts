import { join } from 'node:path';
import { makeStagingFolder, safeStagingParent, stagingFolderFor } from '../../../src/core/hosts/staging';
import { localMachine } from './local-machine';
import type { Machine } from './machine';
import { itAsRoot } from '../../helpers/as-root';

const refused = (message: RegExp) => ({
  code: 'SiteFolderRefused',
  message: expect.stringMatching(message),
});

describe('where a restore is staged', () => {
  let machine: Machine;
  let folder: string;
  let count = 0;
  beforeAll(() => {
    machine = localMachine();
  });
  afterAll(() => machine.dispose());
  beforeEach(() => {
    folder = join(machine.folder, `case-${(count += 1)}`);
    machine.sh('mkdir "$1"', folder);
  });
  const at = (name: string): string => join(folder, name);
  /** `$owner` is the account of the site. */
  const sh = (script: string): string => machine.sh(`cd "$1"; owner=$2; ${script}`, folder, String(machine.owner.uid));
  const parentOf = (name: string): Promise<string> => safeStagingParent(machine.host, at(name));

  test('the nearest ancestor, where only the worker may change it', async () => {
    sh('mkdir -p srv/site');
    if ((await machine.host.account()).privileged) sh('chown "$owner" srv/site');
    expect(await parentOf('srv/site')).toBe(at('srv'));
  });

  test('an ancestor that others may write to is passed over, and all below it', async () => {
    sh('mkdir -p a/b/c/site; chmod 775 a');
    expect(await parentOf('a/b/c/site')).toBe(folder);
    sh('chmod 757 a');
    expect(await parentOf('a/b/c/site')).toBe(folder);
    sh('chmod 755 a');
    expect(await parentOf('a/b/c/site')).toBe(at('a/b/c'));
  });

  itAsRoot('an ancestor of the owner of the site is passed over, and all below it', async () => {
    sh('mkdir -p home/www/site; chown "$owner" home');
    expect(await parentOf('home/www/site')).toBe(folder);
  });

  test("in a sticky folder nobody renames what is the worker's", async () => {
    sh('mkdir -p shared/site; chmod 1777 shared');
    expect(await parentOf('shared/site')).toBe(at('shared'));
  });

  itAsRoot("in a sticky folder one of the owner's is passed over", async () => {
    sh('mkdir -p shared; chmod 1777 shared');
    sh('mkdir -p shared/home/site; chown "$owner" shared/home');
    expect(await parentOf('shared/home/site')).toBe(at('shared'));
  });

  test('what is missing, a link or no folder is refused, and says so', async () => {
    sh('mkdir site; ln -s site link; touch file');
    await expect(parentOf('missing')).rejects.toMatchObject(refused(/missing .*does not exist/));
    await expect(parentOf('link')).rejects.toMatchObject(refused(/link .*is a symbolic link/));
    await expect(parentOf('file')).rejects.toMatchObject(refused(/file .*is no folder/));
    await expect(parentOf('file/below')).rejects.toMatchObject(refused(/does not exist/));
  });

  test('a mount point is refused, and a file system whose top others may change', async () => {
    if (!machine.canMount) return console.warn('not tested: nothing can be mounted here');
    sh('mkdir site; mount -t tmpfs -o size=64k,mode=757 kedge-test site; mkdir -p site/below');
    try {
      await expect(parentOf('site')).rejects.toMatchObject(refused(/is a mount point/));
      await expect(parentOf('site/below')).rejects.toMatchObject(refused(/no ancestor on its file system/));
      sh('chmod 755 site');
      expect(await parentOf('site/below')).toBe(at('site'));
    } finally {
      sh('umount site');
    }
  });

  test("the folder is the worker's alone, again and again", async () => {
    sh('mkdir -p srv/site');
    const staging = await stagingFolderFor(machine.host, at('srv/site'), 'token1');
    expect(staging).toBe(at('srv/.kedge/token1'));
    await makeStagingFolder(machine.host, staging);
    await makeStagingFolder(machine.host, staging);
    expect(sh('stat -c %a srv/.kedge srv/.kedge/token1; ls -A srv')).toBe('700\n700\n.kedge\nsite\n');
  });

  test('what somebody else laid in its place is refused', async () => {
    for (const [lay, what] of [
      ['mkdir -p srv/.kedge; chmod 755 srv/.kedge', 'a folder others may enter'],
      ['mkdir -p elsewhere; ln -s ../elsewhere srv/.kedge', 'a link'],
      ['mkdir -p srv/.kedge; chmod 700 srv/.kedge; ln -s /tmp srv/.kedge/token1', 'a link of the token'],
      ...((await machine.host.account()).privileged
        ? ([['mkdir -m 700 srv/.kedge; chown "$owner" srv/.kedge', 'a folder of another']] as const)
        : []),
    ] as const) {
      sh(`rm -rf srv; mkdir -p srv/site; ${lay}`);
      const error: unknown = await makeStagingFolder(machine.host, at('srv/.kedge/token1')).catch(
        (caught: unknown) => caught,
      );
      expect([what, error]).toEqual([what, expect.objectContaining({ code: 'OwnerRefused' })]);
      expect(sh('ls -A elsewhere 2>/dev/null || true')).toBe('');
    }
  });
});
