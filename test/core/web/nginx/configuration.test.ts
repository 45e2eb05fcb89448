import type { Listen } from '../../../../src/contract/target';
import { includes, namesHost, placeOf, prefixOf, serverBlocksOf } from '../../../../src/core/web/nginx/configuration';

const DUMP = `# configuration file /etc/nginx/nginx.conf:
user www-data;
events { worker_connections 10; }
http {
    log_format main '$remote_addr "{;}" \\'x\\'';
    open_file_cache max=10;
    map $http_upgrade $c { default "a;b{"; '' close; }
    include sites/*.conf; # include never/*.conf;
    server { listen 8080; server_name ""; return 444; }
}
stream { server { listen 9000; } }

# configuration file /etc/nginx/sites/a.conf:
server {
    listen 80;
    listen [::]:443 ssl http2;
    listen unix:/run/x.sock;
    listen 443 quic;
    listen localhost;
    server_name a.example *.b.example
        .c.example d.* ~^e[0-9]+\\.example$ "~^f{2}$" ~(?<broken;
    content_by_lua_block {
        local t = { a = "x" } -- it's
    }
    if ($host = "a b;}") { return 301 https://$host\${request_uri}; }
    include snippets/one.include;
    location ~ \\.php$ { fastcgi_pass unix:/run/php.sock; }
}

# configuration file /etc/nginx/snippets/one.include:
set $x "\${host}";

# configuration file /etc/nginx/sites/b.conf:
server {
    ssl on;
    server_name B.Example;
    listen 127.0.0.1:8443;
}
`;

const blocks = serverBlocksOf(DUMP);
const [first, second, third] = blocks;

test('finds the servers of http, wherever they are included', () => {
  expect(blocks.map(({ directive }) => placeOf(directive))).toEqual([
    '/etc/nginx/sites/a.conf:1',
    '/etc/nginx/sites/b.conf:1',
    '/etc/nginx/nginx.conf:8',
  ]);
  expect(blocks.every(({ inherited }) => inherited.some(({ name }) => name === 'open_file_cache'))).toBe(true);
});

test('knows where they listen, and by TLS or not', () => {
  const listens: Listen[] = [
    { address: '*', port: 80 },
    { address: '[::]', port: 443, tls: true },
    { address: 'localhost', port: 80 },
  ];
  expect(first?.listens).toEqual(listens);
  expect(second?.listens).toEqual([{ address: '127.0.0.1', port: 8443, tls: true }]);
  expect(third?.listens).toEqual([{ address: '*', port: 8080 }]);
  expect(serverBlocksOf('# configuration file /n:\nhttp { server { } }\n')[0]?.listens).toEqual([
    { address: '*', port: 80 },
  ]);
});

test.each([
  ['a.example', true],
  ['x.b.example', true],
  ['b.example', false],
  ['c.example', true],
  ['x.c.example', true],
  ['d.org', true],
  ['e12.example', true],
  ['e.example', false],
  ['ff', true],
  ['aa.example', false],
])('%s is named: %s', (host, named) => {
  if (!first) throw new Error('no block');
  expect(namesHost(first, host)).toBe(named);
});

test('names are compared without case', () => {
  expect(second && namesHost(second, 'b.example')).toBe(true);
});

test('keeps the order of directives, with what they include behind them', () => {
  const names = first?.directives.map(({ name, line }) => `${name} ${line}`);
  expect(names?.slice(5)).toEqual([
    'server_name 7',
    'content_by_lua_block 9',
    'if 12',
    'include 13',
    'set 1',
    'location 14',
  ]);
  expect(first?.directives.find(({ name }) => name === 'if')?.block).toMatchObject([
    { name: 'return', arguments: ['301', 'https://$host${request_uri}'] },
  ]);
});

test('knows which include takes a file in', () => {
  const include = first?.directives.find(({ name }) => name === 'include');
  if (!include) throw new Error('no include');
  expect(prefixOf(DUMP)).toBe('/etc/nginx');
  expect(includes(include, '/etc/nginx/snippets/one.include', '/etc/nginx')).toBe(true);
  expect(includes(include, '/etc/nginx/snippets/two.include', '/etc/nginx')).toBe(false);
  expect(includes({ ...include, arguments: ['/k/*.include'] }, '/k/a.include', '/')).toBe(true);
  expect(includes({ ...include, arguments: ['/k/*.conf'] }, '/k/a.include', '/')).toBe(false);
});

test.each(['', 'no dump', '# configuration file /n:\nhttp { server {', '# configuration file /n:\n} } ;;'])(
  'makes nothing of %j',
  (dump) => {
    expect(serverBlocksOf(dump)).toEqual([]);
  },
);
