// Calls one activity, as a worker of its own does, that stops itself (SIGSTOP) right before its n-th act: it says which, and goes on
// when it is woken. Started by tests, on the built tree. Usage: node pausing-activity.js CONFIGURATION ACTIVITY ARGUMENTS RUN N
const { writeSync } = require('node:fs');
const { Context, asyncLocalStorage } = require('@temporalio/activity');
const { noopMetricMeter } = require('@temporalio/common');
const { createActivities } = require('../../dist/src/activities/index.js');
const { Attempts } = require('../../dist/src/activities/attempts.js');
const { createParts } = require('../../dist/src/composition.js');
const { loadConfiguration } = require('../../dist/src/config/load.js');

const [configurationPath, name, args, run, stopAt] = process.argv.slice(2);
let acts = 0;

function beforeAct(act) {
  acts += 1;
  if (acts !== Number(stopAt)) return;
  writeSync(1, `stopped before ${act}\n`);
  process.kill(process.pid, 'SIGSTOP');
}

/** The same object, which stops before these of its methods. */
function stopping(object, methods) {
  return new Proxy(object, {
    get(target, method) {
      const value = target[method];
      if (typeof value !== 'function') return value;
      return (...given) => {
        if (methods.includes(method)) beforeAct(method);
        return value.apply(target, given);
      };
    },
  });
}

const FILES = ['rename', 'makeFolder', 'removeTree', 'removeFile', 'writeFile'];
const ARCHIVES = ['pack', 'extract'];
const WEB = ['raiseMaintenance', 'lowerMaintenance', 'writeVhost', 'putVhostBack'];
const ACCOUNTS = ['raiseFence', 'lowerFence', 'lockAccount', 'createAccount', 'dropAccount', 'copyAccountOptions'];
const DATABASES = ['createDatabase', 'dropDatabase', 'enableEvents', 'dump', 'importDump'];

/** What `MockActivityEnvironment` makes; that of Temporal's loads the whole worker, for a second. */
function contextOf(activityType, workflowExecution) {
  const info = { activityType, attempt: 1, workflowExecution };
  const silent = () => undefined;
  const logger = { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent };
  const never = new Promise(silent);
  return new Context(info, never, new AbortController().signal, silent, undefined, logger, noopMetricMeter, {});
}

async function main() {
  const configuration = await loadConfiguration(configurationPath);
  const real = createParts({ configuration, configurationPath, environment: process.env });
  const activities = createActivities({
    ...real,
    master: stopping(real.master, FILES),
    // Right before the lock is asked for: then it is another's when this one wakes.
    locks: stopping(real.locks, ['hold']),
    journals: stopping(real.journals, ['commit', 'beginUndo', 'recordUndo']),
    states: stopping(real.states, ['save']),
    archives: stopping(real.archives, ARCHIVES),
    catalogOf: (target) => stopping(real.catalogOf(target), ['publish']),
    siteAtWork(target) {
      const site = real.siteAtWork(target);
      const host = stopping(site.host, FILES);
      return {
        ...site,
        host,
        folder: { ...site.folder, host },
        webServer: stopping(site.webServer, WEB),
        databaseServer: async (...asked) => stopping(await site.databaseServer(...asked), [...ACCOUNTS, ...DATABASES]),
      };
    },
    attempts: new Attempts(),
    afterTask: () => undefined,
    isRunning: async () => false,
    whoRuns: async () => null,
    attentionAfterMs: 60_000,
  });
  const outcome = await asyncLocalStorage
    .run(contextOf(name, JSON.parse(run)), () => activities[name](...JSON.parse(args)))
    .then(
      () => 'done',
      (error) => error.code ?? String(error),
    );
  writeSync(1, `ended with ${outcome}\n`);
  await real.close();
  process.exit(0);
}

void main();
