import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { findTemporalCli } from '../../scripts/lab/temporal';
import { MachineOfItsOwn, type Ran, type RunningMachine } from '../helpers/machine-of-its-own';
import { PrivateNetwork } from '../helpers/private-network';
import { until } from '../helpers/until';

const TOP = join(__dirname, '../..');
const SITE = 'www.example.com';
/** The document root is a folder of it; wp-config.php stands above that. */
const ROOT = `/srv/${SITE}`;
const DOCUMENT_ROOT = `${ROOT}/public`;
/** On another folder; a link leads there. */
const UPLOADS = `/srv/media/${SITE}`;

/** The README's commands for a site of one's own, block by block. */
const [BUILD = '', INIT = '', UP = '', ADOPT = '', BACK_UP = '', RESTORE = ''] = [
  ...(/^## Your own site.*?(?=^## )/ms
    .exec(readFileSync(join(TOP, 'README.md'), 'utf8'))?.[0]
    .matchAll(/^ *```sh\n(.*?)^ *```/gms) ?? []),
].map(([, block]) => block ?? '');

/**
 * Installation as a stranger does it: on a Debian with nothing but Node, a WordPress that an admin set up by hand, and the
 * README's steps for a site of one's own, its commands as they stand there.
 */
describe('a site of one’s own', () => {
  let network: PrivateNetwork;
  let machine: MachineOfItsOwn;
  let running: RunningMachine;
  let page: string;
  let files: string;

  beforeAll(async () => {
    network = await PrivateNetwork.open();
    machine = await MachineOfItsOwn.install();
  }, 600_000);

  afterAll(async () => {
    await running?.stop('SIGKILL');
    await network?.close();
    await machine?.remove();
  });

  it('installs Kedge from a copy of the repository', async () => {
    const archive = execFileSync('sh', ['-c', 'git ls-files -z | tar --create --no-recursion --null --files-from=-'], {
      cwd: TOP,
      maxBuffer: 256 * 1024 * 1024,
    });
    writeFileSync(machine.path('/opt/kedge.tar'), archive);
    await machine.sh('mkdir /opt/kedge && tar --extract --no-same-owner --file /opt/kedge.tar --directory /opt/kedge');
    // No package of it: its own download, and Go, are what not every machine reaches.
    copyFileSync(await findTemporalCli(), machine.path('/usr/local/bin/temporal'));
    await machine.sh(`set -e\n${BUILD}`, { workingFolder: '/opt/kedge' });
    expect(await machine.sh('kedge --version')).toMatch(/^\d+\.\d+\.\d+\n$/);
  }, 900_000);

  it('finds a WordPress that an admin set up by hand', async () => {
    running = await machine.start(['bash', '-c', 'while :; do sleep 600 & wait; done'], { network: network.name });
    writeFileSync(machine.path('/etc/nginx/sites-enabled/www.example.com'), VHOST);
    writeFileSync(machine.path('/root/pool.conf'), POOL);
    writeFileSync(machine.path('/root/wp-config.php'), WP_CONFIG);
    await succeed(CERTIFICATE);
    await succeed(SET_UP);
    const form = 'user_name=admin&admin_email=admin@example.test&blog_public=0&weblog_title=By+hand';
    const passwords = 'admin_password=p4ssw0rd-of-the-admin&admin_password2=p4ssw0rd-of-the-admin';
    expect(await visit('/wp-admin/install.php?step=2', '--data', `${form}&${passwords}`)).toContain('Success!');
    page = await visit('/');
    expect(page).toContain('By hand');
    expect(await visit('/wp-content/uploads/by-another.png')).toBe('picture\n');
    expect(await visitByTls('/wp-content/uploads/by-another.png')).toBe('picture\n');
    files = await succeed(LIST_FILES);
  });

  it('is configured by what kedge init found, and what its admin decides', async () => {
    const { code, stderr } = await shell(`mkdir /etc/nginx/kedge.d\n${INIT.trim()} --yes`);
    expect([code, stderr]).toEqual([3, expect.stringContaining('1 undecided site')]);
    const path = machine.path('/etc/kedge/kedge.yaml');
    const found = readFileSync(path, 'utf8');
    expect(found).toContain(
      `# - its settings lie above the document root: ../wp-config.php; when all of the folder above`,
    );
    expect(found).toContain(`# The link wp-content/uploads leads to ${UPLOADS}, which belongs to its owner.`);
    // As its comments say: the marks are taken away, the folder above is the root, and uploads are declared.
    const decided = found
      .replace('sites: {}', 'sites:')
      .replace(/^#(  )/gm, '$1')
      .replace('# paths: ', 'paths: ')
      .replace(`root: ${DOCUMENT_ROOT}`, `root: ${ROOT}`);
    writeFileSync(path, decided);
    expect(await succeed('kedge config check')).toContain('1 site');
  });

  it('takes tasks', async () => {
    await succeed(`nohup ${UP.trim()} >/root/up.log 2>&1 </dev/null &`);
    await until('the worker is ready', () => readFileSync(machine.path('/root/up.log'), 'utf8').includes('is ready'));
  });

  it('adopts the site, whose vhost stays its own', async () => {
    const refused = await shell(`kedge sites adopt ${SITE}`);
    const line = `include /etc/nginx/kedge.d/${SITE}.include;`;
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(line)]);
    await succeed(`
      sed -i '/^    server_name /s#$# ${line}#' /etc/nginx/sites-enabled/${SITE}
      nginx -t && nginx -s reload`);
    expect(await succeed(ADOPT)).toContain(`${SITE} is adopted`);
    expect(await visit('/')).toBe(page);
  });

  it('backs it up, and restores it after it was broken', async () => {
    await succeed(BACK_UP);
    const { backups } = z
      .object({ backups: z.array(z.object({ id: z.string() })) })
      .parse(JSON.parse(await succeed(`kedge backups ${SITE} --json`)));
    await succeed(`
      rm -rf ${UPLOADS}/2026 ${UPLOADS}/by-another.png ${DOCUMENT_ROOT}/wp-includes
      echo new >${UPLOADS}/added-later.png
      echo '<?php die("broken");' >${ROOT}/wp-config.php
      mariadb shop -e 'DROP TABLE wp_posts'`);
    expect(await visit('/')).not.toBe(page);
    // With a warning: of the settings as they were found, no sense could be made.
    const { code, stdout, stderr } = await shell(`${RESTORE.trim()} ${backups[0]?.id} --yes`);
    expect([code, stdout + stderr]).toEqual([
      3,
      expect.stringContaining('the settings of www.example.com cannot be read'),
    ]);
    expect(await visit('/')).toBe(page);
    expect(await succeed(LIST_FILES)).toBe(files);
  });

  const shell = (script: string): Promise<Ran> => running.run(['sh', '-c', script]);

  async function succeed(script: string): Promise<string> {
    const { code, stdout, stderr } = await shell(`set -e\n${script}`);
    if (code !== 0) throw new Error(`${script}\nended with ${code}: ${stdout.slice(-2000)}${stderr.slice(-4000)}`);
    return stdout;
  }

  const visit = (path: string, ...more: string[]): Promise<string> =>
    network.run(['curl', '--silent', '--header', `Host: ${SITE}`, ...more, `http://127.0.0.1${path}`]);

  const visitByTls = (path: string): Promise<string> =>
    network.run(['curl', '--silent', '--insecure', '--resolve', `${SITE}:443:127.0.0.1`, `https://${SITE}${path}`]);
});

/** What no restore may change: names, owners, modes, content. The settings name another database afterwards. */
const LIST_FILES = `cd /srv && find ${SITE} media/${SITE} ! -name wp-config.php ! -type d -printf '%p %u %m ' -exec sha256sum {} ';' | sort`;

const SET_UP = `
useradd --system --user-group shop
install -d -o mysql -g mysql /run/mysqld
mariadbd-safe --skip-log-bin --innodb-buffer-pool-size=32M >/root/mariadb.log 2>&1 </dev/null &
for attempt in $(seq 300); do mariadb-admin ping >/dev/null 2>&1 && break; sleep 0.1; done
mariadb -e "CREATE DATABASE shop; CREATE USER shop@localhost IDENTIFIED BY 'made by hand'; GRANT ALL ON shop.* TO shop@localhost"
mkdir -p ${ROOT} ${UPLOADS}/2026
cp -RL /usr/share/wordpress ${DOCUMENT_ROOT}
rm -f ${DOCUMENT_ROOT}/wp-config.php
cp /root/wp-config.php ${ROOT}/wp-config.php
ln -s ${UPLOADS} ${DOCUMENT_ROOT}/wp-content/uploads
echo photo >${UPLOADS}/2026/photo.jpg
chown -RPh shop:shop ${ROOT} ${UPLOADS}
chmod -R u=rwX,go=rX ${ROOT} ${UPLOADS}
chmod 640 ${ROOT}/wp-config.php
echo picture >${UPLOADS}/by-another.png
install -d /run/php
mv /root/pool.conf /etc/php/8.2/fpm/pool.d/www.conf
php-fpm8.2 --daemonize >/root/php.log 2>&1 </dev/null
rm -f /etc/nginx/sites-enabled/default
nginx >/root/nginx.log 2>&1 </dev/null`;

/** As an admin makes one to begin with. */
const CERTIFICATE = `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=${SITE} \
  -keyout /etc/ssl/${SITE}.key -out /etc/ssl/${SITE}.pem 2>&1`;

const POOL = `[shop]
user = shop
group = shop
listen = /run/php/shop.sock
listen.owner = www-data
listen.group = www-data
pm = static
pm.max_children = 2
`;

const VHOST = `server {
    listen 80;
    listen 443 ssl;
    server_name ${SITE};
    ssl_certificate /etc/ssl/${SITE}.pem;
    ssl_certificate_key /etc/ssl/${SITE}.key;
    root ${DOCUMENT_ROOT};
    index index.php;
    location / { try_files $uri $uri/ /index.php?$args; }
    location ~ \\.php$ {
        include fastcgi_params;
        fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
        fastcgi_pass unix:/run/php/shop.sock;
    }
}
`;

const WP_CONFIG = `<?php
define('DB_NAME', 'shop');
define('DB_USER', 'shop');
define('DB_PASSWORD', 'made by hand');
define('DB_HOST', 'localhost');
define('DISABLE_WP_CRON', true);
$table_prefix = 'wp_';
if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/public/');
require_once ABSPATH . 'wp-settings.php';
`;
