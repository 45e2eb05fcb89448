import { DISPUTED, EVIL, type HostileArchive, OTHER_DUMP, PLAIN, PLAIN_FILE, refused } from './hostile-archive';
import { BLOCK, END, header, longName, member, pax } from './tar-blocks';

const ZEROS = Buffer.alloc(BLOCK);

/** A file of more than two blocks: header, two blocks of body, one that is filled up. */
const LONG = member({ name: './long' }, 'l'.repeat(2 * BLOCK + 100));

function cut(name: string, at: (sound: Buffer) => number): HostileArchive {
  return {
    name: `cut ${name}`,
    bytes: (sound) => Buffer.concat([sound, LONG, PLAIN, END]).subarray(0, at(sound)),
    expected: { refused: 'ArchiveInvalid' },
  };
}

/** It is whole, and there is more. */
const BEHIND = { expected: { refused: 'ArchiveRefused' } } as const;

function whole(name: string, bytes: (sound: Buffer) => Buffer, options: Partial<HostileArchive> = {}): HostileArchive {
  return { name, bytes, expected: { refused: 'ArchiveInvalid' }, ...options };
}

/** Where an archive ends, and what stands behind that. */
export const ENDS: readonly HostileArchive[] = [
  refused('a single block of zeros, and a member behind it', [ZEROS, EVIL], DISPUTED),
  refused('a single block of zeros, and another dump behind it', [ZEROS, OTHER_DUMP]),
  refused('a member behind the end', [END, EVIL]),
  refused('another dump behind the end', [END, OTHER_DUMP]),
  refused('a member behind an end of twenty blocks', [Buffer.alloc(20 * BLOCK), EVIL]),
  whole('a second archive behind the end', (sound) => Buffer.concat([sound, END, sound, EVIL, END]), BEHIND),
  whole('text behind the end', (sound) => Buffer.concat([sound, END, Buffer.from('<?php')]), BEHIND),
  whole('a byte behind the last block', (sound) => Buffer.concat([sound, END, Buffer.from([1])]), BEHIND),
  whole('no end', (sound) => Buffer.concat([sound, PLAIN])),
  whole('half an end', (sound) => Buffer.concat([sound, PLAIN, ZEROS])),
  whole('an end of a block and a half', (sound) => Buffer.concat([sound, PLAIN, ZEROS, ZEROS.subarray(0, 256)])),
  whole('no member', () => END),
  whole('nothing but zeros', () => Buffer.alloc(10_240)),
  whole('half a block', () => header({}).subarray(0, 256)),
  {
    name: 'as many zeros behind the end as a tape wants',
    bytes: (sound) => Buffer.concat([sound, PLAIN, Buffer.alloc(20 * BLOCK)]),
    expected: { accepted: { plain: PLAIN_FILE } },
  },
  cut('within the header of a file', (sound) => sound.length + 100),
  cut('behind the magic of a header', (sound) => sound.length + 265),
  cut('between header and body', (sound) => sound.length + BLOCK),
  cut('within a body', (sound) => sound.length + BLOCK + 100),
  cut('between two blocks of a body', (sound) => sound.length + 2 * BLOCK),
  cut('at the last byte of a body', (sound) => sound.length + 3 * BLOCK + 99),
  cut('behind the last byte of a body', (sound) => sound.length + 3 * BLOCK + 100),
  cut('between two members', (sound) => sound.length + LONG.length),
  cut('before the end', (sound) => sound.length + LONG.length + PLAIN.length),
  cut('within the end', (sound) => sound.length + LONG.length + PLAIN.length + 700),
  cut('one byte before its last', (sound) => sound.length + LONG.length + PLAIN.length + END.length - 1),
  refused('an extended header before the end', [pax({ path: './a' })]),
  refused('an extended header before a block of zeros, and a member behind it', [pax({ path: './a' }), ZEROS, EVIL]),
  refused('a long name before the end', [longName('L', './a')]),
  refused('a long link target before the end', [longName('K', './a')]),
];
