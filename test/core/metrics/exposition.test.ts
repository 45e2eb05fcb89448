import { type Family, exposition } from '../../../src/core/metrics/exposition';
import { Totals } from '../../../src/core/metrics/totals';
import { parseScrape, promtool, valueOf } from '../../helpers/prometheus-text';

const gauge = (samples: Family['samples']): Family => ({
  name: 'kedge_free_bytes',
  type: 'gauge',
  help: 'Free \\ on\na disk.',
  samples,
});

it('escapes what labels and help hold, and gives every number as it is', () => {
  const path = 'C:\\new "disk"\nof 2';
  const text = exposition([
    gauge([
      { labels: {}, value: 1.5e21 },
      { labels: { path }, value: -0.25 },
      { labels: { path: 'none' }, value: NaN },
      { labels: { path: 'all' }, value: Infinity },
    ]),
  ]);
  expect(text.split('\n').slice(0, 3)).toEqual([
    '# HELP kedge_free_bytes Free \\\\ on\\na disk.',
    '# TYPE kedge_free_bytes gauge',
    'kedge_free_bytes 1.5e+21',
  ]);
  const values = parseScrape(text);
  expect(valueOf(values, 'kedge_free_bytes', { path })).toBe(-0.25);
  expect(valueOf(values, 'kedge_free_bytes', { path: 'none' })).toBe(NaN);
  expect(valueOf(values, 'kedge_free_bytes', { path: 'all' })).toBe(Infinity);
  promtool(['check', 'metrics'], text);
});

it('leaves out a metric without values', () => {
  expect(exposition([gauge([])])).toBe('');
});

it('counters add up, gauges take the last, histograms count by buckets that hold those below', () => {
  const totals = new Totals();
  const take = (name: string, type: Family['type'], value: number, labels = {}): void =>
    totals.take({ name, type, value, labels, help: 'Help.', bounds: [1, 10] });
  take('kedge_ended_total', 'counter', 2, { type: 'backup', code: 'none' });
  take('kedge_ended_total', 'counter', 1, { code: 'none', type: 'backup' });
  take('kedge_open', 'gauge', 5);
  take('kedge_open', 'gauge', 3);
  for (const value of [0.5, 1, 4, 100]) take('kedge_maintenance_seconds', 'histogram', value);
  // A name has one type.
  take('kedge_open', 'counter', 70);
  const text = exposition(totals.families());
  const values = parseScrape(text);
  expect(valueOf(values, 'kedge_ended_total', { type: 'backup' })).toBe(3);
  expect(valueOf(values, 'kedge_open')).toBe(3);
  const buckets = values.filter(({ name }) => name === 'kedge_maintenance_seconds_bucket');
  expect(buckets.map(({ labels: { le }, value }) => [le, value])).toEqual([
    ['1', 2],
    ['10', 3],
    ['+Inf', 4],
  ]);
  expect(valueOf(values, 'kedge_maintenance_seconds_sum')).toBe(105.5);
  promtool(['check', 'metrics'], text);
});

it('labels that others choose do not grow without end', () => {
  const totals = new Totals();
  for (let index = 0; index < 5000; index += 1)
    totals.take({
      name: 'a_total',
      type: 'counter',
      value: 1,
      help: 'Help.',
      labels: { workflow: `made-up-${index}` },
    });
  totals.take({ name: 'a_total', type: 'counter', value: 1, help: 'Help.', labels: { workflow: 'made-up-0' } });
  const values = parseScrape(exposition(totals.families()));
  expect(values).toHaveLength(1000);
  expect(valueOf(values, 'a_total', { workflow: 'made-up-0' })).toBe(2);
});

/* What reads the text here would miss nothing. */
test.each([
  ['a quote that is not escaped', '# HELP a A.\n# TYPE a gauge\na{b="c"d"} 1\n'],
  ['a metric in two pieces', '# HELP a A.\n# TYPE a gauge\na 1\n# HELP b B.\n# TYPE b gauge\nb 1\n# HELP a A.\n'],
  ['a value twice', '# HELP a A.\n# TYPE a gauge\na{x="1",y="2"} 1\na{y="2",x="1"} 1\n'],
  ['a value of no metric', '# HELP a A.\n# TYPE a gauge\nb 1\n'],
  ['no number', '# HELP a A.\n# TYPE a gauge\na undefined\n'],
  ['a cut text', '# HELP a A.\n# TYPE a gauge\na 1'],
  [
    'buckets that fall',
    '# HELP a A.\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
  ],
  ['a counter without its ending', '# HELP a A.\n# TYPE a counter\na 1\n'],
])('the strict reader refuses %s', (_what, text) => {
  expect(() => parseScrape(text)).toThrow();
});
