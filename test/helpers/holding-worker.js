// A worker on the built tree that holds every backup where it begins to pack, says so, and lets it go on SIGUSR1: started
// by tests as a process of its own. Usage: node holding-worker.js CONFIGURATION
const { loadConfiguration } = require('../../dist/src/config/load.js');
const { runWorker } = require('../../dist/src/worker.js');

const [configurationPath] = process.argv.slice(2);

function holding(real) {
  const pack = async (request, operation) => {
    process.stderr.write('holding\n');
    await new Promise((resolve, reject) => {
      process.once('SIGUSR1', resolve);
      operation.signal.addEventListener('abort', () => reject(operation.signal.reason));
    });
    return real.archives.pack(request, operation);
  };
  return { ...real, archives: { ...real.archives, pack } };
}

async function main() {
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort());
  await runWorker({
    configuration: await loadConfiguration(configurationPath),
    configurationPath,
    environment: process.env,
    signal: stop.signal,
    onReady: () => process.stderr.write('worker is ready\n'),
    decorate: holding,
  });
}

void main();
