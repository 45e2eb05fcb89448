// Serves this machine to whoever started it, without rules, from what the build compiled: for tests of the way to a host, and not of what may be done there.
const { join } = require('node:path');

const hosts = join(__dirname, '../../dist/src/core/hosts');
const { version } = require('../../package.json');
const { closeInheritedDescriptors } = require(join(hosts, 'inherited-descriptors.js'));
const { createLocalHost } = require(join(hosts, 'local-host.js'));
const { serveStandardStreams } = require(join(hosts, 'remote/standard-streams.js'));

closeInheritedDescriptors();
if (!serveStandardStreams({ version, makeHost: (name) => createLocalHost({ name }) })) process.exitCode = 2;
