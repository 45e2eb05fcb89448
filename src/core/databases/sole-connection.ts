import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { KedgeError } from '../../contract/errors';
import { quoteLiteral } from './identifiers';
import type { LimitedConnection } from './limited-connection';

/** A killed connection may have a statement to take back first. */
const DEADLINE_MS = 60_000;
const POLL_MS = 50;

const answer = z.array(z.object({ taken: z.coerce.number().nullable(), holder: z.coerce.number().nullable() }));

/**
 * Makes a connection the only one of its name at the server. What another of this name is executing was sent by somebody who no longer
 * holds the lock, if he lives at all: a statement does not end with its client. So that connection is killed, and seen gone, before
 * this one is given a statement: the server gives its name free when its thread has ended, not before.
 * @throws KedgeError DatabaseRefused when the other does not end
 */
export async function becomeSole(connection: LimitedConnection, name: string, server: string): Promise<void> {
  const lock = quoteLiteral(`kedge ${name}`);
  for (let left = DEADLINE_MS; ; left -= POLL_MS) {
    const [found] = answer.parse(
      await connection.query(`SELECT GET_LOCK(${lock}, 0) AS taken, IS_USED_LOCK(${lock}) AS holder`),
    );
    if (found?.taken === 1) return;
    if (left <= 0) {
      throw new KedgeError(
        'DatabaseRefused',
        `connection ${found?.holder} of an earlier step does not end on database server ${server}`,
        { server, hint: 'See SHOW PROCESSLIST; a statement may be waiting for a lock or a disk.' },
      );
    }
    // It may have ended since.
    if (found?.holder != null) await connection.query(`KILL CONNECTION ${found.holder}`).catch(() => undefined);
    await delay(POLL_MS);
  }
}
