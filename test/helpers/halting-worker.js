// A worker on the built tree that halts tasks at chosen points and tells its parent; started by tests as a process of its own.
// Usage: node halting-worker.js CONFIGURATION
//
// The parent sends { points: { SITE: point } }, where a point is { activity, occurrence, call, when, parts }: the
// `occurrence`-th activity of that name in the task (hooks have one name), its `call`-th call of one of `parts` (empty: of any),
// held `during` (before it acts) or `after` (when it has acted and its caller does not know yet). Where the activity makes fewer
// calls it is held when it has done everything and Temporal has not heard of it. `fails: ACTIVITY` makes that activity fail for good.
// The parent is told { held: SITE }, { ended: SITE } when a step that was held has ended, and { used: { site, activity, part, calls } } when an activity makes one more call of a part. It says { go: true }: everything held goes on; or { die: MS }: what is held before a call goes on, what
// is held behind one does not, and the worker ends as by `kill -9`.
const { Context } = require('@temporalio/activity');
const { loadConfiguration } = require('../../dist/src/config/load.js');
const { KedgeError } = require('../../dist/src/contract/errors.js');
const activities = require('../../dist/src/activities/index.js');
const { runWorker } = require('../../dist/src/worker.js');

const [configurationPath] = process.argv.slice(2);
/** Parts whose calls are the bookkeeping of a step: a step that fails has begun. */
const BOOKKEEPING = ['attempts', 'epochs', 'journals', 'locks', 'logs'];
/** Functions of the parts whose results have calls of their own. */
const GIVES_PARTS = ['beginStep', 'databaseServer', 'catalogOf'];

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

/** Counts a call, and tells whether it is the one that its task is held in or behind. */
function arrive(part) {
  const place = here();
  if (!place) return false;
  tellUse(place, part);
  const point = points[place.site];
  if (!point || !isAt(point, place)) return false;
  if (point.parts.length > 0 && !point.parts.includes(part)) return false;
  const key = `${place.activityId}/${place.attempt}`;
  calls.set(key, (calls.get(key) ?? 0) + 1);
  return calls.get(key) === point.call;
}

/** Stands around every call. */
async function pass(part, when, isItsCall) {
  const place = here();
  const point = place && points[place.site];
  if (!point) return;
  // A later attempt of what is held, or a step beside it, stands too.
  if (held.has(place.site)) {
    if (!held.get(place.site).gone) await hold(place.site);
    return;
  }
  if (point.fails === place.activityType && when === 'during' && !BOOKKEEPING.includes(part))
    throw new KedgeError('Internal', `${place.activityType} was made to fail`);
  if (isItsCall) await hold(place.site);
}

/** Every step that is to be held is held at its end at the latest, when it needs no part of a certain kind. */
async function passEnd() {
  const place = here();
  const point = place && points[place.site];
  if (point) await pass('logs', 'after', isAt(point, place) && point.parts.length === 0);
}

function around(part, object) {
  return new Proxy(object, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args) => call(part, name, () => Reflect.apply(value, target, args), isAsync(part, value));
    },
  });
}

/** Every function of a database server gives a promise, however it is written. */
const isAsync = (part, value) => part === 'databaseServer' || value.constructor.name === 'AsyncFunction';

function call(part, name, act, mayWait) {
  const given = (value) => (GIVES_PARTS.includes(name) && value !== null ? around(part, value) : value);
  if (mayWait) {
    return (async () => {
      const isItsCall = arrive(part);
      const { when } = points[here()?.site] ?? {};
      await pass(part, 'during', isItsCall && when === 'during');
      const value = await act();
      await pass(part, 'after', isItsCall && when === 'after');
      return given(value);
    })();
  }
  const value = act();
  if (!(value instanceof Promise)) return given(value);
  // It has begun: it can be held behind its end alone.
  const isItsCall = arrive(part);
  return value.then(async (result) => {
    await pass(part, 'after', isItsCall);
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
        await passEnd();
      };
      return { ...log, settled };
    },
  };
}

/** A site whose every part can be held in or behind a call. */
function haltingSite(site) {
  const host = around('host', site.host);
  return {
    ...site,
    host,
    folder: { ...site.folder, host },
    kind: around('kind', site.kind),
    webServer: around('webServer', site.webServer),
    databaseServer: (...args) => call('databaseServer', 'databaseServer', () => site.databaseServer(...args), true),
    hosts: () => site.hosts().map((one) => around('host', one)),
  };
}

function halting(real) {
  const parts = Object.entries(real).map(([name, part]) => {
    if (name === 'logs') return [name, haltingLogs(part)];
    if (name === 'siteAtWork') return [name, (target) => haltingSite(part(target))];
    if (name === 'attempts' || name === 'redact' || part === null) return [name, part];
    if (typeof part === 'function')
      return [name, (...args) => call(name, name, () => part(...args), isAsync(name, part))];
    return [name, typeof part === 'object' ? around(name, part) : part];
  });
  return Object.fromEntries(parts);
}

/** Activities, each of which tells its end when it was held. */
function telling(real) {
  const told = (run) =>
    async function (...args) {
      try {
        return await Reflect.apply(run, this, args);
      } finally {
        const place = here();
        if (place && held.get(place.site)?.gone) process.send({ ended: place.site });
      }
    };
  return Object.fromEntries(Object.entries(real).map(([name, run]) => [name, told(run)]));
}

const { createActivities } = activities;
activities.createActivities = (dependencies) => telling(createActivities(dependencies));

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
