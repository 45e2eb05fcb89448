import { mkdir, mkdtemp, rm, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { SiteLocation } from '../../../src/contract/target';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { assertServed, assertStillLinked, followRoot } from '../../../src/core/sites/served-root';
import { testOperation } from '../../helpers/operation';

const host = createLocalHost({ name: 'here' });
let base: string;
let current: string;
const at = (...path: string[]): string => join(base, ...path);
const siteAt = (root: string): SiteLocation => ({ uri: 'shop.example', root }) as SiteLocation;

beforeEach(async () => {
  base = await mkdtemp('/var/tmp/kedge-served-');
  await mkdir(at('shop/releases/1/web'), { recursive: true });
  await mkdir(at('shop/releases/2'));
  await mkdir(at('elsewhere'));
  current = at('shop/current');
  await symlink('releases/1', current);
});
afterEach(() => rm(base, { recursive: true }));

describe('a root that is a link', () => {
  test.each([
    ['relative', 'releases/1', 'shop/releases/1'],
    ['absolute', null, 'shop/releases/2'],
    ['to a folder within a release', 'releases/1/web', 'shop/releases/1/web'],
    ['to a release that is gone', 'releases/gone', 'shop/releases/gone'],
  ])('%s is followed', async (_, to, leadsTo) => {
    await unlink(current);
    await symlink(to ?? at('shop/releases/2'), current);
    expect(await followRoot(host, siteAt(current), [])).toMatchObject({ root: at(leadsTo), linkedRoot: current });
  });

  test('to another link is followed to where that leads', async () => {
    await symlink('current', at('shop/live'));
    expect(await followRoot(host, siteAt(at('shop/live')), [])).toMatchObject({
      root: at('shop/releases/1'),
      linkedRoot: at('shop/live'),
    });
  });

  test.each([
    ['out of its folder', '../elsewhere'],
    ['to its own folder', '.'],
    ['to the folder above', '..'],
    ['to the root of all', '/'],
    ['to itself', 'current'],
    ['in a circle', 'circle'],
  ])('%s is left, for whoever needs a folder to refuse', async (_, to) => {
    await symlink('current', at('shop/circle'));
    await unlink(current);
    await symlink(to, current);
    expect(await followRoot(host, siteAt(current), [])).toEqual(siteAt(current));
  });

  test('below a link that is its administrator is followed beneath it', async () => {
    await symlink('shop', at('alias'));
    expect(await followRoot(host, siteAt(at('alias/current')), [])).toMatchObject({ root: at('shop/releases/1') });
  });
});

test.each([
  ['the same folder', ['elsewhere']],
  ['a folder within', ['elsewhere/below']],
  ['a folder around', []],
])('a site is refused that has %s with another one by another name of its machine', async (_, path) => {
  await expect(
    followRoot(host, siteAt(at('elsewhere')), [{ of: 'other.example', path: at(...path) }]),
  ).rejects.toMatchObject({
    code: 'SiteFolderRefused',
    message: `shop.example has ${at('elsewhere')} on here, and other.example has ${at(...path)}`,
  });
  const beside = [{ of: 'other.example', path: at('elsewhere2') }];
  expect(await followRoot(host, siteAt(at('elsewhere')), beside)).toEqual(siteAt(at('elsewhere')));
});

describe('links that lead two to one folder', () => {
  const taken = (...path: string[]) => [{ of: 'other.example', path: at(...path) }];

  test.each([
    ['a folder', ['shop/releases/1']],
    ['one within', ['shop/releases/1/web']],
    ['one around', ['shop/releases']],
    ['a link', ['shop/also']],
    ['a link above', ['alias/releases/1']],
  ])('are refused, be it %s of the other', async (_, path) => {
    await symlink('releases/1', at('shop/also'));
    await symlink('shop', at('alias'));
    await expect(followRoot(host, siteAt(current), taken(...path))).rejects.toMatchObject({
      code: 'SiteFolderRefused',
      message: expect.stringMatching(/current of shop\.example leads to .*releases\/1, and other\.example has /),
    });
  });

  test('above the roots are seen too', async () => {
    await symlink('shop', at('alias'));
    const root = at('alias/releases/1');
    await expect(followRoot(host, siteAt(root), taken('shop/releases/1'))).rejects.toMatchObject({
      code: 'SiteFolderRefused',
    });
  });

  test('do not keep the site that has the folder itself from it', async () => {
    const root = at('shop/releases/1');
    expect(await followRoot(host, siteAt(root), taken('shop/current'))).toEqual(siteAt(root));
  });

  test('to two releases stand in the way of nobody', async () => {
    await expect(followRoot(host, siteAt(current), taken('shop/releases/2'))).resolves.toBeDefined();
  });
});

test('a link that was set to another release meanwhile is told from one that was not', async () => {
  const site = await followRoot(host, siteAt(current), []);
  await assertStillLinked(host, site);
  await assertStillLinked(host, siteAt(at('shop/releases/1')));
  await unlink(current);
  await symlink('releases/2', current);
  await expect(assertStillLinked(host, site)).rejects.toMatchObject({
    code: 'RootNotServed',
    message: expect.stringMatching(/led to .*releases\/1 when the task began, and now to .*releases\/2/),
  });
});

describe('what the web server serves', () => {
  const served = (site: SiteLocation, ...paths: string[]): Promise<void> => {
    const documentRoots = () => Promise.resolve(paths.map((path) => ({ path: at(path), place: 'a.conf:3' })));
    return assertServed(host, { name: 'web', documentRoots }, site, testOperation());
  };

  test.each([
    ['the link', 'shop/current'],
    ['where it leads', 'shop/releases/1'],
    ['a folder of the release', 'shop/current/web'],
    ['by another link', 'shop/also'],
    ['by a link above', 'alias/current'],
  ])('%s is the root', async (_, path) => {
    await symlink('current', at('shop/also'));
    await symlink('shop', at('alias'));
    await served(await followRoot(host, siteAt(current), []), path);
  });

  test('is the root where one of several blocks has it, and where nothing is known', async () => {
    const site = siteAt(at('shop/releases/1'));
    await served(site, 'elsewhere', 'shop/releases/1');
    await served(site);
  });

  test('is not an older release, nor one beside it', async () => {
    await expect(served(siteAt(at('shop/releases/2')), 'shop/current')).rejects.toMatchObject({
      code: 'RootNotServed',
      message: `web serves shop.example from ${current}, which leads to ${at('shop/releases/1')} (a.conf:3), not from its root ${at('shop/releases/2')}`,
    });
    await mkdir(at('shop/releases/10'));
    await expect(served(siteAt(at('shop/releases/10')), 'shop/releases/1')).rejects.toMatchObject({
      code: 'RootNotServed',
    });
    await expect(served(siteAt(at('shop/releases/1')), 'shop/loop')).rejects.toMatchObject({ code: 'RootNotServed' });
  });
});
