import { createServer } from 'node:net';
import { freePort } from '../../../scripts/lab/free-port';
import { checkMetrics } from '../../../src/core/doctor/metrics';
import { openEndpoint } from '../../../src/core/metrics/endpoint';
import { testOperation } from '../../helpers/operation';

let port: number;
beforeEach(async () => {
  port = await freePort();
});

const said = async (address: string | null): Promise<string[]> => {
  const metrics = address === null ? null : { address, port };
  const found = await checkMetrics({ master: { name: 'lab' }, metrics }, testOperation());
  return found.map(({ level, message }) => `${level}: ${message.replaceAll(String(port), 'PORT')}`);
};

/** Beside a worker that answers for a master. */
async function beside(master: string, work: () => Promise<void>, address = '127.0.0.1'): Promise<void> {
  const endpoint = await openEndpoint({ address, port }, async () => `kedge_build_info{master="${master}"} 1\n`);
  await work().finally(() => endpoint.close());
}

it('without metrics there is nothing to look at, and with a worker that answers all is well', async () => {
  expect(await said(null)).toEqual([]);
  await beside('lab', async () => expect(await said('127.0.0.1')).toEqual([]));
});

it('nobody answers; another program does; the worker of another master', async () => {
  expect(await said('127.0.0.1')).toEqual(['warning: metrics.listen, 127.0.0.1:PORT: nobody answers there']);
  expect(await said('::1')).toEqual(['warning: metrics.listen, [::1]:PORT: nobody answers there']);
  await beside('other', async () =>
    expect(await said('127.0.0.1')).toEqual([
      'error: metrics.listen, 127.0.0.1:PORT: another program has it: the worker of another master answers',
    ]),
  );
  const server = createServer((socket) => socket.resume().end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n'));
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  try {
    expect(await said('127.0.0.1')).toEqual([
      'error: metrics.listen, 127.0.0.1:PORT: another program has it: what listens there answers /metrics with 404',
    ]);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

it('an address that is not of this machine is an error, one that others reach a note', async () => {
  expect(await said('192.0.2.1')).toEqual(['error: metrics.listen, 192.0.2.1:PORT: this machine has no such address']);
  await beside(
    'lab',
    async () =>
      expect(await said('0.0.0.0')).toEqual([
        'note: metrics.listen, 0.0.0.0:PORT: whoever reaches it reads the names of the sites, and how their tasks end',
      ]),
    '0.0.0.0',
  );
});
