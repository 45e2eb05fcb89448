import mustache from 'mustache';
import { KedgeError } from '../../../contract/errors';
import type { SiteLocation } from '../../../contract/target';
import type { Host } from '../../hosts/host';
import { DEFAULT_TEMPLATE, TEMPLATE_NAMES, TEMPLATE_PARTIALS } from './default-template';

const MAXIMUM_BYTES = 64 * 1024;
/** What Kedge could not do without: the maintenance check, and the stamp by which a loaded vhost is known. */
const REQUIRED_PARTIAL = 'maintenance';

/**
 * The vhost of a site by its template. Values come as whole words of nginx's language, checked by whoever made them;
 * nothing is escaped here.
 * @throws KedgeError ConfigurationInvalid, with file and line, for a template that is not understood
 */
export function renderTemplate(site: SiteLocation, values: object): string {
  const template = site.vhostTemplate;
  if (template) checkTemplate(template);
  return mustache.render(template?.text ?? DEFAULT_TEMPLATE, values, TEMPLATE_PARTIALS, { escape: String });
}

/**
 * An administrator's template. Whoever could change it would configure the web server.
 * @throws KedgeError FileRefused, OwnerRefused; ConfigurationInvalid, with file and line
 */
export async function readTemplate(host: Host, path: string): Promise<string> {
  const text = (await host.readTrustedFile(path, MAXIMUM_BYTES)).toString('utf8');
  checkTemplate({ path, text });
  return text;
}

/**
 * Sees to it that a template uses nothing that does not exist: Mustache would leave an empty place.
 * @throws KedgeError ConfigurationInvalid, with file and line
 */
export function checkTemplate({ path, text }: { readonly path: string; readonly text: string }): void {
  const refuse = (offset: number, what: string): KedgeError =>
    new KedgeError('ConfigurationInvalid', `${path}:${lineOf(text, offset)}: ${what}`, {
      hint: 'See what `kedge config template` prints: these names and partials may be used.',
    });
  const tags = tagsOf(text, refuse);
  for (const { kind, name, offset } of tags) {
    if (kind === 'partial' && !Object.hasOwn(TEMPLATE_PARTIALS, name))
      throw refuse(offset, `there is no partial ${name}`);
    if (kind === 'value' && !TEMPLATE_NAMES.includes(name)) throw refuse(offset, `there is no value ${name}`);
  }
  if (!tags.some(({ kind, name }) => kind === 'partial' && name === REQUIRED_PARTIAL))
    throw refuse(text.length, `the template lacks {{> ${REQUIRED_PARTIAL}}}`);
}

interface Tag {
  readonly kind: 'value' | 'partial';
  readonly name: string;
  readonly offset: number;
}

function tagsOf(text: string, refuse: (offset: number, what: string) => KedgeError): Tag[] {
  try {
    return flatten(mustache.parse(text));
  } catch (cause) {
    // "Unclosed tag at 17"
    const [, what, offset] = /^(.*) at (\d+)$/s.exec(cause instanceof Error ? cause.message : '') ?? [];
    throw refuse(Number(offset ?? 0), (what ?? 'it is no Mustache template').toLowerCase());
  }
}

function flatten(spans: ReturnType<typeof mustache.parse>): Tag[] {
  return spans.flatMap((span): Tag[] => {
    const [type, name, offset] = span;
    if (type === '>') return [{ kind: 'partial', name, offset }];
    if (type === '#' || type === '^') {
      const inner = span[4];
      return [{ kind: 'value', name, offset }, ...(Array.isArray(inner) ? flatten(inner) : [])];
    }
    return type === 'name' || type === '&' ? [{ kind: 'value', name, offset }] : [];
  });
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
