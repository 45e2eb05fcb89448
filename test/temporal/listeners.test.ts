import { type AddressInfo, type Server, createServer } from 'node:net';
import { isLoopback, listensBeyondLoopback } from '../../src/temporal/listeners';

let server: Server;
afterEach(() => new Promise((resolve) => server.close(resolve)));

async function listen(address: string): Promise<number> {
  server = createServer();
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return (server.address() as AddressInfo).port;
}

it.each([
  ['127.0.0.1', false],
  ['127.3.2.1', false],
  ['::1', false],
  ['::ffff:127.0.0.1', false],
  ['0.0.0.0', true],
  ['::', true],
])('what listens at %s is open to others: %s', async (address, open) => {
  const port = await listen(address);
  expect(await listensBeyondLoopback(port)).toBe(open);
  // Where nobody listens.
  expect(await listensBeyondLoopback(1)).toBe(false);
});

it.each([
  ['localhost:7233', true],
  ['127.0.0.1:7233', true],
  ['[::1]:7233', true],
  ['192.0.2.1:7233', false],
  ['127.example:7233', false],
  ['temporal.example:7233', false],
])('%s is this machine alone: %s', async (address, loopback) => {
  server = createServer();
  expect(isLoopback(address)).toBe(loopback);
});
