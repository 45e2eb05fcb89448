import { delimiter } from 'node:path';

/** Where Debian has servers; the PATH of an ordinary user leaves these folders out. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Has this process, and what it starts, find servers by their names. Doing it twice changes nothing more. */
export function findSystemPrograms(): void {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean);
  process.env['PATH'] = [...new Set([...folders, ...SYSTEM_FOLDERS])].join(delimiter);
}
