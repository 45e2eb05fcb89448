// Takes the lock of a site in the folder given, or the one that `file` changes are made under; says `held`, and does as it is told on
// standard input: `loop` runs for ever without a pause, `let go` gives the lock back. What it does at the end of its work is
// the file beside the lock. Usage: node lock-holder.js FOLDER SITE [file]
require('./run-typescript');
const { writeFileSync } = require('node:fs');
const path = require('node:path');
const { createInterface } = require('node:readline');
const { withFileLock } = require('../../src/core/hosts/file-lock');
const { createLocalHost } = require('../../src/core/hosts/local-host');
const { SiteLocks } = require('../../src/core/tasks/site-locks');

const [folder, site, kind] = process.argv.slice(2);
const parent = process.ppid;
const orders = createInterface({ input: process.stdin });
const log = { info: (message) => process.stdout.write(`${message}\n`), warn: () => undefined };
const operation = {
  signal: new AbortController().signal,
  mark: `holder${process.pid}`,
  progress: () => undefined,
  log,
};
const host = createLocalHost({ name: 'lab' });

async function work() {
  process.stdout.write('held\n');
  await new Promise((resolve) => {
    orders.on('line', (line) => {
      if (line === 'let go') resolve();
      // Nobody could end it any more whose test is gone.
      while (line === 'loop' && process.ppid === parent);
    });
  });
  writeFileSync(path.join(folder, `${site}.acted`), '');
}

void (async () => {
  if (kind === 'file') await withFileLock(path.join(folder, `.${site}.lock`), host, work);
  else await new SiteLocks(folder, host).hold(site, operation, work);
  process.stdout.write('let go\n');
  process.exit(0);
})();
