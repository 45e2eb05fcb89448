import { describeFiles } from './files-contract';
import { describeLocks } from './lock-contract';
import type { MachineFactory } from './machine';
import { describeRun } from './run-contract';
import { describeSandbox } from './sandbox-contract';
import { describeSockets } from './socket-contract';

/** What src/core/hosts/host.ts promises, for every implementation of it. `makeMachine` is called when the tests run. */
export function describeHost(name: string, makeMachine: MachineFactory): void {
  describe(`the contract of hosts: ${name}`, () => {
    describeRun(makeMachine);
    describeSandbox(makeMachine);
    describeFiles(makeMachine);
    describeLocks(makeMachine);
    describeSockets(makeMachine);
  });
}
