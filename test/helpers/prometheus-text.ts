import { execFileSync } from 'node:child_process';

/** One value of a scrape. */
export interface Scraped {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
const HELP = new RegExp(`^# HELP (${NAME}) ((?:[^\\\\\\n]|\\\\[\\\\n])*)$`);
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram|summary|untyped)$`);
const VALUE = new RegExp(
  `^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})? (NaN|[+-]Inf|-?\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?)$`,
);

/**
 * Reads Prometheus' text format 0.0.4, and takes nothing that its page does not allow: each metric in one piece with help and type before
 * its values, no value twice, buckets that rise to +Inf and agree with the count. @throws Error that names the line
 */
export function parseScrape(text: string): Scraped[] {
  if (!text.endsWith('\n')) throw new Error('the last line is cut');
  const values: Scraped[] = [];
  const seen = new Set<string>();
  let family: { name: string; type: string | null } | null = null;
  for (const line of text.slice(0, -1).split('\n')) {
    const refuse = (why: string): Error => new Error(`${why}: ${line}`);
    const [, helped] = HELP.exec(line) ?? [];
    if (helped !== undefined) {
      if (seen.has(helped)) throw refuse('a metric in two pieces');
      seen.add(helped);
      family = { name: helped, type: null };
      continue;
    }
    const [, typed, type = ''] = TYPE.exec(line) ?? [];
    if (typed !== undefined) {
      if (family?.name !== typed || family.type !== null) throw refuse('a type without its help');
      family = { name: typed, type };
      continue;
    }
    const [, name = '', pairs = '', number = ''] = VALUE.exec(line) ?? [];
    if (name === '') throw refuse('no line of the format');
    const suffixes = family?.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    if (family?.type === null || !suffixes.some((suffix) => name === `${family?.name}${suffix}`))
      throw refuse('a value of another metric');
    if (family?.type === 'counter' && !name.endsWith('_total')) throw refuse('a counter without _total');
    const labels: Record<string, string> = {};
    for (const [, label = '', value = ''] of pairs.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g)) {
      if (label in labels) throw refuse('a label twice');
      labels[label] = value.replaceAll(/\\(.)/g, (_all, escaped: string) => (escaped === 'n' ? '\n' : escaped));
    }
    const key = `${name} ${keyOf(labels)}`;
    if (seen.has(key)) throw refuse('a value twice');
    seen.add(key);
    values.push({ name, labels, value: Number(number.replace('Inf', 'Infinity')) });
  }
  for (const { name, labels, value } of values.filter((one) => one.name.endsWith('_count')))
    checkBuckets(values, name.slice(0, -'_count'.length), labels, value);
  return values;
}

function checkBuckets(values: readonly Scraped[], name: string, labels: Scraped['labels'], count: number): void {
  const buckets = values.filter(
    ({ name: one, labels: { le: _le, ...rest } }) => one === `${name}_bucket` && same(rest, labels),
  );
  if (buckets.length === 0) return;
  let last = 0;
  let bound = -Infinity;
  for (const {
    labels: { le = '' },
    value,
  } of buckets) {
    const next = le === '+Inf' ? Infinity : Number(le);
    if (!(next > bound) || value < last) throw new Error(`buckets of ${name} do not rise`);
    [bound, last] = [next, value];
  }
  if (bound !== Infinity || last !== count) throw new Error(`buckets of ${name} do not end with its count`);
}

function same(one: Scraped['labels'], other: Scraped['labels']): boolean {
  return keyOf(one) === keyOf(other);
}

function keyOf(labels: Scraped['labels']): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => a.localeCompare(b)));
}

/** The value of a metric with just these labels among others; undefined where there is none. */
export function valueOf(values: readonly Scraped[], name: string, labels: Readonly<Record<string, string>> = {}) {
  return values.find(
    (one) => one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value),
  )?.value;
}

/** What Prometheus' own tool says of a text or of rules: complaints; null where the tool is not installed. */
export function promtool(args: readonly string[], input = ''): string | null {
  try {
    return execFileSync(process.env['KEDGE_PROMTOOL'] ?? 'promtool', [...args], { input, stdio: 'pipe' }).toString();
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as NodeJS.ErrnoException & { stdout?: Buffer; stderr?: Buffer };
    if (code === 'ENOENT') return null;
    throw new Error(`promtool ${args.join(' ')}: ${String(stdout)}${String(stderr)}`, { cause: error });
  }
}
