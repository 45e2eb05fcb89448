import { socketsIn } from '../../../src/core/php/tcp-sockets';

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
/** A line as the kernel writes it; port 9000 is 2328. */
const line = (local: string, state: string, uid: number, inode: number): string =>
  `   0: ${local}:2328 0100007F:C350 ${state} 00000000:00000000 00:00000000 00000000 ${String(uid).padStart(5)}        0 ${inode} 1 0 100 0\n`;
const V4_MAPPED = '0000000000000000FFFF00000100007F';
const ANY6 = '0'.repeat(32);

const listens = (uid: number, inode = 5) => ({ state: 'listens', uid, inode });
const connected = (inode: number, uid = 33) => ({ state: 'connected', uid, inode });

test.each([
  ['one that listens there', line('0100007F', '0A', 33, 5), [listens(33)]],
  ['one that listens everywhere', line('00000000', '0A', 0, 5), [listens(0)]],
  ['one that listens everywhere by IPv6', line(ANY6, '0A', 0, 5), [listens(0)]],
  ['one that listens at the address as IPv6 has it', line(V4_MAPPED, '0A', 0, 5), [listens(0)]],
  ['one that listens elsewhere', line('0200007F', '0A', 33, 5), []],
  [
    'connections, by both tables',
    line('0100007F', '01', 33, 6) + line(V4_MAPPED, '01', 33, 7),
    [connected(6), connected(7)],
  ],
  ['one that nobody has taken yet', line('0100007F', '01', 0, 0), [connected(0, 0)]],
  ['one whose client has gone', line('0100007F', '08', 33, 8), [connected(8)]],
  ['one that is over', line('0100007F', '06', 0, 0) + line('0100007F', '04', 0, 0), []],
  ['a connection to another address', line('00000000', '01', 33, 6), []],
  [
    'the other end',
    '   1: 0100007F:C350 0100007F:2328 01 00000000:00000000 00:00000000 00000000    33        0 9 1\n',
    [],
  ],
  ['another port', line('0100007F', '0A', 33, 5).replace(':2328', ':2329'), []],
  ['nothing', '', []],
  ['what is no table', 'nonsense\n\0\n', []],
])('%s', (_, text, sockets) => {
  expect(socketsIn(`${HEAD}${text}`, '127.0.0.1', 9000)).toEqual(sockets);
});

test('::1 is another address than 127.0.0.1', () => {
  const loopback6 = '00000000000000000000000001000000';
  const text = line(loopback6, '0A', 0, 5) + line('0100007F', '0A', 33, 6);
  expect(socketsIn(text, '::1', 9000)).toEqual([listens(0)]);
  expect(socketsIn(text, '127.0.0.1', 9000)).toEqual([listens(33, 6)]);
});
