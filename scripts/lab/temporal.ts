import { join } from 'node:path';
import { type DevServer, findTemporalCli, startDevServer } from '../../src/temporal/dev-server';
import { freePort } from './free-port';

export { findTemporalCli };

export interface PrivateTemporal {
  readonly address: string;
  readonly uiAddress: string;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again on the same ports and data. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** A Temporal of one's own with its Web UI, its data in `folder`. It dies with this process. */
export async function startTemporal(options: { folder: string }): Promise<PrivateTemporal> {
  const [port, uiPort] = [await freePort(), await freePort()];
  const executable = await findTemporalCli();
  const databaseFile = join(options.folder, 'temporal.sqlite');
  const start = (): Promise<DevServer> => startDevServer({ executable, databaseFile, port, uiPort, environment: {} });
  let server = await start();
  const kill = async (): Promise<void> => {
    server.process.kill('SIGKILL');
    await server.stop();
  };
  return {
    address: server.address,
    uiAddress: server.uiAddress ?? '',
    kill,
    async start() {
      server = await start();
    },
    // In good order it would wait for everybody who still polls.
    stop: kill,
  };
}
