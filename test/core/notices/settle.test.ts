import fc from 'fast-check';
import { NOTHING_TOLD, type NoticeStates } from '../../../src/core/notices/notice-states';
import { type Condition, type Seen, type Telling, settle } from '../../../src/core/notices/settle';

let ids = 0;
let wanting: readonly string[] = ['pager'];
const telling: Telling = {
  master: 'backup1',
  now: new Date('2026-11-24T03:15:42.000Z'),
  newId: () => String((ids += 1)).padStart(24, '0'),
  receiversOf: () => wanting,
};
beforeEach(() => {
  wanting = ['pager'];
});

const wrong = (identity = 'DiskFull', key = 'task/gazette.example/backup'): Seen => ({
  key,
  condition: {
    ...{ event: 'task-failed', site: 'gazette.example', task: 't1', code: identity, message: 'm', hint: 'h' },
    ...{ since: '2026-11-24T03:15:00.000Z', identity },
  } satisfies Condition,
});
const over = (key = 'task/gazette.example/backup'): Seen => ({ key, over: 'well again', task: 't2' });

const told = ({ recorded }: NoticeStates): string[] =>
  recorded.map(({ notice }) => `${notice.state} ${notice.code} ${notice.task}`);
const after = (looks: readonly (readonly Seen[])[], from = NOTHING_TOLD): NoticeStates =>
  looks.reduce((states, seen) => settle(states, seen, telling), from);

it('a state is told once, however often it is seen, and its end once', () => {
  const states = after([[wrong()], [wrong()], [], [wrong()], [over()], [over()], [], [wrong()]]);
  expect(told(states)).toEqual(['firing DiskFull t1', 'resolved DiskFull t2', 'firing DiskFull t1']);
  const [first, second] = states.recorded;
  expect(second?.notice).toMatchObject({ since: first?.notice.since, message: 'well again', hint: null });
  expect(new Set(states.recorded.map(({ notice }) => notice.id)).size).toBe(3);
});

it('another reason is another state', () => {
  expect(told(after([[wrong()], [wrong('DatabaseUnreachable')], [over()]]))).toEqual([
    'firing DiskFull t1',
    'firing DatabaseUnreachable t1',
    'resolved DatabaseUnreachable t2',
  ]);
});

it('nothing is over of which nobody was told', () => {
  expect(after([[over()]])).toBe(NOTHING_TOLD);
});

it('what nobody wants to be told is told once somebody wants it', () => {
  wanting = [];
  const unheard = after([[wrong()]]);
  expect(unheard).toBe(NOTHING_TOLD);
  wanting = ['later'];
  expect(after([[wrong()]], unheard).recorded).toMatchObject([{ receivers: ['later'], delivered: [], started: null }]);
});

it('of each state firing and resolved alternate, whatever is seen in whatever order', () => {
  const keys = ['a', 'b', 'c'];
  const seen = fc.record({ key: fc.constantFrom(...keys), isWrong: fc.boolean() });
  fc.assert(
    fc.property(fc.array(fc.array(seen, { maxLength: 4 }), { maxLength: 30 }), (looks) => {
      const states = after(
        looks.map((look) => look.map(({ key, isWrong }) => (isWrong ? wrong(key, key) : over(key)))),
      );
      for (const key of keys) {
        const said = told(states).filter((line) => line.includes(` ${key} `));
        said.forEach((line, at) => expect(line.startsWith(at % 2 === 0 ? 'firing' : 'resolved')).toBe(true));
        expect(states.standing[key] !== undefined).toBe(said.length % 2 === 1);
      }
    }),
  );
});
