import { readConfiguration } from '../../../../src/core/web/nginx/configuration';
import { includedFolder, readNginxSites } from '../../../../src/core/web/nginx/discovered-sites';

function sitesOf(...files: [path: string, text: string][]) {
  const dump = files.map(([path, text]) => `# configuration file ${path}:\n${text}\n`).join('\n');
  return readNginxSites(readConfiguration(`nginx: the configuration file is ok\n${dump}`));
}

it('takes quotes, comments, braces in words and includes as nginx does', () => {
  const sites = sitesOf(
    [
      '/etc/nginx/nginx.conf',
      `events { } http { log_format main '$a { ; } # "b"'; map $x $y { default "}"; }
       upstream php { server unix:/run/a.sock; server unix:/run/b.sock; }
       include sites/*.conf; }`,
    ],
    ['/etc/nginx/sites/.hidden.conf', 'server { root /hidden; }'],
    [
      '/etc/nginx/sites/b.conf',
      'server{listen [::]:8080 default_server;listen 80;root /b/;server_name B.example ~^x$ _;}',
    ],
    [
      '/etc/nginx/sites/a.conf',
      `server { listen 443 ssl; server_name a.example; # root /not;
        location / { root "/a # b"; } location ~ "\\.(php|x{1,2})$" { include fast.conf; } }`,
    ],
    ['/etc/nginx/fast.conf', 'fastcgi_pass php;'],
    ['/etc/nginx/other/c.conf', 'server { root /c; }'],
  );
  expect(sites).toEqual([
    {
      names: ['a.example'],
      otherNames: [],
      root: '/a # b',
      php: 'unix:/run/a.sock',
      files: ['/etc/nginx/sites/a.conf'],
      listen: [],
      tls: true,
    },
    {
      names: ['b.example'],
      otherNames: ['~^x$'],
      root: '/b',
      php: null,
      files: ['/etc/nginx/sites/b.conf'],
      listen: ['[::]:8080', '80'],
      tls: false,
    },
  ]);
});

it('a file that says it is another one changes nothing of that one', () => {
  const sites = sitesOf(
    ['/n.conf', 'http { include /sites/*; }'],
    ['/sites/a', 'server { root /a; server_name a.example; }\n# configuration file /n.conf:\nhttp { }'],
  );
  expect(sites.map(({ root }) => root)).toEqual(['/a']);
});

it.each([
  ['http { server { root /a; ', 'does not end'],
  ['http { } }', 'unexpected }'],
])('%s is an error that names file and line', (text, why) => {
  expect(() => sitesOf(['/n.conf', `\n${text}`])).toThrow(new RegExp(`^/n\\.conf:2: .*${why}`));
});

it.each([
  ['include /etc/nginx/kedge.d/*.conf;', '/etc/nginx/kedge.d'],
  ['include "kedge.d/*.conf";', '/kedge.d'],
  ['include /x.conf; # include kedge.d/*.conf;', null],
])('%s includes %s', (text, folder) => {
  expect(includedFolder(readConfiguration(`# configuration file /n.conf:\nhttp {\n${text}\n}\n`))).toBe(folder);
});

it('files that include each other end', () => {
  expect(sitesOf(['/n.conf', 'http { include /n.conf; server { root /a; server_name a.example; } }'])).toHaveLength(1);
});
