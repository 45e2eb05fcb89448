import { execFileSync } from 'node:child_process';
import type { Tree } from './ordinary-trees';

/** A program that packs, in one of its formats. */
export interface Packer {
  readonly name: string;
  /** The program that has to be installed. */
  readonly needs: string;
  /** Packs folder $1 as file $2. */
  readonly command: string;
  /** What its format can keep. */
  readonly trees: readonly Tree[];
}

const PYTHON = (format: string): string =>
  `/usr/bin/python3 -c 'import sys, tarfile; t = tarfile.open(sys.argv[2], "w", format=tarfile.${format}); t.add(sys.argv[1], "."); t.close()' "$1" "$2"`;

const NPM = (options: string): string =>
  `'${process.execPath}' -e 'require("tar").create({ sync: true, file: process.argv[2], cwd: process.argv[1], ${options} }, ["."])' "$1" "$2"`;

/** Programs people make archives with, and the formats each of them knows. */
export const PACKERS: readonly Packer[] = [
  ...(
    [
      ['v7', ['short']],
      ['oldgnu', ['short', 'long', 'extreme']],
      ['gnu', ['short', 'long', 'extreme']],
      ['ustar', ['short']],
      ['posix', ['short', 'long', 'extreme']],
    ] as const
  ).map(([format, trees]) => ({
    name: `GNU tar, ${format}`,
    needs: 'tar',
    command: `tar --create --format=${format} --file "$2" --directory "$1" .`,
    trees,
  })),
  {
    name: 'GNU tar, posix, access lists and attributes',
    needs: 'tar',
    command: 'tar --create --format=posix --acls --xattrs --file "$2" --directory "$1" .',
    trees: ['short', 'extreme'],
  },
  {
    name: 'GNU tar, appended to',
    needs: 'tar',
    command:
      'tar --create --file "$2" --directory "$1" ./index.php ./content && tar --append --file "$2" --directory "$1" .',
    trees: ['short'],
  },
  ...(
    [
      ['pax', ['short', 'long', 'extreme']],
      ['rpax', ['short', 'long', 'extreme']],
      ['ustar', ['short']],
      ['gnutar', ['short', 'long']],
      ['v7', ['short']],
    ] as const
  ).map(([format, trees]) => ({
    name: `bsdtar, ${format}`,
    needs: 'bsdtar',
    command: `bsdtar --create --format=${format} --file "$2" --directory "$1" .`,
    trees,
  })),
  { name: 'busybox', needs: 'busybox', command: 'busybox tar -c -f "$2" -C "$1" .', trees: ['short', 'long'] },
  { name: 'Python, USTAR', needs: '/usr/bin/python3', command: PYTHON('USTAR_FORMAT'), trees: ['short'] },
  {
    name: 'Python, GNU',
    needs: '/usr/bin/python3',
    command: PYTHON('GNU_FORMAT'),
    trees: ['short', 'long', 'extreme'],
  },
  {
    name: 'Python, PAX',
    needs: '/usr/bin/python3',
    command: PYTHON('PAX_FORMAT'),
    trees: ['short', 'long', 'extreme'],
  },
  { name: 'npm’s tar', needs: process.execPath, command: NPM('noPax: false'), trees: ['short', 'long'] },
  {
    name: 'npm’s tar, without extended headers',
    needs: process.execPath,
    command: NPM('noPax: true'),
    trees: ['short'],
  },
];

/** Compressors, and how they are called as a filter. */
export const COMPRESSORS: readonly { readonly name: string; readonly needs: string; readonly command: string }[] = [
  { name: 'gzip', needs: 'gzip', command: 'gzip -c' },
  { name: 'gzip, two members', needs: 'gzip', command: inHalves('gzip -c') },
  { name: 'pigz', needs: 'pigz', command: 'pigz -c -p 2' },
  { name: 'pigz, independent blocks', needs: 'pigz', command: 'pigz -c -p 2 -i -b 128' },
  { name: 'bzip2', needs: 'bzip2', command: 'bzip2 -1 -c' },
  { name: 'bzip2, two streams', needs: 'bzip2', command: inHalves('bzip2 -1 -c') },
  { name: 'pbzip2', needs: 'pbzip2', command: 'pbzip2 -1 -c -p2' },
  { name: 'zstd', needs: 'zstd', command: 'zstd -q -c -1' },
  { name: 'zstd, with a long window', needs: 'zstd', command: 'zstd -q -c -1 --long=27' },
  { name: 'zstd, two frames', needs: 'zstd', command: inHalves('zstd -q -c -1') },
  { name: 'pzstd', needs: 'pzstd', command: 'pzstd -q -c -1 -p 2' },
];

function inHalves(command: string): string {
  return `( head -c 1000000 | ${command}; ${command} )`;
}

/** True where a program is installed, by its name or path. */
export function hasProgram(name: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$1"', 'sh', name], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
