import { readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { promtool } from '../helpers/prometheus-text';

const TOP = join(__dirname, '../..');
const PAGE = readFileSync(join(TOP, 'docs/operations.md'), 'utf8');
const SECTION = /^## Metrics\n(.*?)^## /ms.exec(PAGE)?.[1] ?? '';

const rulesSchema = z.object({
  groups: z.array(z.object({ rules: z.array(z.object({ alert: z.string(), expr: z.string() })) })),
});

/** The first block of YAML that begins so. */
function block(beginning: string): string {
  const found = [...SECTION.matchAll(/^```yaml\n(.*?)^```$/gms)].find(([, text = '']) => text.startsWith(beginning));
  if (!found?.[1]) throw new Error(`there is no block that begins with ${beginning}`);
  return found[1];
}

/** Names of metrics in a text; parts of histograms by the name of the whole. */
const namesIn = (text: string): Set<string> => new Set([...text.matchAll(/\bkedge_[a-z_]+/g)].map(([name]) => name));

function namesOfSource(): Set<string> {
  const files = readdirSync(join(TOP, 'src/core/metrics')).map((file) => join(TOP, 'src/core/metrics', file));
  const text = [...files, join(TOP, 'src/worker-metrics.ts')].map((file) => readFileSync(file, 'utf8')).join('\n');
  return new Set([...text.matchAll(/'(kedge_[a-z_]+)'/g)].map(([, name = '']) => name));
}

it('the page names every metric, and no other', () => {
  expect([...namesIn(SECTION)].sort()).toEqual([...namesOfSource()].sort());
});

it('rules speak of what there is', () => {
  const { groups } = rulesSchema.parse(parse(block('groups:')));
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.length).toBeGreaterThan(2);
  const known = namesOfSource();
  for (const { alert, expr } of rules)
    expect([alert, [...namesIn(expr)].filter((name) => !known.has(name))]).toEqual([alert, []]);
});

describe('Prometheus', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp('/var/tmp/kedge-rules-');
    await writeFile(join(folder, 'rules.yaml'), block('groups:'));
    await writeFile(join(folder, 'prometheus.yaml'), block('scrape_configs:'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const isThere = promtool(['--version']) !== null;
  const withTool = isThere ? it : it.skip;

  withTool('takes scrape configuration and rules (needs promtool)', () => {
    promtool(['check', 'config', '--lint-fatal', join(folder, 'prometheus.yaml')]);
    promtool(['check', 'rules', '--lint-fatal', join(folder, 'rules.yaml')]);
  });

  withTool('alerts when it should, and is silent else (needs promtool)', async () => {
    const quiet = { exp_alerts: [] };
    const alert = (alertname: string, eval_time: string, expected: object) => ({ alertname, eval_time, ...expected });
    // Time begins at 0: a site without a good backup has its newest at 0 too.
    const tests = {
      rule_files: [join(folder, 'rules.yaml')],
      tests: [
        {
          interval: '1m',
          input_series: [
            { series: 'kedge_last_good_backup_timestamp_seconds{site="none.example"}', values: '0x3000' },
            { series: 'kedge_last_good_backup_timestamp_seconds{site="daily.example"}', values: '0x1440 86400x1560' },
            { series: 'kedge_site_shut_since_timestamp_seconds{site="shut.example"}', values: '_x60 3600x40' },
            {
              series: 'kedge_tasks_total{type="backup",outcome="failed",code="DiskFull"}',
              values: '0x100 1x2900',
            },
            { series: 'kedge_tasks_total{type="backup",outcome="done",code="none"}', values: '0+1x3000' },
            { series: 'up{job="kedge"}', values: '1x100 0x20 1x2880' },
          ],
          alert_rule_test: [
            alert('KedgeBackupTooOld', '26h', quiet),
            alert('KedgeBackupTooOld', '27h', {
              exp_alerts: [
                {
                  exp_labels: { site: 'none.example' },
                  exp_annotations: { summary: 'none.example has had no good backup for more than a day' },
                },
              ],
            }),
            alert('KedgeSiteShut', '75m', quiet),
            alert('KedgeSiteShut', '85m', {
              exp_alerts: [
                {
                  exp_labels: { site: 'shut.example' },
                  exp_annotations: {
                    summary: 'shut.example is in maintenance for more than 20 minutes: kedge log shut.example',
                  },
                },
              ],
            }),
            alert('KedgeTaskFailed', '95m', quiet),
            alert('KedgeTaskFailed', '110m', {
              exp_alerts: [
                {
                  exp_labels: { type: 'backup', code: 'DiskFull' },
                  exp_annotations: { summary: 'a backup ended with DiskFull: kedge tasks' },
                },
              ],
            }),
            alert('KedgeTaskFailed', '4h', quiet),
            alert('KedgeBlind', '105m', quiet),
            alert('KedgeBlind', '115m', {
              exp_alerts: [
                {
                  exp_labels: { job: 'kedge' },
                  exp_annotations: {
                    summary: 'the worker does not answer, or cannot read its own disks: kedge doctor',
                  },
                },
              ],
            }),
          ],
        },
      ],
    };
    await writeFile(join(folder, 'tests.yaml'), stringify(tests));
    promtool(['test', 'rules', join(folder, 'tests.yaml')]);
  });
});
