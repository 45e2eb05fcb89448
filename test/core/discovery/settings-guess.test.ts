import { guessSettings } from '../../../src/core/discovery/settings-guess';

it.each([
  [
    '.env',
    'APP_KEY=x\nDB_CONNECTION=mysql\nDB_HOST=h\nDB_PORT=1\nDB_DATABASE=d\nexport DB_USERNAME=u\nDB_PASSWORD=p\nMAIL_HOST=m\nMAIL_PASSWORD=q\n',
    {
      format: 'env',
      names: { database: 'DB_DATABASE', user: 'DB_USERNAME', password: 'DB_PASSWORD', host: 'DB_HOST' },
    },
  ],
  [
    'config.php',
    `<?php define('DB_NAME', 'a'); define( "DB_USER" , 'b'); define('DB_PASSWORD','c'); define('DB_HOST','d'); define('SITE_NAME','e');`,
    { format: 'constants', names: { database: 'DB_NAME', user: 'DB_USER', password: 'DB_PASSWORD', host: 'DB_HOST' } },
  ],
  [
    'conf/settings.php',
    `<?php $db['name'] = 'a'; $db["user"]='b'; $db['password'] = 'c'; $db['host'] = 'd'; $site['name'] = 'e'; if ($db['name'] == 'x') {}`,
    {
      format: 'variables',
      names: { database: "db['name']", user: "db['user']", password: "db['password']", host: "db['host']" },
    },
  ],
  [
    'config.php',
    `<?php $dbname = 'a'; $dbuser = 'b'; $dbpass = 'c'; $dbhost = 'd';`,
    { format: 'variables', names: { database: 'dbname', user: 'dbuser', password: 'dbpass', host: 'dbhost' } },
  ],
])('%s: the names of the login', (file, text, expected) => {
  expect(guessSettings(file, text)).toEqual({ file, ...expected });
});

it.each([
  [
    'two databases',
    `<?php define('DB_NAME', 1); define('OLD_DB_NAME', 2); define('DB_USER', 1); define('DB_PASSWORD', 1); define('DB_HOST', 1);`,
  ],
  ['no host', `<?php define('DB_NAME', 1); define('DB_USER', 1); define('DB_PASSWORD', 1);`],
  ['nothing', ''],
])('no guess from %s', (_what, text) => {
  expect(guessSettings('config.php', text)).toBeNull();
});
