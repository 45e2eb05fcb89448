import { isAtLeast } from './server-version';

/**
 * The year in which times of type TIMESTAMP end: since MariaDB 11.5 they are 32 bits without a sign. A row of a system-versioned
 * table that is the present one ends at the last of these times, and a dump with history holds that as a value: where time ends
 * elsewhere, it is a row of the past.
 */
export type Era = 2038 | 2106;

/** The era of a server, by its version. */
export function eraOf(version: string): Era {
  return /mariadb/i.test(version) && isAtLeast(version, [11, 5]) ? 2106 : 2038;
}
