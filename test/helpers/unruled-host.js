// Serves this machine to whoever started it, without rules, from what the build compiled: for tests of the way to a host, and not of what may be done there.
const hosts = '../../dist/src/core/hosts';
const { version } = require('../../package.json');
const { closeInheritedDescriptors } = require(`${hosts}/inherited-descriptors.js`);
const { createLocalHost } = require(`${hosts}/local-host.js`);
const { serveStandardStreams } = require(`${hosts}/remote/standard-streams.js`);

closeInheritedDescriptors();
if (!serveStandardStreams({ version, makeHost: (name) => createLocalHost({ name }) })) process.exitCode = 2;
