import { SITE_FOLDER } from '../../../src/contract/target';
import { rsyncComplaints } from '../../../src/core/sync/rsync-complaints';
import { testOperation } from '../../helpers/operation';
import { ERRORS_OF_FILES, OTHER_ERRORS } from '../complaints/errors-of-files';

/* Words of rsync 3.2.7 and 3.5.0, as they stood in their output or their sources. */

function heard(text: string, saveWhatCanBe = false): ReturnType<typeof rsyncComplaints> {
  const folder = { root: SITE_FOLDER, path: '/folder' };
  const complaints = rsyncComplaints(testOperation().log, 'gazette.example', folder, saveWhatCanBe);
  // In pieces, as they come.
  const said = complaints.hear();
  for (const piece of text.match(/[^]{1,7}/g) ?? []) said.take(Buffer.from(piece, 'latin1'));
  said.end();
  return complaints;
}

/** Of what is there, and not in the backup. */
const lost = (complaints: ReturnType<typeof rsyncComplaints>): readonly string[] =>
  complaints.notSaved().get(SITE_FOLDER) ?? [];

test.each([
  ['file has vanished: "/folder/a b"', 'that vanished', 'a b', false],
  ['directory has vanished: "/folder/cache/tmp"', 'that vanished', 'cache/tmp', false],
  ['rsync: [sender] send_files failed to open "/folder/a": No such file or directory (2)', 'that vanished', 'a', false],
  ['rsync: [sender] readlink_stat("/folder/x/a") failed: Not a directory (20)', 'that vanished', 'x/a', false],
  ['rsync: [sender] send_files failed to open "/folder/a": Permission denied (13)', 'cannot be read', 'a', true],
  ['rsync: [sender] opendir "/folder/d" failed: Permission denied (13)', 'cannot be read', 'd', true],
  ['ERROR: a/b failed verification -- update discarded.', 'changed each time', 'a/b', true],
  ['ERROR: a/folder/b failed verification -- update discarded.', 'changed each time', 'a/folder/b', true],
  [
    'rsync: [sender] get_xattr_data: lgetxattr("/folder/a","user.x",9) failed: Permission denied (13)',
    'extended attributes',
    'a',
    true,
  ],
  [
    'rsync: [sender] get_xattr_data: lgetxattr("/folder/a","user.x",9) failed: Numerical result out of range (34)',
    'extended attributes',
    'a',
    true,
  ],
  ['get_xattr_data: lgetxattr("/folder/a","user.x",9) returned 5', 'extended attributes', 'a', true],
  ['failed to re-read xattr user.x for a', 'extended attributes', 'a', true],
  ['rsync: [sender] get_acl: sys_acl_get_file(a, ACL_TYPE_ACCESS): Permission denied (13)', 'access lists', 'a', true],
  [
    'rsync: [sender] get_acl: acl_get_file_at(a, ACL_TYPE_ACCESS): No such file or directory (2)',
    'vanished',
    'a',
    false,
  ],
  ['filename overflows max-path len by 128: a/b/c', 'whose paths are too long', 'a/b/c', true],
  ['skipping overly long name: a/b/c', 'whose paths are too long', 'a/b/c', true],
  [String.raw`file has vanished: "/folder/caf\#303\#251\#012"`, 'that vanished', 'café?', false],
])('%s', (line, kind, name, isLost) => {
  const complaints = heard(`${line}\nrsync error: some files/attrs were not transferred (code 23) at main.c(1)\n`);
  expect(complaints.grave).toEqual([]);
  expect(complaints.any).toBe(true);
  expect(complaints.conclude()).toEqual([expect.stringContaining(kind)]);
  expect(complaints.conclude()[0]).toMatch(new RegExp(` \\(1\\): ${name.replace('?', '\\?')}$`));
  expect(lost(complaints)).toEqual(isLost ? complaints.conclude() : []);
});

/** The forms in which rsync puts an error of the system behind the name of a file. */
const FORMS = [
  'send_files failed to open "/folder/a"',
  'readlink_stat("/folder/a") failed',
  'link_stat "/folder/a" failed',
  'opendir "/folder/a" failed',
  'readdir("/folder/a")',
  'read errors mapping "/folder/a"',
] as const;

test.each(ERRORS_OF_FILES.map(([words, number, became]) => ({ words, number, became })))(
  '$words: $became',
  ({ words, number, became }) => {
    for (const form of FORMS) {
      const complaints = heard(`rsync: [sender] ${form}: ${words} (${number})\n`, true);
      expect([form, complaints.grave]).toEqual([form, []]);
      expect(complaints.conclude()).toEqual([expect.stringMatching(new RegExp(`${became}.* \\(1\\): a$`))]);
      expect(lost(complaints)).toEqual(became === 'vanished' ? [] : complaints.conclude());
    }
  },
);

test.each(OTHER_ERRORS.map(([words, number]) => `${words} (${number})`))('%s is no error of a file', (error) => {
  for (const form of FORMS) {
    const line = `rsync: [sender] ${form}: ${error}`;
    expect(heard(`${line}\n`, true).grave).toEqual([line]);
  }
});

test.each([
  'rsync: [receiver] write failed on "/folder/a": No space left on device (28)',
  'rsync: [generator] recv_generator: mkdir "/folder/a" failed: Permission denied (13)',
  'rsync: [sender] opendir "/folder" failed: Permission denied (13)',
  'rsync: [sender] read errors mapping "/folder/a": Input/output error (5)',
  'rsync: connection unexpectedly closed (9 bytes received so far) [receiver]',
  'file has vanished: "/folder"',
  'directory has vanished: "/folder"',
  'rsync: [sender] get_acl: sys_acl_get_file(a, ACL_TYPE_ACCESS): Input/output error (5)',
])('%s is grave', (line) => {
  const complaints = heard(`${line}\n`);
  expect(complaints.grave).toEqual([line]);
  expect(complaints.conclude()).toEqual([]);
});

test('an error of the disk is a finding where what can be is to be saved', () => {
  const complaints = heard('rsync: [sender] read errors mapping "/folder/a": Input/output error (5)\n', true);
  expect(complaints.grave).toEqual([]);
  expect(lost(complaints)).toEqual([expect.stringMatching(/the disk cannot read.*: a$/)]);
});

test.each([
  'WARNING: a failed verification -- update discarded (will try again).',
  'rsync: [sender] read errors mapping "/folder/a": No data available (61)',
])('what is tried again is no finding, and explains the exit code: %s', (line) => {
  const complaints = heard(`${line}\n`);
  expect([complaints.grave, complaints.conclude(), complaints.any]).toEqual([[], [], true]);
});

test('a name cannot forge a complaint', () => {
  const complaints = heard(
    String.raw`file has vanished: "/folder/x\#012rsync: [receiver] write failed on "y": No space left on device (28)"`,
  );
  expect(complaints.grave).toEqual([]);
  expect(complaints.any).toBe(true);
});
