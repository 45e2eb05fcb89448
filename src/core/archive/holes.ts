import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import type { UnpackedFolder } from './unpacked-folders';

const BLOCK = 4096;
const ZEROS = Buffer.alloc(BLOCK);
/** A file is worth it that has so many zeros in a row: who leaves holes leaves large ones. */
const HOLE_BYTES = 64 * 1024;
/** Of so many files names are kept. More are unpacked whole. */
const MAXIMUM_FILES = 100_000;

/** Notices, as files stream past, which of them hold so many zeros that they had holes, or may have. */
export class HoleFinder {
  /** Names of those files, a byte a character. */
  readonly names: string[] = [];
  private zeros = 0;
  private found = false;

  begin(): void {
    this.zeros = 0;
    this.found = false;
  }

  part(part: Buffer): void {
    if (this.found) return;
    for (let at = 0; at < part.length && !this.found; at += BLOCK) {
      const end = Math.min(at + BLOCK, part.length);
      const isZero = part[at] === 0 && part.compare(ZEROS, 0, end - at, at, end) === 0;
      this.zeros = isZero ? this.zeros + end - at : 0;
      this.found = this.zeros >= HOLE_BYTES;
    }
  }

  end(name: string): void {
    if (this.found && this.names.length < MAXIMUM_FILES) this.names.push(name);
  }
}

// A hole is a change to the kernel: the file keeps its time all the same. Not every file system has holes.
const DIG = `
for file do
  touch -r "$file" /tmp/before
  fallocate --dig-holes "$file" 2>/dev/null || :
  touch -r /tmp/before "$file"
done
`;

/** Gives zeros of unpacked files back to the disk: what was sparse is sparse again. Content, times and modes stay. */
export async function digHoles(
  host: Host,
  folders: readonly UnpackedFolder[],
  names: readonly string[],
  workingFolder: string,
  operation: Operation,
): Promise<void> {
  if (names.length === 0) return;
  await host.run({
    argv: ['xargs', '--null', 'sh', '-c', DIG, 'sh'],
    // Without FSETID the kernel would take setuid and setgid bits away.
    sandbox: { writable: folders, capabilities: ['FOWNER', 'DAC_OVERRIDE', 'FSETID'], workingFolder },
    environment: { LC_ALL: 'C' },
    input: Buffer.from(`${names.join('\0')}\0`, 'latin1'),
    operation,
  });
}
