import { KedgeError } from '../../contract/errors';

/**
 * What is wrong with an archive, before it is known which one it is. `ArchiveInvalid`: cut short or corrupt.
 * `ArchiveRefused`: whole, and not to be unpacked.
 */
export class ArchiveFault extends Error {
  constructor(
    readonly code: 'ArchiveInvalid' | 'ArchiveRefused',
    message: string,
  ) {
    super(message);
  }

  /** As the error of the archive at `path`. */
  of(path: string): KedgeError {
    return this.code === 'ArchiveRefused'
      ? new KedgeError('ArchiveRefused', `${path}: ${this.message}`)
      : new KedgeError('ArchiveInvalid', `${path} is cut short or corrupt: ${this.message}`);
  }
}

export function refused(what: string): ArchiveFault {
  return new ArchiveFault('ArchiveRefused', what);
}

export function invalid(what: string): ArchiveFault {
  return new ArchiveFault('ArchiveInvalid', what);
}
