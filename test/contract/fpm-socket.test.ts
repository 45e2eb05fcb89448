import { fpmSocketSchema } from '../../src/contract/target';

test.each(['/run/php/shop.sock', '127.0.0.1:9000', '127.1.2.3:1', '[::1]:65535'])('%s is a socket of FPM', (socket) => {
  expect(fpmSocketSchema.parse(socket)).toBe(socket);
});

test.each([
  ...['192.0.2.1:9000', '0.0.0.0:9000', '[::]:9000', 'localhost:9000', '127.0.0.1', ':9000', '9000', '127.0.0.1:0'],
  ...[
    '127.0.0.1:65536',
    '127.0.0.256:9000',
    '127.0.0.1:9000/x',
    'run/php.sock',
    '/run/',
    '/run/\0',
    'unix:/run/php.sock',
  ],
])('%j is none: whoever reaches FPM has it run whatever he likes', (socket) => {
  expect(fpmSocketSchema.safeParse(socket).error?.issues[0]?.message).toContain('a loopback address and port');
});
