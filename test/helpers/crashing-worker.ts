import type { ActivityDependencies } from '../../src/activities/dependencies';
import { loadConfiguration } from '../../src/config/load';
import { runWorker } from '../../src/worker';

/**
 * A worker that ends as by `kill -9` in the n-th rename of a folder on the web server, once it is done: started by
 * tests as a process of its own. Usage: node crashing-worker.js CONFIGURATION N
 */
const [configurationPath = '', crashAt = '1'] = process.argv.slice(2);

function crashing(real: ActivityDependencies): ActivityDependencies {
  let renames = 0;
  return {
    ...real,
    webHost(target) {
      const host = real.webHost(target);
      return new Proxy(host, {
        get(inner, name) {
          const value: unknown = Reflect.get(inner, name, inner);
          if (typeof value !== 'function') return value;
          if (name !== 'rename') return (...args: unknown[]): unknown => Reflect.apply(value, inner, args);
          return async (...args: unknown[]): Promise<unknown> => {
            const result: unknown = await Reflect.apply(value, inner, args);
            renames += 1;
            if (renames === Number(crashAt)) process.kill(process.pid, 'SIGKILL');
            return result;
          };
        },
      });
    },
  };
}

async function main(): Promise<void> {
  await runWorker({
    configuration: await loadConfiguration(configurationPath),
    configurationPath,
    environment: process.env,
    signal: new AbortController().signal,
    onReady: () => process.stderr.write('crashing worker is ready\n'),
    decorate: crashing,
  });
}

void main();
