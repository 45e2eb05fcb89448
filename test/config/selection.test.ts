import fc from 'fast-check';
import { fits, selectSites, selectionText, unknownNames } from '../../src/config/selection';
import { KINDS, withSites } from '../helpers/with-sites';

it('a name fits as its letters do, and * is any of them', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 8 });
  const patterns = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 6 });
  fc.assert(
    fc.property(patterns, letters, (pattern, name) => {
      const plain = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
      expect(fits(pattern, name)).toBe(plain.test(name));
    }),
    { numRuns: 3000 },
  );
});

it('a pattern that would keep a regular expression busy for years is answered at once', () => {
  expect(fits(`${'*a'.repeat(126)}b`, 'a'.repeat(253))).toBe(false);
});

it('sites are those for which all of a selection holds, in the order of their names', () => {
  const site = fc.record({ kind: fc.constantFrom(...KINDS), server: fc.constantFrom('one', 'two') });
  const uri = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 3 });
  const selection = fc.record(
    {
      sites: fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 3 }), {
        minLength: 1,
        maxLength: 3,
      }),
      kind: fc.constantFrom(...KINDS),
      server: fc.constantFrom('one', 'two'),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.dictionary(uri, site, { maxKeys: 8 }), selection, (sites, asked) => {
      const expected: string[] = [];
      for (const [name, { kind, server }] of Object.entries(sites)) {
        const named = asked.sites === undefined || asked.sites.some((pattern) => fits(pattern, name));
        const ofKind = asked.kind === undefined || asked.kind === kind;
        if (named && ofKind && (asked.server === undefined || asked.server === server)) expected.push(name);
      }
      expect(selectSites(withSites(sites), asked)).toEqual(expected.sort());
    }),
    { numRuns: 300 },
  );
});

it('names that are no site are told, those with wildcards may fit none', () => {
  const configuration = withSites({ 'a.example': {} });
  expect(unknownNames(configuration, { sites: ['a.example', 'b.example', 'z*', 'constructor'] })).toEqual([
    'b.example',
    'constructor',
  ]);
  expect(selectSites(configuration, { sites: ['constructor'] })).toEqual([]);
  expect(selectionText({})).toBe('all sites');
  expect(selectionText({ sites: ['a*', 'b'], kind: 'php', server: 'one' })).toBe('a*, b, kind php, server one');
});
