import { DEFAULT_DESCRIPTION, type TaskType } from '../../contract/names';
import { jsonBytes, shortened } from '../../contract/payload-bounds';
import { markdownText } from '../../contract/printable';
import type { SubmitRequest } from '../../contract/tasks';

/** What Temporal takes. */
const MAXIMUM_BYTES = 400;
/** Of what somebody wrote, in JSON; where that does not fit, less of it. */
const DESCRIPTION_BYTES = [250, 80] as const;

/**
 * One line that tells a task from others in a list: what is done to which site, and why. `Restore example.com to 2026-11-24 03:15 -
 * before the update`; `description` is that of the backup it goes back to, null where nobody knows it.
 */
export function summaryOf(
  site: string,
  type: TaskType,
  input: SubmitRequest['input'],
  description: string | null,
): string {
  const what = `${type[0]?.toUpperCase()}${type.slice(1)} ${site}${objectOf(input)}`;
  const why = type === 'backup' ? descriptionOf(input) : description;
  const lines =
    why === null ? [] : DESCRIPTION_BYTES.map((bytes) => `${what} - ${markdownText(shortened(why, bytes))}`);
  return lines.find((line) => jsonBytes(line) <= MAXIMUM_BYTES) ?? what;
}

function descriptionOf(input: SubmitRequest['input']): string {
  return ('description' in input ? input.description : undefined) ?? DEFAULT_DESCRIPTION;
}

function objectOf(input: SubmitRequest['input']): string {
  if ('archive' in input) return ` from ${markdownText(shortened(input.archive.replace(/^.*\//s, ''), 80))}`;
  if (!('backup' in input)) return '';
  const [, ...time] = /-(\d{4})(\d\d)(\d\d)\.(\d\d)(\d\d)\d\d(?:_\d+)?$/.exec(input.backup) ?? [];
  const [year, month, day, hour, minute] = time;
  return year === undefined ? '' : ` to ${year}-${month}-${day} ${hour}:${minute}`;
}
