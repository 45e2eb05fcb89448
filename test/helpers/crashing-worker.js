// A worker that ends as by `kill -9` in the n-th rename of a folder on the web server, once it is done: started by tests
// as a process of its own, on the built tree. Usage: node crashing-worker.js CONFIGURATION N
const { loadConfiguration } = require('../../dist/src/config/load.js');
const { runWorker } = require('../../dist/src/worker.js');

const [configurationPath, crashAt] = process.argv.slice(2);

function crashing(real) {
  let renames = 0;
  return {
    ...real,
    webHost(target) {
      return new Proxy(real.webHost(target), {
        get(host, name) {
          const value = host[name];
          if (typeof value !== 'function') return value;
          if (name !== 'rename') return value.bind(host);
          return async (...paths) => {
            await host.rename(...paths);
            renames += 1;
            if (renames === Number(crashAt)) process.kill(process.pid, 'SIGKILL');
          };
        },
      });
    },
  };
}

async function main() {
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
