import { pipedHost } from '../../../helpers/host-program';
import { localMachine } from '../local-machine';
import type { Machine } from '../machine';

/** This machine, reached by the program of servers on a pipe. */
export function pipedMachine(): Machine {
  const here = localMachine();
  const { host } = pipedHost();
  return {
    ...here,
    host,
    async dispose() {
      await host.close();
      here.dispose();
    },
  };
}
