import { stamped } from '../../../src/core/web/stamp';
import {
  type BeforePuttingBack,
  type BeforeWriting,
  type Running,
  type RunningAt,
  type Seen,
  decidePutBack,
  decideWrite,
  isRunning,
  ranOf,
} from '../../../src/core/web/vhost-decisions';

const ours = (text: string) => stamped((stamp) => `${text} ${stamp}\n`);
const stampIn = (content: string) => content.split('\n')[0]?.split(' ').at(-1) ?? '';
const [OLD, NEW] = [ours('old'), ours('new')];
const EDITED = `${OLD}# by hand\n`;
const FOREIGN = 'server { }\n';
const [old, fresh] = [stampIn(OLD), stampIn(NEW)];

const none = { vhost: null, snippet: null };
const vhost = (content: string) => ({ ...none, vhost: content });
const snippet = (content: string) => ({ ...none, snippet: content });
const others = (serve: boolean, ...inclusions: string[]) => ({ serve, inclusions });
const nothing = (...notices: object[]) => ({ action: 'nothing', notices });
const look = (at: string) => ({ action: 'look', at });
const refuse = (file: string, because: string) => ({ action: 'refuse', file, because });
const write = (files: object, see: unknown, otherwise: object, ...notices: object[]) => ({
  action: 'write',
  files,
  see,
  otherwise,
  notices,
});

const writing: [what: string, known: BeforeWriting, decision: object][] = [
  // managed
  ['a first vhost', known('managed', none, vhost(NEW)), write(vhost(NEW), { stamp: fresh, leaving: null }, none)],
  [
    'another vhost',
    known('managed', vhost(OLD), vhost(NEW)),
    write(vhost(NEW), { stamp: fresh, leaving: old }, vhost(OLD)),
  ],
  ['the same vhost', known('managed', vhost(NEW), vhost(NEW)), look('inForce')],
  ['the same, which runs', known('managed', vhost(NEW), vhost(NEW), null, true), nothing()],
  [
    'the same, which does not run',
    known('managed', vhost(NEW), vhost(NEW), null, false),
    write(vhost(NEW), { stamp: fresh, leaving: fresh }, vhost(NEW)),
  ],
  ['an edited vhost', known('managed', vhost(EDITED), vhost(NEW)), refuse('vhost', 'edited by hand')],
  ["somebody else's file", known('managed', vhost(FOREIGN), vhost(NEW)), refuse('vhost', 'written by somebody else')],
  ['a snippet before it', known('managed', snippet(OLD), vhost(NEW)), look('others')],
  [
    'a snippet nobody includes',
    known('managed', snippet(OLD), vhost(NEW), others(true)),
    write(vhost(NEW), { stamp: fresh, leaving: null }, snippet(OLD)),
  ],
  [
    'a snippet still included',
    known('managed', snippet(OLD), vhost(NEW), others(true, 'a:1')),
    write({ vhost: NEW, snippet: OLD }, { stamp: fresh, leaving: null }, snippet(OLD), {
      file: 'snippet',
      what: 'is still included',
      places: ['a:1'],
    }),
  ],
  // include
  [
    'a first snippet, which stays whatever comes',
    known('include', none, snippet(NEW)),
    write(snippet(NEW), 'snippet', snippet(NEW)),
  ],
  ['another snippet', known('include', snippet(OLD), snippet(NEW)), write(snippet(NEW), 'snippet', snippet(OLD))],
  ['the same snippet', known('include', snippet(NEW), snippet(NEW)), look('inForce')],
  ['the same snippet, obeyed', known('include', snippet(NEW), snippet(NEW), null, true), nothing()],
  [
    'the same snippet, not obeyed',
    known('include', snippet(NEW), snippet(NEW), null, false),
    write(snippet(NEW), 'snippet', snippet(NEW)),
  ],
  ['an edited snippet', known('include', snippet(EDITED), snippet(NEW)), refuse('snippet', 'edited by hand')],
  ['a vhost before it', known('include', vhost(OLD), snippet(NEW)), look('others')],
  [
    'a vhost that alone serves',
    known('include', vhost(OLD), snippet(NEW), others(false)),
    refuse('vhost', 'served by nobody then'),
  ],
  [
    'a vhost beside another',
    known('include', vhost(OLD), snippet(NEW), others(true)),
    write(snippet(NEW), 'snippet', { vhost: OLD, snippet: NEW }),
  ],
  [
    'an edited vhost, which goes to its editor',
    known('include', vhost(EDITED), snippet(NEW)),
    write(
      { vhost: EDITED, snippet: NEW },
      'snippet',
      { vhost: EDITED, snippet: NEW },
      { file: 'vhost', what: 'is yours now' },
    ),
  ],
  // none
  ['nothing there', known('none', none, none), nothing()],
  ['a vhost left', known('none', vhost(OLD), none), look('others')],
  [
    'a vhost left that alone serves',
    known('none', vhost(OLD), none, others(false)),
    refuse('vhost', 'served by nobody then'),
  ],
  [
    'a vhost left beside another',
    known('none', vhost(OLD), none, others(true)),
    write(none, { stamp: null, leaving: old }, vhost(OLD)),
  ],
  ['an edited vhost left', known('none', vhost(EDITED), none), nothing({ file: 'vhost', what: 'is yours now' })],
  [
    'a snippet left',
    known('none', snippet(OLD), none, others(true)),
    write(none, { stamp: null, leaving: null }, snippet(OLD)),
  ],
  [
    'a snippet left and included',
    known('none', snippet(OLD), none, others(true, 'a:1')),
    nothing({ file: 'snippet', what: 'is still included', places: ['a:1'] }),
  ],
];

function known(
  mode: BeforeWriting['mode'],
  found: BeforeWriting['found'],
  wanted: BeforeWriting['wanted'],
  seen: BeforeWriting['others'] = null,
  inForce: boolean | null = null,
): BeforeWriting {
  return { mode, found, wanted, others: seen, inForce };
}

test.each(writing)('%s', (_, before, decision) => {
  expect(decideWrite(before)).toEqual(decision);
});

test('what was written is in order the next time, whatever there was', () => {
  for (const [, before] of writing) {
    const decision = decideWrite(before);
    if (decision.action !== 'write') continue;
    const next = decideWrite({
      ...before,
      found: decision.files,
      others: before.others ?? others(true),
      inForce: true,
    });
    expect(next).toEqual({ action: 'nothing', notices: decision.notices });
  }
});

const AT = '127.0.0.1:80';
const DOWN: Running = { state: 'down' };
const OTHER: Running = { state: 'other' };
const runs = (stamp: string): Running => ({ state: 'stamp', stamp });
const putBack = (files: object, load: unknown, ...notices: object[]) => ({ action: 'write', files, load, notices });
const meanwhile = (file: string) => ({ file, what: 'was edited meanwhile' });

const undoing: [what: string, known: BeforePuttingBack, decision: object][] = [
  ['a new vhost goes', undo('managed', vhost(NEW), none, runs(fresh)), putBack(none, { stamp: null, leaving: fresh })],
  [
    'the old vhost comes back',
    undo('managed', vhost(NEW), vhost(OLD), runs(fresh)),
    putBack(vhost(OLD), { stamp: old, leaving: fresh }),
  ],
  ['it waits for what runs', undo('managed', vhost(NEW), vhost(OLD), null), { action: 'look' }],
  [
    'a server that is down reads it later',
    undo('managed', vhost(NEW), vhost(OLD), DOWN),
    putBack(vhost(OLD), 'nothing'),
  ],
  ['the old one is there and runs', undo('managed', vhost(OLD), vhost(OLD), runs(old)), nothing()],
  ['the old one is there, and its server down', undo('managed', vhost(OLD), vhost(OLD), DOWN), nothing()],
  [
    'the old one is there, and the new one runs',
    undo('managed', vhost(OLD), vhost(OLD), runs(fresh)),
    putBack(vhost(OLD), { stamp: old, leaving: fresh }),
  ],
  [
    'none was there, and the new one runs',
    undo('managed', none, none, runs(fresh)),
    putBack(none, { stamp: null, leaving: fresh }),
  ],
  ['none was there, and none runs', undo('managed', none, none, OTHER), nothing()],
  ['one edited meanwhile stays', undo('managed', vhost(EDITED), vhost(OLD), null), nothing(meanwhile('vhost'))],
  [
    "somebody else's comes back, seen by what goes",
    undo('managed', vhost(NEW), vhost(FOREIGN), runs(fresh)),
    putBack(vhost(FOREIGN), { stamp: null, leaving: fresh }),
  ],
  ["somebody else's was never touched", undo('managed', vhost(FOREIGN), vhost(FOREIGN), OTHER), nothing()],
  ['a new snippet stays', undo('include', snippet(NEW), none, null), nothing()],
  ['an old snippet comes back', undo('include', snippet(NEW), snippet(OLD), OTHER), putBack(snippet(OLD), 'reload')],
  [
    'a snippet edited meanwhile stays',
    undo('include', snippet(EDITED), snippet(OLD), null),
    nothing(meanwhile('snippet')),
  ],
  [
    'a vhost that a snippet replaced comes back beside the other',
    undo('include', snippet(NEW), vhost(OLD), OTHER),
    putBack({ vhost: OLD, snippet: NEW }, 'reload'),
  ],
  ['a vhost comes back that went', undo('none', none, vhost(OLD), OTHER), putBack(vhost(OLD), 'reload')],
  ['nothing was there', undo('none', none, none, null), nothing()],
  // A vhost that the server did not run before is not asked of it.
  ['one that nobody had loaded lies there', undo('managed', vhost(OLD), vhost(OLD), OTHER, null), nothing()],
  [
    'one that nobody had loaded comes back',
    undo('managed', vhost(NEW), vhost(OLD), OTHER, null),
    putBack(vhost(OLD), { stamp: old, leaving: null, at: [] }),
  ],
  [
    'one that nobody had loaded comes back, and the new one runs',
    undo('managed', vhost(NEW), vhost(OLD), runs(fresh), null),
    putBack(vhost(OLD), { stamp: old, leaving: fresh, at: [] }),
  ],
  [
    'one that ran, and runs no more, is asked for',
    undo('managed', vhost(OLD), vhost(OLD), OTHER, old),
    putBack(vhost(OLD), { stamp: old, leaving: null, at: [AT] }),
  ],
  ['what ran before beside another file goes on', undo('managed', vhost(NEW), vhost(NEW), runs(old), old), nothing()],
  [
    'what ran before beside another file may stay, and the new one not',
    undo('managed', vhost(NEW), vhost(OLD), runs('older'), 'older'),
    putBack(vhost(OLD), { stamp: old, leaving: null, at: [] }),
  ],
  [
    'one that lay there unloaded and runs now stays',
    undo('managed', vhost(NEW), vhost(NEW), runs(fresh), null),
    nothing(),
  ],
];

function undo(
  mode: BeforePuttingBack['mode'],
  found: BeforePuttingBack['found'],
  before: BeforePuttingBack['found'],
  running: Running | null,
  ran?: string | null,
): BeforePuttingBack {
  const stamps: Record<string, string> = ran === null ? {} : { [AT]: ran ?? '' };
  return {
    ...{ mode, found },
    before: { ...before, ran: ran === undefined ? null : stamps },
    running: running === null ? null : [{ ...running, at: AT }],
  };
}

test.each(undoing)('put back: %s', (_, before, decision) => {
  expect(decidePutBack(before)).toEqual(decision);
});

test('to put back twice is to put back once', () => {
  for (const [, before] of undoing) {
    const decision = decidePutBack(before);
    if (decision.action !== 'write') continue;
    const { stamp, at } = typeof decision.load === 'object' ? decision.load : { stamp: null };
    // What is not asked for may run again, or what ran before goes on.
    const [goesOn] = Object.values(before.before.ran ?? {});
    const unseen = goesOn === undefined ? OTHER : runs(goesOn);
    const running = decision.load === 'nothing' ? DOWN : stamp === null || at?.length === 0 ? unseen : runs(stamp);
    const again = decidePutBack({ ...before, found: decision.files, running: [{ ...running, at: AT }] });
    // A vhost that stands beside another one may lose against it: it is read and loaded again, and nothing is written.
    expect(again).toMatchObject(
      again.action === 'write' ? { files: decision.files, load: 'reload' } : { action: 'nothing' },
    );
  }
});

const SECURE = '127.0.0.1:443';
const atBoth = (first: Running, second: Running): RunningAt[] => [
  { ...first, at: AT },
  { ...second, at: SECURE },
];

test('which stamps run is told by address', () => {
  expect(ranOf(atBoth(OTHER, runs(old)))).toEqual({ [SECURE]: old });
  expect(ranOf(atBoth(DOWN, OTHER))).toEqual({});
});

test.each<[Running, Running, Seen, boolean]>([
  [runs(fresh), runs(fresh), { stamp: fresh, leaving: old }, true],
  [runs(fresh), runs(old), { stamp: fresh, leaving: old }, false],
  [runs(fresh), DOWN, { stamp: fresh, leaving: old }, false],
  [OTHER, DOWN, { stamp: null, leaving: old }, true],
  [OTHER, runs(old), { stamp: null, leaving: old }, false],
  [runs(old), OTHER, { stamp: null, leaving: null }, true],
  [runs(old), DOWN, { stamp: old, leaving: fresh, at: [AT] }, true],
  [OTHER, DOWN, { stamp: old, leaving: fresh, at: [AT] }, false],
  [runs(old), runs(fresh), { stamp: old, leaving: fresh, at: [AT] }, false],
  [OTHER, OTHER, { stamp: old, leaving: fresh, at: [] }, true],
])('%j and %j with %j to be seen: %s', (first, second, seen, expected) => {
  expect(isRunning(atBoth(first, second), seen)).toBe(expected);
});

test('an address that is new with the vhost is not asked for the one before', () => {
  const before = { ...vhost(OLD), ran: { [AT]: old } };
  const running = atBoth(runs(fresh), DOWN);
  expect(decidePutBack({ mode: 'managed', found: vhost(NEW), before, running })).toEqual(
    putBack(vhost(OLD), { stamp: old, leaving: fresh, at: [AT] }),
  );
  expect(decidePutBack({ mode: 'managed', found: vhost(OLD), before, running: atBoth(runs(old), DOWN) })).toEqual(
    nothing(),
  );
});
