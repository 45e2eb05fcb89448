// Writes the vhost of a site as another process of Kedge's would, `kedge sites adopt` beside a worker say, and prints what
// became of it: `written`, or the code of the error. Usage: node vhost-writer.js WEB-SERVER-ADDRESS SITE, both as JSON.
require('./run-typescript');
const { createLocalHost } = require('../../src/core/hosts/local-host');
const { createNginx } = require('../../src/core/web/nginx/nginx');

const [address, site] = process.argv.slice(2).map((text) => JSON.parse(text));
const operation = {
  signal: new AbortController().signal,
  mark: `writer${process.pid}`,
  progress: () => undefined,
  log: { info: () => undefined, warn: () => undefined },
};

void createNginx({ address, host: createLocalHost({ name: 'lab' }), loadLimitMs: 5000 })
  .writeVhost(site, operation)
  .then(
    () => process.stdout.write('written\n'),
    (error) => process.stdout.write(`${error.code ?? error}\n`),
  );
