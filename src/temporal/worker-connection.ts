import { NativeConnection } from '@temporalio/worker';
import { connectionOf, unreachable } from './connection';

/**
 * The worker's connection, by the same conventions as the client's; apart, for a client does without the native library.
 * @throws KedgeError TemporalUnreachable
 */
export async function connectWorker(
  environment: Record<string, string | undefined>,
): Promise<{ connection: NativeConnection; namespace: string }> {
  const { connectionOptions, namespace } = connectionOf(environment);
  try {
    const connection = await NativeConnection.connect(connectionOptions);
    return { connection, namespace: namespace ?? 'default' };
  } catch (cause) {
    throw unreachable(connectionOptions.address ?? 'localhost:7233', cause);
  }
}
