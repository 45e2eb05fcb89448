/**
 * Errors of the system that a single file can cause, whatever its owner does to it, in the words of the C library in the C locale. What is
 * not among them says something of the machine, or of the program: no memory, no descriptors, no space.
 */
const FILE_ERRORS = {
  /** It was taken away, or something else stands in its place: a link, a folder, a socket. */
  vanished: [
    'No such file or directory',
    'Not a directory',
    'Is a directory',
    'Too many levels of symbolic links',
    'No such device or address',
    'Invalid argument',
    'Stale file handle',
    'File name too long',
  ],
  /** It is there, and nobody is let in. */
  unreadable: [
    'Permission denied',
    'Operation not permitted',
    'Required key not available',
    'Operation not supported',
    'No such device',
    'Text file busy',
    'Device or resource busy',
  ],
  /** It is there, and the disk does not give it. */
  failing: ['Input/output error', 'Structure needs cleaning', 'Bad message', 'Remote I/O error'],
} as const;

/** What became of a file. */
export type FileError = keyof typeof FILE_ERRORS;

const BY_WORDS: ReadonlyMap<string, FileError> = new Map(
  (Object.keys(FILE_ERRORS) as FileError[]).flatMap((error) =>
    FILE_ERRORS[error].map((words) => [words, error] as const),
  ),
);

/** What an error says of the file; undefined for one that no file causes. @param words as `strerror` has them in the C locale */
export function fileErrorOf(words: string): FileError | undefined {
  return BY_WORDS.get(words);
}

/** Whether somewhere in what a program said stands an error of the disk. */
export function tellsOfFailingDisk(said: string): boolean {
  return FILE_ERRORS.failing.some((words) => said.includes(words));
}

/** Whether somewhere in what a program said stands that it could not write for want of room. */
export function tellsOfFullDisk(said: string): boolean {
  return /No space left on device|Disk quota exceeded/.test(said);
}
