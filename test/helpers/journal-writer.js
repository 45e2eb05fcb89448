/** Adds its name to the warnings of a journal again and again, as a step of one of several workers does. */
require('./run-typescript');
const { createLocalHost } = require('../../src/core/hosts/local-host');
const { Journals } = require('../../src/core/tasks/journals');
const [tasks, open, task, name, times] = process.argv.slice(2);

void (async () => {
  const journals = new Journals(tasks, open, createLocalHost({ name: 'lab' }), () => undefined);
  for (let count = 0; count < Number(times); count += 1) {
    await journals.recordUndo(task, ({ notBackedUp }) => ({ notBackedUp: [...notBackedUp, `${name}${count}`] }));
    process.stdout.write('.');
  }
})();
