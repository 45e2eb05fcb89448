import { readFile } from 'node:fs/promises';

/** Mount points at and below a path, from mountinfo (man 5 proc: the fifth field, octal escapes), one character a byte. */
export function mountPointsBelow(mountinfo: string, path: string): string[] {
  const points = mountinfo
    .split('\n')
    .map((line) => line.split(' ')[4])
    .filter((point) => point !== undefined)
    .map((point) =>
      Buffer.from(
        point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
        'latin1',
      ).toString('utf8'),
    );
  const prefix = path.endsWith('/') ? path : `${path}/`;
  return [...new Set(points.filter((point) => point === path || point.startsWith(prefix)))].sort();
}

export async function readMountPointsBelow(path: string): Promise<string[]> {
  return mountPointsBelow(await readFile('/proc/self/mountinfo', 'latin1'), path);
}
