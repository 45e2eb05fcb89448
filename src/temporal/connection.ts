import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { KedgeError } from '../contract/errors';

/**
 * A client by Temporal's own conventions: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TLS, API key, profiles in
 * temporal.toml. @throws KedgeError TemporalUnreachable after `timeoutMs`
 */
export async function connectClient(
  environment: Record<string, string | undefined>,
  timeoutMs = 5_000,
): Promise<Client> {
  const { connectionOptions, namespace } = connectionOf(environment);
  const address = connectionOptions.address ?? 'localhost:7233';
  try {
    const connection = await Connection.connect({ ...connectionOptions, connectTimeout: timeoutMs });
    return new Client({ connection, namespace: namespace ?? 'default' });
  } catch (cause) {
    throw unreachable(address, cause);
  }
}

/** Where Temporal is, without connecting. @throws KedgeError ConfigurationInvalid */
export function temporalPlace(environment: Record<string, string | undefined>): {
  address: string;
  namespace: string;
  tls: boolean;
} {
  const { connectionOptions, namespace } = connectionOf(environment);
  return {
    address: connectionOptions.address ?? 'localhost:7233',
    namespace: namespace ?? 'default',
    tls: connectionOptions.tls !== undefined && connectionOptions.tls !== false && connectionOptions.tls !== null,
  };
}

/** How Temporal is reached. @throws KedgeError ConfigurationInvalid */
export function connectionOf(environment: Record<string, string | undefined>) {
  const overrideEnvVars: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) if (value !== undefined) overrideEnvVars[name] = value;
  try {
    return loadClientConnectConfig({ overrideEnvVars });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new KedgeError('ConfigurationInvalid', `the Temporal connection is not configured right: ${reason}`, {
      cause,
    });
  }
}

/** Said by whoever cannot reach Temporal. */
export function unreachable(address: string, cause: unknown): KedgeError {
  return new KedgeError('TemporalUnreachable', `Temporal does not answer at ${address}`, {
    cause,
    hint: 'Start it (`kedge up` on one machine), or set TEMPORAL_ADDRESS.',
  });
}
