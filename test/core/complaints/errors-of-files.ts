/** What the C library says of a file that its owner, or the disk, has done something to; the number of the error; what becomes of it. */
export const ERRORS_OF_FILES: readonly (readonly [
  words: string,
  number: number,
  became: 'vanished' | 'cannot be read' | 'the disk cannot read',
])[] = [
  ['No such file or directory', 2, 'vanished'],
  ['Not a directory', 20, 'vanished'],
  ['Is a directory', 21, 'vanished'],
  ['Too many levels of symbolic links', 40, 'vanished'],
  ['No such device or address', 6, 'vanished'],
  ['Invalid argument', 22, 'vanished'],
  ['Stale file handle', 116, 'vanished'],
  ['File name too long', 36, 'vanished'],
  ['Permission denied', 13, 'cannot be read'],
  ['Operation not permitted', 1, 'cannot be read'],
  ['Required key not available', 126, 'cannot be read'],
  ['Operation not supported', 95, 'cannot be read'],
  ['No such device', 19, 'cannot be read'],
  ['Text file busy', 26, 'cannot be read'],
  ['Device or resource busy', 16, 'cannot be read'],
  ['Input/output error', 5, 'the disk cannot read'],
  ['Structure needs cleaning', 117, 'the disk cannot read'],
  ['Bad message', 74, 'the disk cannot read'],
  ['Remote I/O error', 121, 'the disk cannot read'],
];

/** Of the machine or the program, whatever file they are said of. */
export const OTHER_ERRORS: readonly (readonly [words: string, number: number])[] = [
  ['Cannot allocate memory', 12],
  ['Too many open files', 24],
  ['Too many open files in system', 23],
  ['No space left on device', 28],
  ['Disk quota exceeded', 122],
  ['Transport endpoint is not connected', 107],
];
