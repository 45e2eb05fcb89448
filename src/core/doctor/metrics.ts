import { networkInterfaces } from 'node:os';
import type { Complaint } from '../../contract/findings';
import { askEndpoint } from '../metrics/endpoint';
import type { Operation } from '../operation';
import type { Installation } from './installation';

/** The address where the worker answers Prometheus: it is one of this machine, and it is the worker who answers. */
export async function checkMetrics(
  { master, metrics }: Pick<Installation, 'metrics'> & { readonly master: Pick<Installation['master'], 'name'> },
  { signal }: Operation,
): Promise<readonly Complaint[]> {
  if (metrics === null) return [];
  const { address, port } = metrics;
  const where = `metrics.listen, ${address.includes(':') ? `[${address}]` : address}:${port}`;
  if (!isOfThisMachine(address))
    return [
      {
        level: 'error',
        message: `${where}: this machine has no such address`,
        hint: 'Name 127.0.0.1, or an address that `ip address` shows.',
      },
    ];
  const complaints: Complaint[] = [];
  if (!isLoopback(address))
    complaints.push({
      level: 'note',
      message: `${where}: whoever reaches it reads the names of the sites, and how their tasks end`,
      hint: 'Let the firewall admit Prometheus alone, or listen on 127.0.0.1.',
    });
  const found = await askEndpoint(metrics, signal);
  if (found.is === 'nobody')
    complaints.push({
      level: 'warning',
      message: `${where}: nobody answers there`,
      hint: 'Start the worker again: it takes the address when it starts.',
    });
  const other =
    found.is === 'another'
      ? found.why
      : found.is === 'metrics' && !found.text.includes(`master="${master.name}"`)
        ? 'the worker of another master answers'
        : null;
  if (other !== null)
    complaints.push({
      level: 'error',
      message: `${where}: another program has it: ${other}`,
      hint: 'Name another port, and start the worker again.',
    });
  return complaints;
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

function isOfThisMachine(address: string): boolean {
  if (isLoopback(address) || address === '0.0.0.0' || address === '::') return true;
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some((one) => one.address === address));
}
