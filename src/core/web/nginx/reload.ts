import { isKedgeError, KedgeError } from '../../../contract/errors';
import type { SiteLocation, WebServerAddress } from '../../../contract/target';
import type { Host } from '../../hosts/host';
import { trustedCommand } from '../../hosts/trusted-command';
import type { Operation } from '../../operation';
import { type Configuration, readConfiguration } from './configuration';
import { serverNames } from '../server-names';

const PROGRAM_LIMIT_MS = 30_000;
const MAXIMUM_DUMP_BYTES = 32 * 1024 * 1024;

/**
 * The configuration test. Returns what the server said about its configuration.
 * @throws KedgeError VhostTestFailed with the server's message; ProgramMissing, ProgramTimedOut as Host.run
 */
export async function testConfiguration(host: Host, address: WebServerAddress, operation: Operation): Promise<string> {
  try {
    const { stderr } = await host.run({
      argv: await trustedCommand(host, address.test),
      limits: { timeoutMs: PROGRAM_LIMIT_MS },
      operation,
    });
    return stderr;
  } catch (error) {
    throw refusal(address, error);
  }
}

function refusal(address: WebServerAddress, error: unknown): unknown {
  if (!isKedgeError(error) || error.code !== 'ProgramFailed') return error;
  return new KedgeError('VhostTestFailed', `${address.name} refuses its configuration: ${error.message}`, {
    server: address.name,
    cause: error,
  });
}

/**
 * The whole configuration, as the server reads it (`nginx -T`).
 * @throws KedgeError VhostTestFailed with the server's message; ConfigurationInvalid where the test is no `nginx -t`
 */
export async function dumpConfiguration(host: Host, address: WebServerAddress, operation: Operation): Promise<string> {
  if (!address.test.includes('-t')) {
    throw new KedgeError(
      'ConfigurationInvalid',
      `the configuration of ${address.name} cannot be read: its test, ${address.test.join(' ')}, has no -t to turn into -T`,
      { server: address.name, hint: 'Set `test:` of the web server to nginx with -t, or use `vhost: managed`.' },
    );
  }
  const argv = address.test.map((argument) => (argument === '-t' ? '-T' : argument));
  try {
    const limits = { timeoutMs: PROGRAM_LIMIT_MS, captureBytes: MAXIMUM_DUMP_BYTES };
    return (await host.run({ argv: await trustedCommand(host, argv), limits, operation })).stdout;
  } catch (error) {
    throw refusal(address, error);
  }
}

/**
 * The configuration, as far as something can be proved by it.
 * @throws KedgeError VhostTestFailed where it cannot be understood, or a comment makes it ambiguous; as {@link dumpConfiguration}
 */
export async function provingConfiguration(
  host: Host,
  address: WebServerAddress,
  operation: Operation,
): Promise<Configuration> {
  const dump = await dumpConfiguration(host, address, operation);
  const configuration = understood(address, dump);
  if (configuration.imitations.length === 0) return configuration;
  throw new KedgeError(
    'VhostTestFailed',
    `what ${address.name} runs cannot be told from its configuration: ${configuration.imitations.join('; ')}`,
    {
      server: address.name,
      hint: 'One of them is a comment that imitates the line by which nginx names a file: take it out, and ask who put it there.',
    },
  );
}

function understood(address: WebServerAddress, dump: string): Configuration {
  try {
    return readConfiguration(dump);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KedgeError('VhostTestFailed', `the configuration of ${address.name} cannot be understood: ${why}`, {
      server: address.name,
      cause,
    });
  }
}

/** Asks the server to load its configuration; it does so on its own time. @throws KedgeError as Host.run */
export async function reloadConfiguration(host: Host, address: WebServerAddress, operation: Operation): Promise<void> {
  const argv = await trustedCommand(host, address.reload);
  await host.run({ argv, limits: { timeoutMs: PROGRAM_LIMIT_MS }, operation });
}

/** Names of the site that another server block has too, as the configuration test told: nginx ignores one of the two. */
export function conflictsIn(tested: string, site: SiteLocation): string[] {
  const names = serverNames(site);
  return tested.split('\n').filter((line) => {
    const name = /conflicting server name "([^"]*)"/.exec(line)?.[1];
    return name !== undefined && names.includes(name);
  });
}
