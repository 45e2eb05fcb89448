import { type Place, tarComplaints } from '../../../src/core/archive/tar-complaints';
import { testOperation } from '../../helpers/operation';
import { ERRORS_OF_FILES, OTHER_ERRORS } from '../complaints/errors-of-files';

const { log } = testOperation();

type Complaints = ReturnType<typeof tarComplaints>;

function of(lines: readonly string[], { chunk = 7, saveWhatCanBe = false } = {}): Complaints {
  return heard(tarComplaints(log, 'a.example', placeOf, saveWhatCanBe), lines, chunk);
}

const placeOf = (name: string): Place => ({
  place: name === './' ? 'folder' : name.startsWith('./') ? 'inside' : 'ours',
  root: 'site',
});

function heard(complaints: Complaints, lines: readonly string[], chunk = 7): Complaints {
  const bytes = Buffer.from(`${lines.join('\n')}\n`);
  const said = complaints.hear();
  for (let at = 0; at < bytes.length; at += chunk) said.take(bytes.subarray(at, at + chunk));
  said.end();
  return complaints;
}

it.each([
  ['./a: file changed as we read it', /that changed while they were read \(1\): a$/],
  ['./a: File shrank by 1 byte; padding with zeros', /end in zeros in the backup \(1\): a$/],
  ['./a: File shrank by 123456 bytes; padding with zeros', /end in zeros/],
  ['./a: File removed before we read it', /vanished or were replaced/],
  ['./a: Cannot stat: No such file or directory', /vanished or were replaced/],
  ['./a/b: Cannot open: Not a directory', /vanished or were replaced/],
  ['./a/b: Cannot open: Too many levels of symbolic links', /vanished or were replaced/],
  ['./a: Cannot open: Permission denied', /cannot be read and are in no backup/],
  ['./a: Cannot open: Required key not available', /cannot be read and are in no backup/],
  ['./a: Warning: Cannot llistxattrat: Operation not permitted', /extended attributes cannot be read/],
  ['a: Warning: Cannot file_has_acl_at: No such file or directory', /access lists .* cannot be read .*: a$/],
  ['./a: socket ignored', /pipes, sockets or devices/],
  ['./a: file is on a different filesystem; not dumped', /another file system/],
  [
    './caf\\303\\251\\\\ \\: Cannot open\\: x\\ny: Cannot open: No such file or directory',
    /: café\\ : Cannot open: x\?y$/,
  ],
  ['./\\351: file changed as we read it', /: \ufffd$/],
])('%s: the backup goes on, and says so', (line, sentence) => {
  const complaints = of([`tar: ${line}`, 'tar: Exiting with failure status due to previous errors']);
  expect({ grave: complaints.grave, any: complaints.any }).toEqual({ grave: [], any: true });
  expect(complaints.conclude()).toEqual([expect.stringMatching(sentence)]);
});

it.each([
  './a: Cannot open: Input/output error',
  './a: Read error at byte 0, while reading 512 bytes: Input/output error',
  './a: Cannot open: Structure needs cleaning',
  './a: Cannot open: Cannot allocate memory',
  './a: Cannot open: Too many open files',
  './: Cannot open: Permission denied',
  './: Cannot stat: No such file or directory',
  'database.sql: file changed as we read it',
  'database.sql: Cannot open: No such file or directory',
  '-: Cannot write: No space left on device',
  'Child returned status 1',
  'Error is not recoverable: exiting now',
  'memory exhausted',
])('%s: no backup comes of it', (line) => {
  expect(of([`tar: ${line}`]).grave).toEqual([line]);
});

/** The forms in which tar puts an error of the system behind the name of a file. */
const FORMS = [
  'Cannot open',
  'Cannot stat',
  'Cannot readlink',
  'Cannot savedir',
  'Warning: Cannot open',
  'Warning: Cannot stat',
  'Read error at byte 0, while reading 10240 bytes',
  'Warning: Read error at byte 512, while reading 512 bytes',
] as const;

it.each(ERRORS_OF_FILES.map(([words, , became]) => ({ words, became })))('$words: $became', ({ words, became }) => {
  for (const form of FORMS) {
    const complaints = of([`tar: ./a: ${form}: ${words}`], { saveWhatCanBe: true });
    expect([form, complaints.grave]).toEqual([form, []]);
    expect(complaints.conclude()).toEqual([expect.stringMatching(new RegExp(`${became}.* \\(1\\): a$`))]);
    expect(complaints.notSaved().get('site') ?? []).toEqual(became === 'vanished' ? [] : complaints.conclude());
  }
});

it.each(OTHER_ERRORS.map(([words]) => words))('%s is no error of a file', (words) => {
  for (const form of FORMS) {
    const line = `./a: ${form}: ${words}`;
    expect(of([`tar: ${line}`], { saveWhatCanBe: true }).grave).toEqual([line]);
  }
});

it('names what it sees of many, and keeps no more of them', () => {
  const many = Array.from({ length: 30_000 }, (_, n) => `tar: ./f${n}: file changed as we read it`);
  const complaints = of(many, { chunk: 65_536 });
  expect(complaints.conclude()).toEqual([expect.stringMatching(/\(30000\): f0, (f\d+, ){18}f19 and 29980 more$/)]);
});

it('a line without an end fills no memory', () => {
  const complaints = of(['tar: ./a: Cannot open: Input/output error']);
  const said = complaints.hear();
  for (let n = 0; n < 2000; n += 1) said.take(Buffer.alloc(65_536, 'x'));
  said.end();
  expect(complaints.grave).toHaveLength(1);
});
