import type { Configuration } from '../config/schema';
import { sshPlaceOf } from '../config/ssh';
import { isKedgeError } from '../contract/errors';
import type { ListedServer } from '../contract/documents';
import type { RemoteHost } from '../core/hosts/remote/remote-host';
import { PROGRAM_FILE } from '../core/hosts/ssh/program-file';
import type { Operation } from '../core/operation';
import type { Parts } from './parts';

/**
 * The servers of a configuration, each of which is tried. One that cannot be reached says why, and holds nobody up for longer than a
 * login may take. `version` is that of this Kedge: a server that answers has the same.
 * @throws the signal's reason
 */
export async function listServers(
  { remoteHostOf, redact }: Pick<Parts, 'redact' | 'remoteHostOf'>,
  configuration: Configuration,
  version: string,
  operation: Operation,
): Promise<ListedServer[]> {
  return Promise.all(
    Object.entries(configuration.servers).map(async ([server, { web, db }]) => {
      const serves = [...(web ? [web.kind] : []), ...(db ? [db.kind] : [])];
      const host = remoteHostOf(server);
      const place = sshPlaceOf(configuration, server);
      if (host === null || place === null)
        return { server, where: null, serves, reached: true, version, since: null, problem: null };
      const listed = { server, where: { user: place.user, host: place.host, port: place.port }, serves };
      try {
        await connectWithin(host, operation);
        return { ...listed, reached: true, version, since: await installedSince(host), problem: null };
      } catch (error) {
        operation.signal.throwIfAborted();
        if (!isKedgeError(error)) throw error;
        const { code, message, hint } = redact({ code: error.code, message: error.message, hint: error.hint });
        return { ...listed, reached: false, version: null, since: null, problem: { code, message, hint } };
      }
    }),
  );
}

/** A connection has limits of its own; who is interrupted does not wait for them. */
async function connectWithin(host: RemoteHost, { signal }: Operation): Promise<void> {
  signal.throwIfAborted();
  const aborted = new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
  );
  await Promise.race([host.connect(), aborted]);
}

/** When the program was put there; null where it lies elsewhere. */
async function installedSince(host: RemoteHost): Promise<string | null> {
  const status = await host.status(PROGRAM_FILE).catch(() => undefined);
  return status?.type === 'file' ? new Date(status.modifiedMs).toISOString() : null;
}
