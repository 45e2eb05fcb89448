import { END, member } from './tar-blocks';

/** A member as an archive may claim it to be; no program that packs would write some of these. */
export interface ForgedMember {
  readonly path: string;
  readonly type?: keyof typeof TYPES;
  readonly mode?: number;
  readonly linkpath?: string;
  readonly content?: string;
}

const TYPES = { File: '0', Link: '1', SymbolicLink: '2', CharacterDevice: '3', FIFO: '6' };

/** An uncompressed archive of these members. */
export function tarOf(members: readonly ForgedMember[]): Buffer {
  const blocks = members.map(({ path, type = 'File', mode = 0o644, linkpath, content = '' }) => {
    const fields = {
      ...{ name: path, type: TYPES[type], mode, mtime: 0 },
      ...(linkpath === undefined ? {} : { linkname: linkpath }),
      ...(type === 'CharacterDevice' ? { devmajor: 1, devminor: 3 } : {}),
    };
    return member(fields, content);
  });
  return Buffer.concat([...blocks, END]);
}
