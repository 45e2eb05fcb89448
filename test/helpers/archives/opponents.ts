import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Parser, type ReadEntry } from 'tar';
import { z } from 'zod';

/** A member of an archive as another program reads it. Names are bytes (latin-1). */
export interface ReadMember {
  readonly name: string;
  readonly type: 'file' | 'folder' | 'link' | 'hard link' | 'other';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly target: string;
  readonly sha256: string | null;
  /** Whole seconds, rounded down. */
  readonly mtime: number;
  /** The access list in its PAX records, where the program tells it. */
  readonly acl?: string;
  /** A record of it holds a line feed: npm's tar takes what follows for another record (tar 7.5, pax.js). */
  readonly isOverLines?: boolean;
}

const memberSchema: z.ZodType<ReadMember> = z.strictObject({
  name: z.string(),
  type: z.enum(['file', 'folder', 'link', 'hard link', 'other']),
  mode: z.int(),
  uid: z.int(),
  gid: z.int(),
  target: z.string(),
  sha256: z.string().nullable(),
  mtime: z.int(),
  acl: z.string().optional(),
  isOverLines: z.boolean().optional(),
});

const PROGRAM = `
import hashlib, io, json, math, struct, sys, tarfile
tarfile.ENCODING = 'latin-1'
types = {tarfile.REGTYPE: 'file', tarfile.AREGTYPE: 'file', tarfile.DIRTYPE: 'folder', tarfile.SYMTYPE: 'link', tarfile.LNKTYPE: 'hard link'}
while True:
    head = sys.stdin.buffer.read(4)
    if len(head) < 4: break
    data = sys.stdin.buffer.read(struct.unpack('>I', head)[0])
    try:
        out = []
        with tarfile.open(fileobj=io.BytesIO(data), mode='r:', encoding='latin-1', errors='surrogateescape', errorlevel=2) as archive:
            for m in archive:
                body = archive.extractfile(m).read() if m.isreg() else None
                out.append({'name': m.name, 'type': types.get(m.type, 'other'), 'mode': m.mode, 'uid': m.uid, 'gid': m.gid,
                    'target': m.linkname if m.issym() or m.islnk() else '',
                    'sha256': None if body is None else hashlib.sha256(body).hexdigest(), 'mtime': math.floor(m.mtime),
                    **({'acl': m.pax_headers['SCHILY.acl.access']} if 'SCHILY.acl.access' in m.pax_headers else {}),
                    **({'isOverLines': True} if any('\\n' in value for value in m.pax_headers.values()) else {})})
        print(json.dumps(out), flush=True)
    except Exception as error:
        print(json.dumps(str(error)), flush=True)
`;

/** Python's tarfile, started once for many archives. */
export class PythonReader {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lines: AsyncIterator<string>;

  constructor() {
    this.child = spawn('/usr/bin/python3', ['-c', PROGRAM]);
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /** What it reads in an uncompressed archive, or why it gives up. */
  async read(archive: Buffer): Promise<readonly ReadMember[] | string> {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(archive.length);
    this.child.stdin.write(Buffer.concat([length, archive]));
    const line = await this.lines.next();
    return z.union([z.array(memberSchema), z.string()]).parse(JSON.parse(line.done ? '"it ended"' : line.value));
  }

  async stop(): Promise<void> {
    this.child.stdin.end();
    if (this.child.exitCode === null) await once(this.child, 'exit');
  }
}

const TYPES: Readonly<Record<string, ReadMember['type']>> = {
  File: 'file',
  OldFile: 'file',
  Directory: 'folder',
  SymbolicLink: 'link',
  Link: 'hard link',
};

/** What npm's tar reads in an archive. It decodes names as UTF-8: those that are none are not what they were. */
export async function readByNpm(archive: Buffer): Promise<ReadMember[]> {
  const members: ReadMember[] = [];
  const parser = new Parser({ strict: true });
  const finished = new Promise<void>((resolve, reject) => {
    parser.on('end', resolve);
    parser.on('error', reject);
  });
  parser.on('entry', (entry: ReadEntry) => {
    const hash = createHash('sha256');
    entry.on('data', (chunk: Buffer) => void hash.update(chunk));
    entry.on('end', () => {
      const type = TYPES[entry.type] ?? 'other';
      members.push({
        name: Buffer.from(entry.path).toString('latin1'),
        type,
        mode: entry.mode ?? 0,
        uid: entry.uid ?? 0,
        gid: entry.gid ?? 0,
        target: type === 'link' || type === 'hard link' ? Buffer.from(entry.linkpath ?? '').toString('latin1') : '',
        sha256: type === 'file' ? hash.digest('hex') : null,
        mtime: Math.floor((entry.mtime?.getTime() ?? 0) / 1000),
      });
    });
  });
  parser.end(archive);
  await finished;
  return members;
}
