import type { createColors } from 'picocolors';
import type { Finding } from '../../contract/findings';
import { printable, printableLines } from '../../contract/printable';
import { firstOf } from '../../core/findings';

/** What stands in a finding of many sites where each of them would have its name. */
const ANY_SITE = '<site>';
/** What fewer sites have in common is said of each. */
const COMMON_SITES = 3;

/** What is said once: of one place, or of many sites. */
interface Said extends Pick<Finding, 'level' | 'message' | 'hint'> {
  readonly place: string;
}

/**
 * Findings for people: under their places on a terminal, a line each elsewhere. What three sites or more have in common is said once, with their
 * names. Ends with how many there are.
 */
export function findingLines(
  findings: readonly Finding[],
  { grouped, colors }: { grouped: boolean; colors: ReturnType<typeof createColors> },
): string[] {
  const said = withCommonOnes(findings);
  const lines = grouped
    ? groupedLines(said, colors)
    : said.map(
        ({ level, place, message, hint }) => `${level}: ${printable(place)}: ${oneLine(message)} - ${printable(hint)}`,
      );
  return [...lines, summaryOf(findings)];
}

/** In the place of the first of each group. */
function withCommonOnes(findings: readonly Finding[]): Said[] {
  const groups = new Map<string, { said: Said; sites: string[] }>();
  const all: (() => Said[])[] = [];
  for (const found of findings) {
    const { site, server, check, level } = found;
    const own = { ...found, place: placeOf(found) };
    if (site === undefined || server !== undefined) {
      all.push(() => [own]);
      continue;
    }
    const [message, hint] = [found.message, found.hint].map((text) => text.replaceAll(site, ANY_SITE));
    const key = JSON.stringify([check, level, message, hint]);
    const group = groups.get(key) ?? {
      said: { level, place: '', message: message ?? '', hint: hint ?? '' },
      sites: [],
    };
    const isFirst = !groups.has(key);
    groups.set(key, group);
    group.sites.push(site);
    all.push(() => {
      if (group.sites.length < COMMON_SITES) return [own];
      return isFirst ? [{ ...group.said, place: `${group.sites.length} sites: ${firstOf(group.sites)}` }] : [];
    });
  }
  return all.flatMap((lines) => lines());
}

function groupedLines(findings: readonly Said[], colors: ReturnType<typeof createColors>): string[] {
  const label = { error: colors.red('error  '), warning: colors.yellow('warning'), note: colors.cyan('note   ') };
  const lines: string[] = [];
  for (const [place, found] of byPlace(findings)) {
    lines.push(colors.bold(printable(place)));
    for (const { level, message, hint } of found) {
      const [first = '', ...rest] = printableLines(message);
      lines.push(`  ${label[level]}  ${first}`, ...rest.map((line) => `           ${line}`));
      lines.push(`           ${colors.bold('hint:')} ${printable(hint)}`);
    }
    lines.push('');
  }
  return lines;
}

function byPlace(findings: readonly Said[]): Map<string, Said[]> {
  const places = new Map<string, Said[]>();
  for (const found of findings) places.set(found.place, [...(places.get(found.place) ?? []), found]);
  return places;
}

function placeOf({ check, server, site }: Finding): string {
  if (site !== undefined) return `site ${site}`;
  if (server !== undefined) return `server ${server}`;
  return check.startsWith('temporal') ? 'Temporal' : 'configuration';
}

function summaryOf(findings: readonly Finding[]): string {
  if (findings.every(({ level }) => level === 'note')) return 'All is well.';
  const count = (level: Finding['level']): string => {
    const number = findings.filter((found) => found.level === level).length;
    return `${number} ${level}${number === 1 ? '' : 's'}`;
  };
  return `${count('error')}, ${count('warning')}`;
}

function oneLine(text: string): string {
  return printable(text.replaceAll(/\s*\n\s*/g, '; '));
}
