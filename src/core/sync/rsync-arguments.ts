/**
 * What a folder of a site is, to rsync: owners by number, modes, times to the nanosecond (to rsync by itself two within one second are
 * the same), links, hard links, access lists, extended attributes that an owner may set. Files are the same by their content.
 */
export const AS_IT_IS = [
  ...['--archive', '--hard-links', '--acls', '--xattrs', '--filter=-x! user.*', '--numeric-ids'],
  ...['--no-devices', '--no-specials', '--one-file-system', '--sparse', '--checksum', '--modify-window=-1'],
] as const;

/** Any name will do for the host in front of a path: no address is looked up. */
export const FAR = 'far';

/** Of the end that writes, over files of any owner. */
export const WRITES_FILES = ['CHOWN', 'FOWNER', 'DAC_OVERRIDE', 'FSETID'] as const;
/** Of the end that only reads. */
export const READS_FILES = ['DAC_READ_SEARCH'] as const;
