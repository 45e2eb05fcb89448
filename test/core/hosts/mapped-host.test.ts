import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { MappedHost } from '../../helpers/mapped-host';
import { describeFiles } from './files-contract';
import { localMachine } from './local-machine';
import type { Machine } from './machine';
import { describeSockets } from './socket-contract';

/** A folder of this machine as another machine. What looks past the host is told where its paths lie here. */
function mappedMachine(): Machine {
  const here = localMachine();
  const host = new MappedHost('there', here.folder);
  const folder = '/work';
  mkdirSync(join(here.folder, folder), { mode: 0o755 });
  return {
    ...here,
    host,
    folder,
    sh: (script, ...parameters) =>
      here.sh(
        script,
        ...parameters.map((parameter) => (parameter.startsWith(folder) ? host.at(parameter) : parameter)),
      ),
  };
}

/* Programs it runs as this machine does. */
describe('the contract of hosts: files and sockets of a mapped one', () => {
  describeFiles(mappedMachine);
  describeSockets(mappedMachine);
});
