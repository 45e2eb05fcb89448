// A worker that ends as by `kill -9` once every given site has come through its n-th rename of a folder; each waits there for the
// others. Started by tests as a process of its own, on the built tree. Usage: node crashing-worker.js CONFIGURATION '{"SITE": N, …}'
const { loadConfiguration } = require('../../dist/src/config/load.js');
const { runWorker } = require('../../dist/src/worker.js');

const [configurationPath, crashAt] = process.argv.slice(2);
const awaited = new Map(Object.entries(JSON.parse(crashAt)));

async function renamed(site) {
  if (!awaited.has(site)) return;
  awaited.set(site, awaited.get(site) - 1);
  if (awaited.get(site) > 0) return;
  if ([...awaited.values()].every((renames) => renames <= 0)) process.kill(process.pid, 'SIGKILL');
  await new Promise(() => undefined);
}

function crashing(real) {
  return {
    ...real,
    siteAtWork(target) {
      const site = real.siteAtWork(target);
      const host = new Proxy(site.host, {
        get(here, name) {
          const value = here[name];
          if (typeof value !== 'function') return value;
          if (name !== 'rename') return value.bind(here);
          return async (...paths) => {
            await here.rename(...paths);
            await renamed(site.uri);
          };
        },
      });
      return { ...site, host, folder: { ...site.folder, host } };
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
