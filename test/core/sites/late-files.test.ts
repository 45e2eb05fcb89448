import { execFileSync } from 'node:child_process';
import { filesChangedSince } from '../../../src/core/sites/late-files';
import { makeSite } from './site-fixture';
import { testOperation } from '../../helpers/operation';

test('files that were written, put or renamed there since, whatever time they say; not what backups leave out', async () => {
  const site = await makeSite();
  try {
    const { folder } = site;
    const sh = (script: string): void =>
      void execFileSync('sh', ['-c', `cd "$1"; ${script}`, 'sh', folder.path], { encoding: 'utf8' });
    sh('mkdir -p a/b cache/x logs tmp; touch old a/changed a/renamed a/untouched');
    // A time of the kernel's own clock, which is a tick behind.
    sh('sleep 0.05; touch now');
    const since = new Date(Number(execFileSync('stat', ['-c', '%.9Z', `${folder.path}/now`])) * 1000);
    sh('sleep 0.05; echo x >> a/changed; mv a/renamed a/b/moved; touch -d 2001-01-01 a/disguised; ln -s nowhere link');
    sh('touch cache/x/page logs/error.log logs/other tmp/t tmp/.hidden; mkdir -p deep/cache; touch deep/cache/kept');
    const exclude = ['cache', 'logs/*.log', 'tmp/*'];
    const { host, path } = folder;
    const previous = { name: 'site', live: '/srv/site', path };
    const late = await filesChangedSince(host, previous, exclude, since, testOperation());
    expect(late.filter((name) => name !== 'now')).toEqual([
      'a/b/moved',
      'a/changed',
      'a/disguised',
      'deep/cache/kept',
      'link',
      'logs/other',
    ]);
    const declared = { name: 'media', live: '/srv/media', path };
    const patterns = ['a', '/srv/media/a', '/srv/media/deep', '/srv/other/link'];
    expect(await filesChangedSince(host, declared, patterns, since, testOperation())).toEqual(
      expect.arrayContaining(['cache/x/page', 'link']),
    );
    expect((await filesChangedSince(host, declared, patterns, since, testOperation())).join()).not.toMatch(/a\/|deep/);
  } finally {
    await site.remove();
  }
});
