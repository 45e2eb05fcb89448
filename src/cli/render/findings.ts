import type { createColors } from 'picocolors';
import type { Finding } from '../../contract/findings';
import { printable, printableLines } from '../../contract/printable';

/** Findings for people: under their places on a terminal, a line each elsewhere. Ends with how many there are. */
export function findingLines(
  findings: readonly Finding[],
  { grouped, colors }: { grouped: boolean; colors: ReturnType<typeof createColors> },
): string[] {
  const lines = grouped
    ? groupedLines(findings, colors)
    : findings.map(
        (found) => `${found.level}: ${printable(placeOf(found))}: ${oneLine(found.message)} - ${printable(found.hint)}`,
      );
  return [...lines, summaryOf(findings)];
}

function groupedLines(findings: readonly Finding[], colors: ReturnType<typeof createColors>): string[] {
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

function byPlace(findings: readonly Finding[]): Map<string, Finding[]> {
  const places = new Map<string, Finding[]>();
  for (const found of findings) {
    const place = placeOf(found);
    places.set(place, [...(places.get(place) ?? []), found]);
  }
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
