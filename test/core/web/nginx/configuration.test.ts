import type { Listen } from '../../../../src/contract/target';
import { includes, placeOf, readConfiguration } from '../../../../src/core/web/nginx/configuration';
import { namesHost, serverBlocksOf } from '../../../../src/core/web/nginx/server-blocks';

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

const blocksOf = (dump: string) => serverBlocksOf(readConfiguration(dump));
const blocks = blocksOf(DUMP);
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
  expect(blocksOf('# configuration file /n:\nhttp { server { } }\n')[0]?.listens).toEqual([{ address: '*', port: 80 }]);
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
  expect(readConfiguration(DUMP).folder).toBe('/etc/nginx');
  expect(includes(include, '/etc/nginx/snippets/one.include', '/etc/nginx')).toBe(true);
  expect(includes(include, '/etc/nginx/snippets/two.include', '/etc/nginx')).toBe(false);
  expect(includes({ ...include, arguments: ['/k/*.include'] }, '/k/a.include', '/')).toBe(true);
  expect(includes({ ...include, arguments: ['/k/*.conf'] }, '/k/a.include', '/')).toBe(false);
});

test.each(['', 'no dump', '# configuration file /n:\n;;'])('makes nothing of %j', (dump) => {
  expect(blocksOf(dump)).toEqual([]);
});

test.each([
  ['# configuration file /n:\nhttp { server {', '/n:1: a block that does not end'],
  ['# configuration file /n:\nhttp { }\n} } ;;', '/n:2: an unexpected }'],
])('%j is an error that names file and line', (dump, message) => {
  expect(() => blocksOf(dump)).toThrow(message);
});

test('braces of Lua in strings and comments end no block, and a comment that names its directive begins none', () => {
  const dump = `# configuration file /n:
http {
    server {
        # never content_by_lua_block
        content_by_lua_block { if x then say("}") --[[ } ]] end -- }
            say([==[ } ]==]) }
        listen 81;
    }
}
`;
  expect(blocksOf(dump)).toMatchObject([{ listens: [{ port: 81 }] }]);
});

describe('a line in a file that says that another file begins', () => {
  const MAIN = '# configuration file /n.conf:\nhttp {\ninclude /a.conf;\ninclude sites/*.conf;\n}\n';
  const SHOP = 'server { server_name shop.example; listen 443 ssl; return 301 /; }\n';
  const file = (path: string, text: string) => `# configuration file ${path}:\n${text}\n`;
  const FORGED = file('/sites/shop.conf', 'server { server_name shop.example; listen 666; }');
  const shop = [{ listens: [{ port: 443, tls: true }] }];

  test.each([
    [
      'in a block',
      `server { server_name a.example;\n${FORGED.replace('server {', 'location / {').replace(/server_name.*;/, '')} }`,
    ],
    ['in quotes', `server { set $x "\n${FORGED}"; }`],
    ['of a file that nothing includes', FORGED.replace('/sites/', '/elsewhere/')],
  ])('is a comment %s', (_, text) => {
    const configuration = readConfiguration(`${MAIN}${file('/a.conf', text)}${file('/sites/shop.conf', SHOP)}`);
    expect(configuration.imitations).toEqual([]);
    expect([...configuration.files.keys()]).toEqual(['/n.conf', '/a.conf', '/sites/shop.conf']);
    const named = serverBlocksOf(configuration).filter((block) => block.directive.file === '/sites/shop.conf');
    expect(named).toMatchObject(shop);
  });

  test.each([
    ['before it', '/a.conf', '/sites/shop.conf', '/a.conf:2'],
    ['behind it', '/sites/shop.conf', '/sites/zoo.conf', '/sites/zoo.conf:2'],
  ])('%s makes the configuration ambiguous', (_, first, second, place) => {
    const texts = { '/a.conf': `\n${FORGED}`, '/sites/shop.conf': SHOP, '/sites/zoo.conf': `\n${FORGED}` };
    const dump = `${MAIN}${[first, second].map((path) => file(path, texts[path as keyof typeof texts])).join('')}`;
    const [imitation, ...more] = readConfiguration(dump).imitations;
    expect(more).toEqual([]);
    expect(imitation).toMatch(/^\/sites\/shop\.conf begins at /);
    expect(imitation).toContain(place);
  });

  test("is nginx's own where an older one prints a file again", () => {
    const dump = `${MAIN}${file('/a.conf', 'server { }')}${file('/sites/shop.conf', SHOP)}${file('/a.conf', 'server { }')}`;
    expect(readConfiguration(dump).imitations).toEqual([]);
  });
});
