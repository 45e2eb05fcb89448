import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { DumpFilter } from '../databases/dump-filter';
import type { HeadRules } from '../databases/statement-head';
import { diskFullOr } from '../hosts/disk-full';
import type { MasterHost } from '../hosts/master-host';
import type { Operation } from '../operation';
import type { Origin } from './archive';
import { ArchiveReader, type ArchiveTaker } from './archive-reader';
import { reading } from './reading';

/** As it stands there, but for the rows. */
const RULES: HeadRules = { disableEvents: false, database: undefined, cutDirectories: false, cutRows: true };

/** `Archives.extractDefinitions`; its contract is there. */
export async function extractDefinitions(
  master: MasterHost,
  { path, origin, destination }: { path: string; origin: Origin; destination: string },
  operation: Operation,
): Promise<void> {
  const filter = new DumpFilter({ rules: RULES, onRefused: () => undefined });
  const file = await master.openForWriting(destination);
  const written = pipeline(filter, file.createWriteStream({ flush: true }));
  written.catch(() => undefined);
  const reader = new ArchiveReader(path, origin, new DumpTaker(filter));
  reader.resume();
  try {
    await reading(master, path, operation, (decompress) => decompress(reader));
    filter.end();
    await written;
  } catch (error) {
    filter.destroy();
    throw diskFullOr(error, master.name);
  }
}

/** Hands the dump on, as fast as it is taken, and nothing else. */
class DumpTaker implements ArchiveTaker {
  private full = false;

  constructor(private readonly output: DumpFilter) {}

  dump(): void {}

  dumpPart(part: Buffer): void {
    // A chunk is kept as a whole by its part.
    this.full = !this.output.write(Buffer.from(part));
  }

  record(): void {}

  recordPart(): void {}

  recordEnd(): void {}

  site(): void {}

  sitePart(): void {}

  siteEnd(): void {}

  end(): void {}

  handOn(): readonly Buffer[] {
    return [];
  }

  written(): Promise<void> | null {
    if (!this.full) return null;
    this.full = false;
    return this.drained();
  }

  private async drained(): Promise<void> {
    if (this.output.destroyed) throw this.output.errored ?? new Error('the dump is not written any more');
    await once(this.output, 'drain');
  }
}
