// A worker on the built tree that halts tasks at chosen points and tells its parent; started by tests as a process of its own.
// Usage: node halting-worker.js CONFIGURATION
//
// The parent sends { points: { SITE: point } }, where a point is { activity, occurrence, call, when, parts }: the
// `occurrence`-th activity of that name in the task (hooks have one name), its `call`-th call of one of `parts` (empty: of any),
// held `during` (before it acts) or `after` (when it has acted and its caller does not know yet). Where the activity makes fewer
// calls it is held when it has done everything and Temporal has not heard of it. `fails: ACTIVITY` makes that activity fail for good.
// The parent is told { held: SITE }, and { used: { site, activity, part, calls } } when an activity makes one more call of a part. It says { go: true }: everything held goes on; or { die: MS }: what is held before a call goes on, what
// is held behind one does not, and the worker ends as by `kill -9`.
const { Context } = require('@temporalio/activity');
const { loadConfiguration } = require('../../dist/src/config/load.js');
const { KedgeError } = require('../../dist/src/contract/errors.js');
const { runWorker } = require('../../dist/src/worker.js');

const [configurationPath] = process.argv.slice(2);
/** Parts whose calls are the bookkeeping of a step: a step that fails has begun. */
const BOOKKEEPING = ['attempts', 'epochs', 'journals', 'locks', 'logs'];
/** Functions of the parts whose results have calls of their own. */
const GIVES_PARTS = ['beginStep', 'databaseServer', 'kindOf', 'webHost', 'webServer'];

let points = {};
let calls = new Map();
let scheduled = new Map();
let held = new Map();
let used = new Map();

process.on('message', (message) => {
  if (message.points) {
    points = message.points;
    [calls, scheduled, held] = [new Map(), new Map(), new Map()];
    used = new Map();
  }
  if (message.go) {
    points = {};
    for (const { go } of held.values()) go();
  }
  if (message.die !== undefined) {
    for (const [site, { go }] of held) if (points[site].when === 'during') go();
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), message.die);
  }
});

/** Where in which task this runs; undefined outside of one. */
function here() {
  try {
    const { activityType, activityId, attempt, workflowExecution } = Context.current().info;
    const [kind, site] = (workflowExecution?.workflowId ?? '').split('/');
    return kind === 'site' ? { site, activityType, activityId, attempt } : undefined;
  } catch {
    return undefined;
  }
}

function isAt(point, { site, activityType, activityId }) {
  if (point.activity !== activityType) return false;
  const key = `${site} ${activityType}`;
  const known = scheduled.get(key) ?? [];
  if (!known.includes(activityId)) scheduled.set(key, [...known, activityId]);
  return scheduled.get(key).indexOf(activityId) + 1 === point.occurrence;
}

function tellUse({ site, activityType, activityId, attempt }, part) {
  const key = `${activityId}/${attempt} ${site} ${part}`;
  used.set(key, (used.get(key) ?? 0) + 1);
  process.send({ used: { site, activity: activityType, part, calls: used.get(key) } });
}

async function hold(site) {
  if (!held.has(site)) {
    const one = { gone: false };
    one.going = new Promise((resolve) => {
      one.go = () => {
        one.gone = true;
        resolve();
      };
    });
    held.set(site, one);
    process.send({ held: site });
  }
  // Whoever is held must not be given up meanwhile.
  const { heartbeat } = Context.current();
  const beats = setInterval(() => heartbeat({}), 1000);
  await held.get(site).going.finally(() => clearInterval(beats));
}

/** Stands around every call: `when` is null at the end of the activity. */
async function pass(part, when) {
  const place = here();
  if (place && when === 'during') tellUse(place, part);
  const point = place && points[place.site];
  if (!point) return;
  // A later attempt of what is held, or a step beside it, stands too.
  if (held.has(place.site) && !held.get(place.site).gone) return hold(place.site);
  if (held.has(place.site)) return;
  if (point.fails === place.activityType && when === 'during' && !BOOKKEEPING.includes(part))
    throw new KedgeError('Internal', `${place.activityType} was made to fail`);
  if (!isAt(point, place)) return;
  const isCounted = point.parts.length === 0 || point.parts.includes(part);
  const key = `${place.activityId}/${place.attempt}`;
  if (when === 'during' && isCounted) calls.set(key, (calls.get(key) ?? 0) + 1);
  const isItsCall = isCounted && calls.get(key) === point.call && when === point.when;
  if (isItsCall || (when === null && point.parts.length === 0)) await hold(place.site);
}

function around(part, object) {
  return new Proxy(object, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args) => call(part, name, () => Reflect.apply(value, target, args), isAsync(value));
    },
  });
}

const isAsync = (value) => value.constructor.name === 'AsyncFunction';

function call(part, name, act, mayWait) {
  const given = (value) => (GIVES_PARTS.includes(name) && value !== null ? around(part, value) : value);
  if (mayWait) {
    return (async () => {
      await pass(part, 'during');
      const value = await act();
      await pass(part, 'after');
      return given(value);
    })();
  }
  const value = act();
  if (!(value instanceof Promise)) return given(value);
  return value.then(async (result) => {
    await pass(part, 'after');
    return given(result);
  });
}

/** Every step settles its log last. */
function haltingLogs(real) {
  return {
    read: (...args) => real.read(...args),
    of(...args) {
      const log = real.of(...args);
      const settled = async () => {
        await log.settled();
        await pass('logs', null);
      };
      return { ...log, settled };
    },
  };
}

function halting(real) {
  const parts = Object.entries(real).map(([name, part]) => {
    if (name === 'logs') return [name, haltingLogs(part)];
    if (name === 'attempts' || name === 'redact' || part === null) return [name, part];
    if (typeof part === 'function') return [name, (...args) => call(name, name, () => part(...args), isAsync(part))];
    return [name, typeof part === 'object' ? around(name, part) : part];
  });
  return Object.fromEntries(parts);
}

async function main() {
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort());
  process.once('disconnect', () => stop.abort());
  await runWorker({
    configuration: await loadConfiguration(configurationPath),
    configurationPath,
    environment: process.env,
    signal: stop.signal,
    onReady: () => process.send({ ready: true }),
    decorate: halting,
  });
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
