import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { checkSiteFolder } from '../../../src/core/sites/folder-check';
import { type SiteFolder, liveFolder } from '../../../src/core/sites/site-folder';
import { works } from '../hosts/machine';
import { type Fixture, makeSite } from './site-fixture';
import { testOperation } from '../../helpers/operation';

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
      notBackedUp: [],
      bytes: 10_005,
      files: 8,
      folders: [{ path: site.folder.path, bytes: 10_005 }],
      foreignOwners: false,
      linkedTo: [],
    });
  });

  test('paths that no archive holds are a warning, and do not fill the memory', async () => {
    await site.write('index.php', '12345');
    sh(`perl -e 'for (1 .. 2000) { mkdir "x" x 250; chdir "x" x 250 or die }'`);
    try {
      const { warnings, notBackedUp, bytes } = await check();
      expect({ warnings, bytes }).toEqual({ warnings: notBackedUp, bytes: 5 });
      expect(notBackedUp).toEqual([expect.stringMatching(/longer than 4081 bytes, .* in no backup.* \(1\): x{200}…$/)]);
    } finally {
      sh('rm -r x*');
    }
  });

  test('pipes and sockets are a warning: twenty named, all counted, the whole list in the log', async () => {
    sh(
      'mkfifo "of other$(printf "\\nname")"; for n in $(seq 30); do mkfifo "pipe$n"; done; mkdir cache; mkfifo cache/passed',
    );
    const folder = { ...site.folder, site: { ...site.folder.site, exclude: ['cache/*'] } };
    const operation = testOperation();
    const { notBackedUp } = await checkSiteFolder(folder, operation);
    expect(notBackedUp).toEqual([expect.stringMatching(/pipes, .* in no backup \(31\): (\S+, ){0,19}.* and 11 more$/)]);
    const listed = operation.messages.join();
    for (let n = 1; n <= 30; n += 1) expect(listed).toMatch(new RegExp(`pipe${n}\\b`));
    expect(listed).toContain('of other?name');
    expect(listed + notBackedUp.join()).not.toContain('passed');
  });

  (privileged ? test : test.skip)('bits that a restore takes away are named, those that it keeps are not', async () => {
    sh('touch own group other; chown -R --reference=. .; mkdir shared; chmod 2775 shared');
    sh('chown 0:0 other; chgrp 0 group; chmod u+s own other; chmod g+s,g+x own group');
    const { warnings, notBackedUp } = await check();
    expect(notBackedUp).toEqual([]);
    expect(warnings).toEqual([
      expect.stringMatching(/setuid or setgid .* takes the bits away \(2\): (group, other|other, group)$/),
    ]);
  });

  (privileged ? test : test.skip)('a folder that is closed to everybody is looked through', async () => {
    await site.write('closed/index.php', '12345');
    sh('mkfifo closed/pipe; chmod 0 closed .');
    expect(await check()).toMatchObject({ bytes: 5, notBackedUp: [expect.stringContaining('closed/pipe') as unknown] });
  });

  test('names cannot have files look immutable', async () => {
    sh('mkdir "a$(printf "\\n----i---- ")"; touch -- "$(printf "a\\n----i---- ")/file" "----i---- "');
    expect((await check()).warnings).toEqual([]);
  });

  test('links that lead out are warned about, up to a number', async () => {
    sh('mkdir sub; ln -s /srv/media media; ln -s ../../else sub/out; ln -s sub inside; ln -s ../sub sub/in');
    const { warnings } = await check();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('media -> /srv/media');
    expect(warnings[0]).toContain('sub/out -> ../../else');
    expect(warnings[0]).not.toContain('inside');
    sh('for n in 1 2 3 4 5 6 7 8; do ln -s "/elsewhere/$n" "out$n"; done');
    expect((await check()).warnings[0]).toMatch(/\(10\): .*out8 -> .elsewhere.8/);
    sh('for n in $(seq 30); do ln -s "/elsewhere/$n" "more$n"; done');
    expect((await check()).warnings[0]).toMatch(/\(40\): .* and 20 more$/);
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
        warnings: [expect.stringMatching(/out of the declared path .*files; .* \(1\): out -> \.\.$/)],
        linkedTo: [expect.stringMatching(/^\/[^.]/)],
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

    test('a hard link that joins it to the site folder is a warning, and counts once', async () => {
      await site.write('index.php', '12345');
      sh('ln index.php ../files/shared');
      const { warnings, notBackedUp, bytes } = await checkSiteFolder(declared, testOperation());
      expect({ notBackedUp, bytes }).toEqual({ notBackedUp: [], bytes: 5 });
      expect(warnings).toEqual([expect.stringMatching(/hard links that join .*files.* \(1\): shared$/)]);
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
