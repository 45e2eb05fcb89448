import { guardingSettings } from '../../../src/core/sites/guarded-settings';
import { Redactor } from '../../../src/core/secrets/redaction';
import type { SiteFolder, SiteKind, SiteSettings } from '../../../src/core/sites/site-kind';
import { plainPhp } from '../../../src/core/sites/plain-php';
import { testOperation } from '../../helpers/operation';

const folder = { host: { name: 'web' }, site: { uri: 'shop.example' } } as SiteFolder;
const right: SiteSettings = {
  user: 'shop',
  database: 'shop',
  address: 'localhost',
  password: 'canary-4711',
  tablePrefix: '',
};

function read(changes: Partial<SiteSettings>): { redactor: Redactor; settings: Promise<SiteSettings> } {
  const redactor = new Redactor();
  const kind: SiteKind = { ...plainPhp, readSettings: async () => ({ ...right, ...changes }) };
  const guarded = guardingSettings(kind, (secret, site) => redactor.register(secret, site));
  return { redactor, settings: guarded.readSettings(folder, testOperation()) };
}

it('names are let through, and the password is known from then on', async () => {
  for (const names of [
    {},
    { address: '127.0.0.1:3307' },
    { address: 'localhost:/run/mysqld.sock' },
    { address: '[::1]:3306' },
    { address: ':/run/x@y.sock' },
    { user: 'shop@server' },
    { user: '', database: '' },
  ]) {
    const { redactor, settings } = read(names);
    expect(await settings).toEqual({ ...right, ...names });
    expect(redactor.text('login with canary-4711', 'shop.example')).toBe('login with [redacted]');
    expect(redactor.text('canary-4711', 'blog.example')).toBe('canary-4711');
  }
});

it.each([
  'mysql://shop:hidden%2Fcanary@db.example:3306/shop?charset=utf8',
  'mysql:hidden%2Fcanary@db/shop',
  'shop:hidden%2Fcanary@db',
  'pdo-mysql://hidden%2Fcanary@db',
  'mysql://shop:hidden%2Fcanary',
])('a connection such as %s is refused by the name of the setting alone', async (url) => {
  for (const part of ['user', 'database', 'address'] as const) {
    const { redactor, settings } = read({ [part]: url });
    const error: unknown = await settings.catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: 'SettingsInvalid',
      site: 'shop.example',
      message: `the ${part} of the database in the settings of shop.example looks like a URL`,
    });
    expect(JSON.stringify(error)).not.toContain('canary');
    // Whoever else quotes it: the whole, and its parts.
    expect(redactor.text(`near ${url}`, 'shop.example')).not.toContain('canary');
    if (url.includes('@'))
      for (const quoted of ['hidden%2Fcanary', 'hidden/canary'])
        expect(redactor.text(`Access denied ${quoted}`, 'shop.example')).not.toContain('canary');
  }
});
