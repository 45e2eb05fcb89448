import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { checkSiteFolder } from '../../../src/core/sites/folder-check';
import { type SiteFolder, liveFolder } from '../../../src/core/sites/site-folder';
import { works } from '../hosts/machine';
import { type Fixture, makeSite, testOperation } from './site-fixture';

const privileged = process.getuid?.() === 0;

describe('what a site folder holds', () => {
  let site: Fixture;
  beforeEach(async () => {
    site = await makeSite();
  });
  afterEach(() => site.remove());

  const sh = (script: string): string =>
    execFileSync('sh', ['-c', `cd "$1"; ${script}`, 'sh', site.folder.path], { encoding: 'utf8' });
  const check = () => checkSiteFolder(site.folder, testOperation());
  const named = (code: string, ...parts: string[]) => ({
    code,
    site: 'shop.example',
    message: expect.stringMatching(new RegExp(parts.map((part) => `(?=.*${part})`).join(''), 's')),
  });

  test('an ordinary site: files, bytes, no warning', async () => {
    await site.write('index.php', '12345');
    await site.write('wp-content/uploads/a b', Buffer.alloc(10_000));
    const bytesAsName = Buffer.from([0x6e, 0x61, 0xef, 0x76, 0x65]);
    sh('ln index.php second; ln -s index.php link; ln -s wp-content/uploads shortcut; ln -s gone dangling');
    execFileSync('touch', [`${site.folder.path}/new\nline`]);
    sh(`touch "$(printf '${[...bytesAsName].map((byte) => `\\${byte.toString(8)}`).join('')}')"`);
    if (privileged) sh('chown -Rh --reference=. .');
    expect(await check()).toEqual({
      warnings: [],
      bytes: 10_005,
      files: 8,
      folders: [{ path: site.folder.path, bytes: 10_005 }],
      foreignOwners: false,
    });
  });

  test('paths that no archive holds are refused, before they fill the memory', async () => {
    sh(`perl -e 'for (1 .. 400) { mkdir "x" x 250; chdir "x" x 250 or die }'`);
    try {
      await expect(check()).rejects.toMatchObject(named('SiteFolderRefused', 'nested too deep', 'x{100}'));
    } finally {
      sh('rm -r x*');
    }
  });

  test('links that lead out are warned about, up to a number', async () => {
    sh('mkdir sub; ln -s /srv/media media; ln -s ../../else sub/out; ln -s sub inside; ln -s ../sub sub/in');
    const { warnings } = await check();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('media -> /srv/media');
    expect(warnings[0]).toContain('sub/out -> ../../else');
    expect(warnings[0]).not.toContain('inside');
    sh('for n in 1 2 3 4 5 6 7 8; do ln -s "/elsewhere/$n" "out$n"; done');
    expect((await check()).warnings[0]).toMatch(/and more$/);
  });

  test('a name with control characters is named without them', async () => {
    execFileSync('ln', ['-s', '/out\u001b[2J', join(site.folder.path, 'bad\u001b]0;name')]);
    const { warnings } = await check();
    expect(warnings[0]).toContain('bad?]0;name -> /out?[2J');
  });

  test('files of others are found', async () => {
    await site.write('index.php', 'x');
    if (privileged) {
      sh('touch by-deploy; chown 12345 by-deploy');
      expect(await check()).toMatchObject({ foreignOwners: true });
    } else {
      // For an ordinary worker a site of another account is one of others; its own files are not the owner's then.
      const other = { ...site.folder.site, owner: { user: 'other', uid: 12_345, gid: 12_345 } };
      await expect(checkSiteFolder({ ...site.folder, site: other }, testOperation())).rejects.toMatchObject(
        named('OwnerRefused', 'files of others', 'index.php'),
      );
    }
  });

  test('a folder of the site that its owner cannot read is looked through all the same', async () => {
    await site.write('locked/file', '12345');
    sh('chmod 0 locked');
    try {
      expect(await check()).toMatchObject({ bytes: 5, files: 1 });
    } finally {
      sh('chmod 700 locked');
    }
  });

  test('what is missing, a link or no folder is refused', async () => {
    sh('touch ../file; ln -s site ../link');
    for (const [name, problem] of [
      ['missing', 'is missing'],
      ['link', 'is a symbolic link'],
      ['file', 'is a file'],
    ] as const) {
      const folder = { ...site.folder, path: join(site.base, name) };
      await expect(checkSiteFolder(folder, testOperation())).rejects.toMatchObject(named('SiteFolderRefused', problem));
    }
  });

  const canMount = privileged && works('unshare', '--mount', 'mount', '-t', 'tmpfs', 'kedge-test', '/mnt');
  (canMount ? test : test.skip)('something mounted inside is refused, and named (needs leave to mount)', async () => {
    sh('mkdir -p wp-content/uploads; mount -t tmpfs -o size=64k kedge-test wp-content/uploads');
    try {
      await expect(check()).rejects.toMatchObject(named('SiteFolderRefused', 'mounted', 'wp-content/uploads'));
    } finally {
      sh('umount wp-content/uploads');
    }
    sh('mkdir ../other; mount --bind ../other wp-content/uploads');
    try {
      await expect(check()).rejects.toMatchObject(named('SiteFolderRefused', 'mounted', 'wp-content/uploads'));
    } finally {
      sh('umount wp-content/uploads');
    }
    expect((await check()).files).toBe(0);
  });

  const canMark = works(
    'sh',
    '-c',
    'f=$(mktemp /var/tmp/kedge-mark-XXXXXX); chattr +i "$f"; s=$?; chattr -i "$f"; rm -f "$f"; exit $s',
  );
  (canMark ? test : test.skip)('immutable and append-only files are refused, and named (needs chattr)', async () => {
    await site.write('wp-content/fixed', 'x');
    await site.write('log', 'x');
    sh('chattr +i wp-content/fixed; chattr +a log');
    try {
      await expect(check()).rejects.toMatchObject(named('SiteFolderRefused', 'immutable', 'wp-content/fixed', 'log'));
    } finally {
      sh('chattr -i wp-content/fixed; chattr -a log');
    }
    expect((await check()).files).toBe(2);
  });

  describe('with a declared path', () => {
    let declared: SiteFolder;
    beforeEach(() => {
      sh('mkdir ../files');
      const paths = { files: join(site.base, 'files') };
      declared = liveFolder(site.folder.host, { ...site.folder.site, paths });
      if (privileged) sh('chown --reference=. ../files');
    });

    test('it counts, and links between the two lead nowhere else', async () => {
      await site.write('index.php', '12345');
      sh(
        'echo 123 > ../files/picture; ln -s ../files uploads; ln -s ../site/index.php ../files/page; ln -s .. ../files/out',
      );
      expect(await checkSiteFolder(declared, testOperation())).toMatchObject({
        bytes: 9,
        folders: [
          { path: site.folder.path, bytes: 5 },
          { path: join(site.base, 'files'), bytes: 4 },
        ],
        warnings: [expect.stringMatching(/out of the declared path .*files; .*: out -> \.\.$/)],
      });
    });

    test('it is refused where it is missing, a link, or no folder, with the key that names it', async () => {
      for (const [make, problem] of [
        ['true', 'declared path .*/files is missing'],
        ['mkdir ../real; ln -s real ../files', 'is a symbolic link'],
        ['touch ../files', 'is a file'],
      ] as const) {
        sh(`rm -rf ../files; ${make}`);
        await expect(checkSiteFolder(declared, testOperation())).rejects.toMatchObject({
          ...named('SiteFolderRefused', problem),
          hint: expect.stringContaining('`paths.files:`') as unknown,
        });
      }
    });

    test('a hard link that joins it to the site folder is refused: a restore would cut it', async () => {
      await site.write('index.php', '12345');
      sh('ln index.php ../files/shared');
      await expect(checkSiteFolder(declared, testOperation())).rejects.toMatchObject(
        named('SiteFolderRefused', 'hard links join', 'files', 'shared'),
      );
    });
  });

  test('files that vanish meanwhile are no error', async () => {
    sh('mkdir many; for n in 1 2 3; do mkdir "many/$n"; touch "many/$n/file"; done');
    const churn = async (): Promise<void> => {
      for (let round = 0; round < 15; round += 1) {
        sh('for n in 1 2 3; do rm -rf "many/$n"; mkdir "many/$n"; touch "many/$n/file"; done');
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const [first] = await Promise.all([check(), churn()]);
    expect(first.warnings).toEqual([]);
  });
});
