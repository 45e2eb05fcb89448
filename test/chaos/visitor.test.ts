import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Allowed, type Answer, Visitor, Witness, judgeAnswer, visit } from '../../scripts/chaos/visitor';
import { until } from '../helpers/until';

const RESTORE: Allowed = { before: 'old', after: 'new', maintenance: true };
const BACKUP: Allowed = { before: 'old', after: null, maintenance: false };
const DEPLOY: Allowed = { before: null, after: 'new', maintenance: false };

const page = (code: string, file = code, row = code): string => JSON.stringify({ code, file, row });
const answer = (status: number | null, body: string, began = 10): Answer => ({
  began,
  ended: began + 1,
  status,
  body,
  retryAfter: status === 503 ? '120' : null,
});

it.each<[string, Allowed, Answer, unknown]>([
  ['the version before', RESTORE, answer(200, page('old')), 'before'],
  ['the version after', RESTORE, answer(200, page('new')), 'after'],
  ['the maintenance page', RESTORE, answer(503, 'back soon'), 'maintenance'],
  ['a site that is not deployed yet', DEPLOY, answer(null, 'socket hang up'), 'absent'],
  ['one request that was cut', RESTORE, answer(null, 'socket hang up'), 'cut'],
])('%s is as it should be', (_what, allowed, given, verdict) => {
  expect(judgeAnswer(given, allowed, [])).toBe(verdict);
});

it.each<[string, Allowed, Answer]>([
  ['new code with old rows', RESTORE, answer(200, page('new', 'new', 'old'))],
  ['a file of before', RESTORE, answer(200, page('new', 'old', 'new'))],
  ['a version nobody brings', BACKUP, answer(200, page('new'))],
  ['no version at all', RESTORE, answer(200, '<h1>Install WordPress</h1>')],
  ['an error', RESTORE, answer(500, 'Error establishing a database connection')],
  ['no PHP', RESTORE, answer(502, 'Bad Gateway')],
  ['maintenance without need', BACKUP, answer(503, 'back soon')],
  ['an error page that says so', RESTORE, { ...answer(503, 'overloaded'), retryAfter: null }],
])('%s is broken', (_what, allowed, given) => {
  expect(judgeAnswer(given, allowed, [])).toEqual({ broken: expect.any(String) as string });
});

it('an outage excuses what falls into it and is no page; a mixed page is never excused', () => {
  const outages = [{ from: 5, until: 20 }];
  expect(judgeAnswer(answer(502, '', 10), RESTORE, outages)).toBe('outage');
  expect(judgeAnswer(answer(null, '', 4.5), RESTORE, outages)).toBe('outage');
  expect(judgeAnswer(answer(502, '', 21), RESTORE, outages)).toHaveProperty('broken');
  expect(judgeAnswer(answer(502, '', 3), RESTORE, outages)).toHaveProperty('broken');
  expect(judgeAnswer(answer(502, '', 900), RESTORE, [{ from: 5, until: null }])).toBe('outage');
  expect(judgeAnswer(answer(200, page('new', 'old'), 10), RESTORE, outages)).toHaveProperty('broken');
});

it('the old version after the new one is broken, unless it was asked for before', () => {
  const witness = new Witness(RESTORE, []);
  witness.see(answer(200, page('old'), 10));
  witness.see(answer(200, page('new'), 20));
  witness.see({ ...answer(200, page('old'), 20.5), ended: 30 });
  expect(witness.broken).toEqual([]);
  witness.see(answer(200, page('old'), 40));
  expect(witness.broken).toEqual(['shows old again after new was seen']);
});

it('a site that answers nobody any more is broken', () => {
  const witness = new Witness(RESTORE, []);
  for (let count = 0; count < 10; count += 1) witness.see(answer(null, 'socket hang up'));
  expect(witness.broken).toEqual(['gave no answer to 10 requests in a row']);
});

it('every site is asked in turn, and what it answers is judged', async () => {
  let asked = 0;
  const server = createServer((request, response) => {
    asked += 1;
    if (request.headers.host?.startsWith('cut')) request.socket.destroy();
    else response.end(page('old'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const [well, cut] = [new Witness(BACKUP, []), new Witness(DEPLOY, [])];
  const visitor = new Visitor(port, [
    { uri: 'well.example', witness: well },
    { uri: 'cut.example', witness: cut },
  ]);
  await until('both were asked', () => asked >= 6);
  await visitor.stop();
  expect(well.counts.before).toBeGreaterThanOrEqual(2);
  expect(cut.counts.absent).toBeGreaterThanOrEqual(2);
  expect([...well.broken, ...cut.broken]).toEqual([]);
  expect(await visit(port, 'well.example')).toMatchObject({ status: 200, body: page('old') });
  server.close();
});
