import {
  EVIL,
  type HostileArchive,
  OTHER_DUMP,
  PLAIN,
  PLAIN_FILE,
  accepted,
  file,
  folder,
  hardLink,
  refused,
  symlink,
} from './hostile-archive';
import { header, longName, member, pax } from './tar-blocks';

const DUMP = 'DROP TABLE posts;\n-- Dump completed\n';

/** Names that come twice, in one spelling or in several: one program takes the first, the other the last. */
export const REPEATED: readonly HostileArchive[] = [
  refused('two dumps', [OTHER_DUMP]),
  ...[
    'database.sql',
    './/database.sql',
    '././database.sql',
    './x/../database.sql',
    '/database.sql',
    'x/.././database.sql',
  ].map((name) => refused(`another dump, spelt ${name}`, [file(name, DUMP)])),
  refused('another dump, as a folder', [folder('./database.sql/')]),
  refused('another dump, as a symbolic link', [symlink('./database.sql', './index.php')]),
  refused('another dump, as a hard link', [hardLink('./database.sql', './index.php')]),
  refused('another dump, named by an extended header', [pax({ path: './database.sql' }), file('./a', DUMP)]),
  refused('another dump, named by a long name', [longName('L', './database.sql'), file('./a', DUMP)]),
  refused('another dump, its folder in the prefix', [member({ name: 'database.sql', prefix: '.' }, DUMP)]),
  refused('another dump, its folder in the prefix and misspelt', [
    member({ name: 'database.sql', prefix: './' }, DUMP),
  ]),
  refused('two records', [file('./.kedge/backup.json', '{}')]),
  ...['.kedge/backup.json', './/.kedge/backup.json', './.kedge//backup.json', './.kedge/./backup.json'].map((name) =>
    refused(`another record, spelt ${name}`, [file(name, '{}')]),
  ),
  refused('another record, as a symbolic link', [symlink('./.kedge/backup.json', '../index.php')]),
  refused('the folder of the record, as a link', [symlink('./.kedge', '/etc')]),
  refused('a member beside the record that nobody knows', [file('./.kedge/roots/Files/x')]),
  refused('a file in the place of a declared folder', [file('./.kedge/roots/files')]),
  refused('a link in the place of a declared folder', [symlink('./.kedge/roots/files', '/etc')]),
  refused('a declared folder by the name of the site folder', [folder('./.kedge/roots/site/')]),
  refused('a declared folder that leads out by its name', [file('./.kedge/roots/../x')]),
  refused('the site folder as a file', [file('./')]),
  refused('the site folder as a link', [symlink('./', '/etc')]),
  refused('the site folder as a link without its slash', [symlink('.', '/etc')]),
  refused('the site folder as a hard link', [hardLink('.', './index.php')]),

  refused('a file where a link was', [symlink('./a', '/etc/passwd'), file('./a')]),
  refused('a folder where a link was', [symlink('./a', '/etc'), folder('./a/')]),
  refused('a hard link where a link was', [symlink('./a', '/etc'), hardLink('./a', './index.php')]),
  refused('a link where a folder was', [folder('./a/'), symlink('./a', '/etc'), file('./a/x')]),
  refused('a link where a folder was, spelt with a dot', [folder('./a/'), symlink('././a/.', '/etc')]),
  refused('a file where a folder was', [folder('./a/'), file('./a')]),
  refused('a folder where a file was', [file('./a'), folder('./a/')]),
  refused('a member below a file', [file('./a'), file('./a/x')]),
  refused('a link where a folder was that no member named', [file('./a/x'), symlink('./a', '/etc')]),
  refused('a file where a folder was that no member named', [file('./a/x'), file('./a')]),
  refused('a member below a hard link', [PLAIN, hardLink('./a', './plain'), file('./a/x')]),

  refused('a member through a link', [symlink('./a', '/etc'), file('./a/x')]),
  refused('a member through a link to the folder itself', [symlink('./a', '.'), file('./a/x')]),
  refused('a member through a link, spelt with a dot', [symlink('./a', '/etc'), file('./a/./x')]),
  refused('a member through a link, spelt with two slashes', [symlink('./a', '/etc'), file('.//a//x')]),
  refused('a member through a link, named by an extended header', [
    symlink('./a', '/etc'),
    pax({ path: './a/x' }),
    file('./b'),
  ]),
  refused('a member through a link, its folder in the prefix', [
    symlink('./a', '/etc'),
    member({ name: 'x', prefix: './a' }),
  ]),
  refused('a member through a link that an extended header named', [
    pax({ path: './a', linkpath: '/etc' }),
    symlink('./b', './index.php'),
    file('./a/x'),
  ]),
  refused('a member two folders below a link', [symlink('./a', '/etc'), file('./a/x/y')]),
  refused('a link through a link', [symlink('./a', '/etc'), symlink('./a/b', 'passwd')]),
  refused('a folder through a link', [symlink('./a', '/tmp'), folder('./a/b/')]),
  refused('a member through two links', [symlink('./a', 'b'), symlink('./b', '/etc'), file('./a/x')]),

  refused('a hard link through a link', [symlink('./a', '/etc'), hardLink('./b', './a/shadow')]),
  refused('a member through a hard link to a link', [symlink('./a', '/etc'), hardLink('./b', './a'), file('./b/x')]),
  refused('a file where a hard link to a link was', [symlink('./a', '/etc/x'), hardLink('./b', './a'), file('./b')]),
  refused('a hard link out of the folder', [hardLink('./a', '../../etc/shadow')]),
  refused('a hard link out of the folder and in again', [hardLink('./a', './x/../index.php')]),
  refused('a hard link to an absolute path', [hardLink('./a', '/etc/shadow')]),
  refused('a hard link out of the folder by an extended header', [
    pax({ linkpath: '../../etc/shadow' }),
    hardLink('./a', './index.php'),
  ]),
  refused('a hard link out of the folder by a long target', [
    longName('K', '../../etc/shadow'),
    hardLink('./a', './index.php'),
  ]),
  refused('a hard link to the dump', [hardLink('./a', './database.sql')]),
  refused('a hard link to the dump, spelt otherwise', [hardLink('./a', 'database.sql')]),
  refused('a hard link to the record', [hardLink('./a', './.kedge/backup.json')]),
  refused('a hard link to a folder', [folder('./a/'), hardLink('./b', './a')]),
  refused('a hard link to the site folder', [hardLink('./a', './')]),
  refused('a hard link to itself', [hardLink('./a', './a')]),
  refused('a hard link to what the archive does not hold', [hardLink('./a', './nowhere')]),
  refused('a hard link to what comes later', [hardLink('./a', './plain'), PLAIN]),
  refused('a hard link without a target', [hardLink('./a', '')]),
  refused(
    'a hard link from one folder of the site into another',
    [folder('./.kedge/roots/files/'), hardLink('./.kedge/roots/files/a', './index.php')],
    { fromCatalogue: { accepted: {} } },
  ),
  refused('a hard link to a program of root’s', [EVIL, hardLink('./a', './evil')], {
    fromCatalogue: {
      accepted: {
        evil: { type: 'file', mode: 0o755, content: '#!/bin/sh\n' },
        a: { type: 'file', mode: 0o755, content: '#!/bin/sh\n' },
      },
    },
  }),
  refused('a symbolic link without a target', [symlink('./a', '')]),
  refused('a symbolic link whose target is longer than any may be', [
    pax({ linkpath: 'x/'.repeat(2100) }),
    symlink('./a', 'x'),
  ]),

  accepted(
    'a hard link to a link, and one to that',
    [symlink('./a', '/etc/shadow'), hardLink('./b', './a'), hardLink('./c', './b')],
    {
      a: { type: 'link', target: '/etc/shadow' },
      b: { type: 'link', target: '/etc/shadow' },
      c: { type: 'link', target: '/etc/shadow' },
    },
  ),
  accepted(
    'files below a folder of the name of the dump',
    [file('./database.sql/x'), file('./.kedge/site/database.sql/y')],
    {
      'database.sql': { type: 'folder' },
      'database.sql/x': { type: 'file', content: 'x' },
      'database.sql/y': { type: 'file', content: 'x' },
    },
  ),
  accepted('a hard link to a file', [PLAIN, hardLink('./a', './plain')], { plain: PLAIN_FILE, a: PLAIN_FILE }),
  accepted(
    'links that lead out, as far as nothing passes through them',
    [symlink('./a', '/etc'), symlink('./b', '../../..')],
    {
      a: { type: 'link', target: '/etc' },
      b: { type: 'link', target: '../../..' },
    },
  ),
  accepted(
    'a name that only looks like that of the dump',
    [file('./Database.sql', 'x'), file('./x/database.sql', 'y')],
    {
      'Database.sql': { type: 'file', content: 'x' },
      x: { type: 'folder' },
      'x/database.sql': { type: 'file', content: 'y' },
    },
  ),
  accepted(
    'a folder that comes twice, as archives have that were appended to',
    [folder('./a/'), file('./a/x'), header({ name: './a/', type: '5', mode: 0o700 })],
    {
      a: { type: 'folder', mode: 0o700 },
      'a/x': { type: 'file', content: 'x' },
    },
  ),
];
