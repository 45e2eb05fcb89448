import { RsyncComplaints } from '../../../src/core/sync/rsync-complaints';
import { testOperation } from '../../helpers/operation';

/* Words of rsync 3.2.7 and 3.5.0, as they stood in their output or their sources. */

function heard(text: string, saveWhatCanBe = false): RsyncComplaints {
  const complaints = new RsyncComplaints(testOperation().log, 'gazette.example', '/folder', saveWhatCanBe);
  // In pieces, as they come.
  for (const piece of text.match(/[^]{1,7}/g) ?? []) complaints.take(Buffer.from(piece, 'latin1'));
  complaints.end();
  return complaints;
}

test.each([
  ['file has vanished: "/folder/a b"', 'that vanished', 'a b', false],
  ['rsync: [sender] send_files failed to open "/folder/a": No such file or directory (2)', 'that vanished', 'a', false],
  ['rsync: [sender] readlink_stat("/folder/x/a") failed: Not a directory (20)', 'that vanished', 'x/a', false],
  ['rsync: [sender] send_files failed to open "/folder/a": Permission denied (13)', 'cannot be read', 'a', true],
  ['rsync: [sender] opendir "/folder/d" failed: Permission denied (13)', 'cannot be read', 'd', true],
  ['ERROR: a/b failed verification -- update discarded.', 'changed each time', 'a/b', true],
  [
    'rsync: [sender] get_xattr_data: lgetxattr("/folder/a","user.x",9) failed: Permission denied (13)',
    'extended attributes',
    'a',
    false,
  ],
  ['rsync: [sender] get_acl: sys_acl_get_file(a, ACL_TYPE_ACCESS): Permission denied (13)', 'access lists', 'a', false],
  [String.raw`file has vanished: "/folder/caf\#303\#251\#012"`, 'that vanished', 'café?', false],
])('%s', (line, kind, name, isLost) => {
  const complaints = heard(`${line}\nrsync error: some files/attrs were not transferred (code 23) at main.c(1)\n`);
  expect(complaints.grave).toEqual([]);
  expect(complaints.any).toBe(true);
  expect(complaints.conclude()).toEqual([expect.stringContaining(kind)]);
  expect(complaints.conclude()[0]).toMatch(new RegExp(` \\(1\\): ${name.replace('?', '\\?')}$`));
  expect(complaints.notSaved()).toEqual(isLost ? complaints.conclude() : []);
});

test.each([
  'rsync: [receiver] write failed on "/folder/a": No space left on device (28)',
  'rsync: [generator] recv_generator: mkdir "/folder/a" failed: Permission denied (13)',
  'rsync: [sender] opendir "/folder" failed: Permission denied (13)',
  'rsync: [sender] read errors mapping "/folder/a": Input/output error (5)',
  'rsync: connection unexpectedly closed (9 bytes received so far) [receiver]',
  'file has vanished: "/folder"',
])('%s is grave', (line) => {
  const complaints = heard(`${line}\n`);
  expect(complaints.grave).toEqual([line]);
  expect(complaints.conclude()).toEqual([]);
});

test('an error of the disk is a finding where what can be is to be saved', () => {
  const complaints = heard('rsync: [sender] read errors mapping "/folder/a": Input/output error (5)\n', true);
  expect(complaints.grave).toEqual([]);
  expect(complaints.notSaved()).toEqual([expect.stringMatching(/the disk cannot read.*: a$/)]);
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
