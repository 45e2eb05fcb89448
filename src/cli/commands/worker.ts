import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Command } from 'commander';
import { taskQueueOf } from '../../contract/names';
import { printableJson } from '../../contract/printable';
import type { ServiceManager } from '../../core/hosts/service-manager';
import type { CommandContext } from '../context';
import type { Registration } from '../registration';
import { usage } from '../usage';

/** `kedge worker`, `kedge up` */
export function registerWorker(program: Command, run: Registration): void {
  program
    .command('worker')
    .description('run the worker of this master, against any Temporal')
    .addHelpText(
      'after',
      '\nTemporal is found by its own variables: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_TLS and so on.\n' +
        '\nExample:\n  TEMPORAL_ADDRESS=temporal.example:7233 kedge worker',
    )
    .action(run<object>((context) => work(context, context.io.environment)));

  program
    .command('up')
    .description('Temporal development server (SQLite on disk) with its Web UI, and the worker: one machine')
    .option('--port <port>', 'port of the Temporal service', '7233')
    .option('--ui-port <port>', 'port of the Temporal Web UI', '8233')
    .addHelpText('after', '\nExamples:\n  kedge up\n  kedge up --port 17233 --ui-port 18233')
    .action(
      run<{ port: string; uiPort: string }>(async (context, _args, options) => {
        const configuration = await context.configuration();
        const { master } = await context.parts();
        await master.makeFolder(configuration.state, { mode: 0o700 });
        await makeMissingKey(context);
        const { findTemporalCli, startDevServer } = await import('../../temporal/dev-server.js');
        const server = await startDevServer({
          executable: await findTemporalCli(context.io.environment),
          databaseFile: join(configuration.state, 'temporal.sqlite'),
          port: portOf(options.port, '--port'),
          uiPort: portOf(options.uiPort, '--ui-port'),
          environment: {},
        });
        context.printer.note(`Temporal at ${server.address}, Web UI at ${server.uiAddress}`);
        try {
          await work(context, { ...context.io.environment, TEMPORAL_ADDRESS: server.address });
        } finally {
          await server.stop();
        }
      }),
    );
}

/** A configured signing key that is not there yet is made; what is there is never changed. */
async function makeMissingKey(context: CommandContext): Promise<void> {
  const { requests } = await context.configuration();
  if (requests.key === undefined || !('file' in requests.key)) return;
  const { file } = requests.key;
  const { makeSigningKey } = await import('../../core/requests/signing-key.js');
  const { master } = await context.parts();
  if (await makeSigningKey(master, file)) context.printer.note(`${file} is made: requests are signed with it`);
}

async function work(context: CommandContext, environment: Record<string, string | undefined>): Promise<void> {
  keepMemorySmall();
  const configuration = await context.configuration();
  const stop = new AbortController();
  const manager = await serviceManager(context);
  const onSignal = (): void => {
    context.printer.note('stopping: running steps are handed over');
    void manager.stopping();
    stop.abort();
  };
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  // Loaded by this command alone: it takes as long as all the rest.
  const { runWorker } = await import('../../worker.js');
  await runWorker({
    configuration,
    configurationPath: context.configurationPath(),
    environment,
    signal: stop.signal,
    onNotice: (text) => context.printer.warn(text),
    onEvent: (event) => context.io.stdout.write(`${printableJson({ time: new Date().toISOString(), ...event })}\n`),
    onReady: () => {
      context.printer.note(`worker of ${configuration.master} is ready`);
      void manager.ready(`takes tasks from ${taskQueueOf(configuration.master)}`);
      context.onClose(manager.keepAlive());
    },
  });
}

/** What systemd is told by, where it started this process. */
async function serviceManager(context: CommandContext): Promise<ServiceManager> {
  const { ServiceManager } = await import('../../core/hosts/service-manager.js');
  const { master } = await context.parts();
  const log = { info: () => undefined, warn: (text: string) => context.printer.warn(text) };
  const signal = new AbortController().signal;
  return new ServiceManager(master, context.io.environment, { signal, mark: 'worker', progress: () => undefined, log });
}

/** For as long as this process lives: docs/decisions/0060. */
function keepMemorySmall(): void {
  // Left to itself the heap grows to four times what is in use.
  setFlagsFromString('--heap-growing-percent=100');
  // What the option gives to contexts made behind it, for who reads streams: src/core/hosts/passed-pieces.ts.
  setFlagsFromString('--expose-gc');
  globalThis.gc = runInNewContext('gc') as NodeJS.GCFunction;
}

function portOf(text: string, option: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw usage(`${option} is a port, not ${JSON.stringify(text)}`);
  return port;
}
