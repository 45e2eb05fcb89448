// Takes the lock of a site in the folder given, says `held`, and does as it is told on standard input: `loop` runs for ever
// without a pause, `let go` gives the lock back. What it does at the end of its work is the file beside the lock.
require('./run-typescript');
const { writeFileSync } = require('node:fs');
const path = require('node:path');
const { createInterface } = require('node:readline');
const { createLocalHost } = require('../../src/core/hosts/local-host');
const { SiteLocks } = require('../../src/core/tasks/site-locks');

const [folder, site] = process.argv.slice(2);
const orders = createInterface({ input: process.stdin });
const log = { info: (message) => process.stdout.write(`${message}\n`), warn: () => undefined };
const operation = {
  signal: new AbortController().signal,
  mark: `holder${process.pid}`,
  progress: () => undefined,
  log,
};

void (async () => {
  await new SiteLocks(folder, createLocalHost({ name: 'lab' })).hold(site, operation, async () => {
    process.stdout.write('held\n');
    await new Promise((resolve) => {
      orders.on('line', (line) => {
        if (line === 'let go') resolve();
        while (line === 'loop');
      });
    });
    writeFileSync(path.join(folder, `${site}.acted`), '');
  });
  process.stdout.write('let go\n');
  process.exit(0);
})();
