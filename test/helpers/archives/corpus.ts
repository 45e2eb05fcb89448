import { BODIES } from './bodies';
import { ENDS } from './ends';
import { EXTENDED_HEADERS } from './extended-headers';
import { FRAMES } from './frames';
import type { HostileArchive } from './hostile-archive';
import { NAMES } from './names';
import { NUMBERS } from './numbers';
import { REPEATED } from './repeated';

/** Archives built by hand to be taken for something else than they are, and some that are merely odd. */
export const CORPUS_BY_KIND: Readonly<Record<string, readonly HostileArchive[]>> = {
  bodies: BODIES,
  numbers: NUMBERS,
  ends: ENDS,
  repeated: REPEATED,
  names: NAMES,
  extendedHeaders: EXTENDED_HEADERS,
  frames: FRAMES,
};

export const CORPUS: readonly HostileArchive[] = Object.values(CORPUS_BY_KIND).flat();

export function isRefused(archive: HostileArchive, origin: 'catalogue' | 'foreign'): boolean {
  return 'refused' in expectationOf(archive, origin);
}

export function expectationOf(archive: HostileArchive, origin: 'catalogue' | 'foreign'): HostileArchive['expected'] {
  return (origin === 'catalogue' ? archive.fromCatalogue : undefined) ?? archive.expected;
}
