import { isAbsolute, join, resolve } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import {
  type ClientConnectConfig,
  loadClientConfigProfile,
  loadClientConnectConfig,
  toClientOptions,
} from '@temporalio/envconfig';
import { KedgeError, isKedgeError } from '../contract/errors';
import { assertTrusted, readTrustedFile } from '../trust/trusted-path';

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

/**
 * How Temporal is reached. Its file and those it names are read by whoever asks: each is one that others cannot change.
 * @throws KedgeError ConfigurationInvalid; OwnerRefused
 */
export function connectionOf(environment: Record<string, string | undefined>): ClientConnectConfig {
  const overrideEnvVars: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) if (value !== undefined) overrideEnvVars[name] = value;
  try {
    // A worker runs on Linux; a client, which may run elsewhere, reads as the SDK does.
    if (process.platform !== 'linux') return loadClientConnectConfig({ overrideEnvVars });
    const data = configurationFile(overrideEnvVars) ?? NO_PROFILES;
    const profile = loadClientConfigProfile({ overrideEnvVars, configSource: { data } });
    for (const source of [profile.tls?.clientCert, profile.tls?.clientKey, profile.tls?.serverCACert])
      if (source && 'path' in source) assertTrusted(resolve(source.path));
    return toClientOptions(profile);
  } catch (cause) {
    if (isKedgeError(cause)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new KedgeError('ConfigurationInvalid', `the Temporal connection is not configured right: ${reason}`, {
      cause,
    });
  }
}

/** What envconfig would read by itself; undefined where there is none. */
function configurationFile(environment: Record<string, string>): Buffer | undefined {
  const path = environment['TEMPORAL_CONFIG_FILE'] ?? defaultFile(environment);
  if (path === undefined) return undefined;
  try {
    return readTrustedFile(resolve(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw error;
  }
}

const NO_PROFILES = '[profile]';

/** As envconfig finds it on Linux. */
function defaultFile({ XDG_CONFIG_HOME: folder, HOME: home }: Record<string, string>): string | undefined {
  if (folder) return isAbsolute(folder) ? join(folder, 'temporalio', 'temporal.toml') : undefined;
  return home ? join(home, '.config', 'temporalio', 'temporal.toml') : undefined;
}

/** Said by whoever cannot reach Temporal. */
export function unreachable(address: string, cause: unknown): KedgeError {
  return new KedgeError('TemporalUnreachable', `Temporal does not answer at ${address}`, {
    cause,
    hint: 'Start it (`kedge up` on one machine), or set TEMPORAL_ADDRESS.',
  });
}
