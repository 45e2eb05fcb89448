const { default: Sequencer } = require('@jest/test-sequencer');

/** The suites that take longest, longest first: begun last, one of them would run alone at the end while the other processor idles. */
const LONGEST = [
  'crash-matrix',
  'chaos',
  'broken-sites',
  'mutants',
  'paused-undo',
  'paused-worker',
  'hostile-archives',
  'hostile-owner',
  'buttons',
  'away-machines',
  'disks',
  'hundred-sites',
  'month-of-schedules',
  'large-sites',
  'many-at-once',
  'broken-disks',
  'bounds',
];

const place = ({ path }) => {
  const at = LONGEST.findIndex((name) => path.endsWith(`/${name}.test.ts`));
  return at < 0 ? LONGEST.length : at;
};

module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    return [...tests].sort((a, b) => place(a) - place(b));
  }
};
