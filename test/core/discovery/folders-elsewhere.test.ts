import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { findFoldersElsewhere } from '../../../src/core/discovery/folders-elsewhere';
import { siteKindOf } from '../../../src/core/sites/site-kinds';
import { type Fixture, makeSite } from '../sites/site-fixture';
import { itAsRoot } from '../../helpers/as-root';
import { testOperation } from '../../helpers/operation';

let site: Fixture;
beforeEach(async () => {
  site = await makeSite();
  sh('mkdir ../media ../content ../others; chown --reference=. ../media ../content');
});
afterEach(() => site.remove());

const sh = (script: string): void => void execFileSync('sh', ['-euc', `cd "$1"; ${script}`, 'sh', site.folder.path]);
const at = (name: string): string => join(site.base, name);
const { traces } = siteKindOf({ kind: 'wordpress' });
const find = (text: string | null = null) => {
  const { host, path, site: location } = site.folder;
  const settings = text === null ? null : { text, folderConstants: traces?.folderConstants ?? {} };
  return findFoldersElsewhere(host, path, location.owner.uid, settings, testOperation());
};

// Root's own folders are nobody's uploads: these take another account.
itAsRoot('links to folders of the owner, by names that a configuration takes', async () => {
  sh('mkdir -p wp-content a/b/c; ln -s "$(realpath ../media)" "wp-content/Up loads"; ln -s ../../content a/site');
  expect(await find()).toEqual(
    expect.arrayContaining([
      { name: 'up-loads', path: at('media'), from: 'the link wp-content/Up loads' },
      { name: 'files', path: at('content'), from: 'the link a/site' },
    ]),
  );
});

itAsRoot('not what belongs to others, is no folder, lies inside, holds the site, or was named already', async () => {
  sh('mkdir inside; touch ../media/file; ln -s inside near; ln -s .. above; ln -s ../others others; ln -s /etc etc');
  sh('ln -s ../media/file file; ln -s ../gone gone; ln -s ../media media; ln -s ../media again; mkdir -p a/b/c');
  sh('ln -s ../../../../content a/b/c/deep');
  const found = await find();
  expect(found.map(({ path }) => path)).toEqual([at('media')]);
});

itAsRoot('constants of WordPress that name folders, not those in comments', async () => {
  const settings = `<?php
// define('WP_PLUGIN_DIR', '${at('others')}');
define( "WP_CONTENT_DIR", '${at('content')}' );
define('UPLOADS', '../media');
define('WP_PLUGIN_DIR', __DIR__ . '/elsewhere');
`;
  expect(await find(settings)).toEqual([
    { name: 'content', path: at('content'), from: 'WP_CONTENT_DIR' },
    { name: 'uploads', path: at('media'), from: 'UPLOADS' },
  ]);
});
