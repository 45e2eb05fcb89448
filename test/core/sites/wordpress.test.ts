import { readFile } from 'node:fs/promises';
import { siteKindOf } from '../../../src/core/sites/site-kinds';
import { type Fixture, makeSite, testOperation } from './site-fixture';

const LOGIN = { database: 'new_db', user: 'new_user', password: `p'"\\$x`, address: 'localhost:/run/a.sock' };

describe('WordPress', () => {
  let site: Fixture;
  const kind = siteKindOf({ kind: 'wordpress' });
  beforeEach(async () => {
    site = await makeSite();
  });
  afterEach(() => site.remove());

  test('reads and rewrites the sample WordPress comes with', async () => {
    const sample = await readFile('/usr/share/wordpress/wp-config-sample.php', 'latin1');
    const path = await site.write('wp-config.php', Buffer.from(sample, 'latin1'));
    expect(await kind.readSettings(site.folder, testOperation())).toEqual({
      database: 'database_name_here',
      user: 'username_here',
      password: 'password_here',
      address: 'localhost',
      tablePrefix: 'wp_',
    });
    await kind.writeSettings(site.folder, LOGIN, testOperation());
    expect(await readFile(path, 'latin1')).toBe(
      sample
        .replace("'database_name_here'", "'new_db'")
        .replace("'username_here'", "'new_user'")
        .replace("'password_here'", () => String.raw`'p\'"\\$x'`)
        .replace("'localhost'", "'localhost:/run/a.sock'"),
    );
    expect(await kind.readSettings(site.folder, testOperation())).toEqual({ ...LOGIN, tablePrefix: 'wp_' });
  });
});
