// A worker that ends as by `kill -9` once every given site has come to, or behind, an act of its task; each waits there for the
// others. Started by tests as a process of its own, on the built tree. Usage: node crashing-worker.js CONFIGURATION '{"SITE": place, …}'
//
// A place is { part, act, times, when }: the `times`-th call of the function `act` of a part of the site (`host`, `webServer`,
// `databaseServer`, or one of the worker: `master`, `journals`, `states`, `locks`), `before` it is made or `behind` it.
const { loadConfiguration } = require('../../dist/src/config/load.js');
const { runWorker } = require('../../dist/src/worker.js');

const [configurationPath, crashAt] = process.argv.slice(2);
const places = new Map(Object.entries(JSON.parse(crashAt)));
const left = new Map([...places].map(([site, { times }]) => [site, times]));

/** Counts an act of a site; in or behind the one that is asked for nothing goes on any more. */
async function arrive(site, part, act, when) {
  const place = places.get(site);
  if (!place || place.part !== part || place.act !== act || place.when !== when) return;
  left.set(site, left.get(site) - 1);
  if (left.get(site) > 0) return;
  if ([...left.values()].every((times) => times <= 0)) process.kill(process.pid, 'SIGKILL');
  await new Promise(() => undefined);
}

/** A part each of whose acts may be the last one. `siteOf`: whose act it is, by what it is called with. */
function crashing(part, object, siteOf) {
  return new Proxy(object, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const isAsked = [...places.values()].some((place) => place.part === part && place.act === name);
      if (!isAsked) return value.bind(target);
      return async (...args) => {
        await arrive(siteOf(args), part, name, 'before');
        const result = await Reflect.apply(value, target, args);
        await arrive(siteOf(args), part, name, 'behind');
        return result;
      };
    },
  });
}

/** The site that the first of the arguments names: itself, by its task, by its state, or in a path. */
function siteNamed([first]) {
  const text = typeof first === 'string' ? first : JSON.stringify(first ?? null);
  return [...places.keys()].find((site) => text.includes(site));
}

function crashingSite(site) {
  const its = () => site.uri;
  const host = crashing('host', site.host, its);
  return {
    ...site,
    host,
    folder: { ...site.folder, host },
    webServer: crashing('webServer', site.webServer, its),
    databaseServer: async (...asked) => crashing('databaseServer', await site.databaseServer(...asked), its),
  };
}

function decorate(real) {
  const parts = ['master', 'journals', 'states', 'locks'].map((name) => [name, crashing(name, real[name], siteNamed)]);
  return { ...real, ...Object.fromEntries(parts), siteAtWork: (target) => crashingSite(real.siteAtWork(target)) };
}

async function main() {
  await runWorker({
    configuration: await loadConfiguration(configurationPath),
    configurationPath,
    environment: process.env,
    signal: new AbortController().signal,
    onReady: () => process.stderr.write('crashing worker is ready\n'),
    decorate,
  });
}

void main();
