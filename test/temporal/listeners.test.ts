import { type AddressInfo, type Server, createServer } from 'node:net';
import { hasOpenListener, isListening, isLoopback, listensBeyondLoopback } from '../../src/temporal/listeners';

let server: Server | undefined;
afterEach(async () => {
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(null)));
  server = undefined;
});

async function listen(address: string): Promise<number> {
  const listening = createServer();
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, address, resolve));
  return (listening.address() as AddressInfo).port;
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
  expect(await isListening(port)).toBe(true);
  // Where nobody listens.
  expect(await listensBeyondLoopback(1)).toBe(false);
  expect(await isListening(1)).toBe(false);
});

it.each([
  ['a connection is no listener', '   1: 0A00020F:1C41 0A000202:D431 01 00000000:00000000', false],
  ['a listener', '   1: 0A00020F:1C41 00000000:0000 0A 00000000:00000000', true],
  ['an address that ends as loopback does', '   1: B80D012000000000000000000000007F:1C41 x 0A', true],
])('%s', (_what, line, open) => {
  expect(hasOpenListener(line, 0x1c41)).toBe(open);
});

it.each([
  ['localhost:7233', true],
  ['127.0.0.1:7233', true],
  ['[::1]:7233', true],
  ['192.0.2.1:7233', false],
  ['127.example:7233', false],
  ['temporal.example:7233', false],
])('%s is this machine alone: %s', async (address, loopback) => {
  expect(isLoopback(address)).toBe(loopback);
});
