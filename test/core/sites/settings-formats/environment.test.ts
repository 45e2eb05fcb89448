import { execFileSync } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import fc from 'fast-check';
import { rewriteSettings } from '../../../../src/core/sites/rewrite-settings';
import { environmentSettings } from '../../../../src/core/sites/settings-formats/environment';
import { environmentEntries } from '../../../../src/core/sites/settings-formats/environment-entries';
import { environmentValue } from '../../../../src/core/sites/settings-formats/environment-value';
import { withSite } from '../site-fixture';
import { testOperation } from '../../../helpers/operation';

const NEW = `n"e w#$x\\`;

describe('settings as KEY=value', () => {
  /** A site of its own for one test, which mostly waits for programs and the disk: many run side by side. */
  const withSettings = (
    source: string | Buffer,
    work: (its: {
      path: string;
      folder: string;
      readonly evaluate: () => Promise<ReadonlyMap<string, string>>;
      readonly rewrite: (value: string) => Promise<void>;
    }) => Promise<void>,
  ): Promise<void> =>
    withSite({}, async ({ folder, write }) => {
      const file = { folder, path: '.env' };
      await work({
        path: await write(file.path, source),
        folder: folder.path,
        evaluate: () => environmentSettings.evaluate(file, ['PASS'], testOperation()),
        rewrite: (value) => rewriteSettings(file, environmentSettings, new Map([['PASS', value]]), [], testOperation()),
      });
    });

  // The value that is to change stands in ⟦ ⟧; what it becomes, without: '…' unless it was in double quotes.
  test.concurrent.each<[string, string, string?]>([
    ['plain', `PASS=⟦old⟧`],
    ['with others around', `# PASS=no\nUSER=PASS\nPASS=⟦old⟧\nPASSWORD=no\n`],
    ['exported', `export PASS=⟦old⟧\n`],
    ['single quotes', `PASS=⟦'old'⟧\n`],
    ['double quotes', `PASS=⟦"old"⟧\n`],
    ['escapes in double quotes', `PASS=⟦"o\\"l\\\\d\\$"⟧\n`, 'o"l\\d$'],
    ['backslash in single quotes', `PASS=⟦'o\\ld'⟧\n`, 'o\\ld'],
    ['spaces around', `  PASS  =  ⟦old⟧  \n`],
    ['a comment behind', `PASS=⟦old⟧ # PASS=no\nX=1`],
    ['a comment behind quotes', `PASS=⟦"old"⟧\t# 'no'\n`],
    ['a hash inside', `PASS=⟦o#ld⟧\n`, 'o#ld'],
    ['empty', `PASS=⟦⟧\nX=PASS\n`, ''],
    ['empty at the end', `PASS=⟦⟧`, ''],
    ['CRLF', `A=1\r\nPASS=⟦old⟧\r\nB=2\r\n`],
    ['CRLF and quotes', `A='1'\r\nPASS=⟦'old'⟧\r\nB=2\r\n`],
    ['byte order mark', `\ufeffPASS=⟦old⟧\n`],
    ['UTF-8', `X=ü\nPASS=⟦"ölд"⟧ # 日本\n`, 'ölд'],
    ['an equals sign inside', `PASS=⟦o=l=d⟧\n`, 'o=l=d'],
    ['FPM pool', `[shop]\nenv[USER] = u\nenv[PASS] = ⟦'old'⟧\n; env[PASS] = no\n`],
    ['several lines in quotes before it', `KEY="-----BEGIN\nPASS=no\n-----END"\nTEXT='a\nPASS=no\nb'\nPASS=⟦old⟧\n`],
    ['set twice, the same', `PASS=⟦old⟧\nX=1\nexport PASS=⟦"old"⟧\n`],
  ])('rewrites: %s', (_, source, old = 'old') =>
    withSettings(source.replace(/[⟦⟧]/g, ''), async ({ path, evaluate, rewrite }) => {
      expect(await evaluate()).toEqual(new Map([['PASS', old]]));
      await rewrite(NEW);
      expect(await readFile(path, 'utf8')).toBe(
        source.replace(/⟦([^⟧]*)⟧/g, (_whole, literal: string) =>
          literal.startsWith('"') ? `"n\\"e w#\\$x\\\\"` : `'n"e w#$x\\'`,
        ),
      );
      expect(await evaluate()).toEqual(new Map([['PASS', NEW]]));
    }),
  );

  test.concurrent.each([
    ['interpolation', `A=1\nPASS="$A"\n`, /PASS in line 2/],
    ['interpolation without quotes', `PASS=\${A}\n`, /PASS in line 1/],
    ['a program', 'PASS="`id`"\n', /PASS in line 1/],
    ['an escape that libraries read differently', `PASS="o\\nld"\n`, /PASS in line 1/],
    ['a space without quotes', `PASS=old one\n`, /PASS in line 1/],
    ['a quote inside', `PASS=o'ld\n`, /PASS in line 1/],
    ['text behind the quotes', `PASS='o'ld\n`, /PASS in line 1/],
    ['shell quoting of a quote', `PASS='o'\\''ld'\n`, /PASS in line 1/],
    ['a quote that is never closed', `X=1\nPASS="old\nY=2\n`, /PASS in line 2/],
    ['a hash at the start', `PASS=#old\n`, /PASS in line 1/],
    ['set twice, differently', `PASS=old\nPASS=other\n`, /set PASS again in line 2/],
    ['no UTF-8', Buffer.from(`PASS=caf\xe9\n`, 'latin1'), /line 1 to text that is not UTF-8/],
    ['NUL', `PASS=old\0\n`, /NUL/],
  ])('refuses: %s', (_, source, message) =>
    withSettings(source, async ({ path, folder, rewrite }) => {
      await expect(rewrite('other')).rejects.toMatchObject({
        code: 'SettingsInvalid',
        message: expect.stringMatching(message),
      });
      expect((await readFile(path)).equals(Buffer.from(source))).toBe(true);
      expect(await readdir(folder)).toEqual(['.env']);
    }),
  );

  test.concurrent.each([
    ['missing', `X=1\n#PASS=old\n`, 'x', /do not set PASS$/],
    ['a value that no quotes hold', `PASS=old\n`, 'a\nb', /cannot hold the new value of PASS/],
    ['both quotes that shells run things in', `PASS=old\n`, "a'b`c", /cannot hold the new value of PASS/],
  ])('cannot write: %s', (_, source, value, message) =>
    withSettings(source, async ({ path, rewrite }) => {
      await expect(rewrite(value)).rejects.toMatchObject({
        code: 'SettingsInvalid',
        message: expect.stringMatching(message),
      });
      expect(await readFile(path, 'utf8')).toBe(source);
    }),
  );

  test.concurrent('no message holds a value', () =>
    withSettings(`PASS="hunter2 $x"\n`, async ({ rewrite }) => {
      const failure = await rewrite('hunter3').catch((error: unknown) => error);
      expect(JSON.stringify(failure) + String(failure)).not.toContain('hunter');
    }),
  );

  test('what is written is what is read, by us and by the shell', () => {
    const value = fc.string({
      unit: fc.constantFrom(...`ab0'"\\$\`#;&()<>|*?~! \t=%{}[]üß`),
      maxLength: 12,
    });
    const written: string[] = [];
    fc.assert(
      fc.property(value, fc.constantFrom<'' | "'" | '"'>('', "'", '"'), (asked, quote) => {
        const text = environmentValue(asked, quote);
        if (text === null) {
          expect(asked).toMatch(/['`\t]/);
          return;
        }
        const [entry, ...rest] = environmentEntries(`KEY=${text} # comment\n`);
        expect(entry).toMatchObject({ key: 'KEY', value: asked });
        expect(rest).toEqual([]);
        written.push(
          `KEY=${text} # comment\nprintf '%s\\0' "$KEY"\nexpected=${Buffer.from(asked).toString('hex')}\nprintf '%s\\0' "$expected"\n`,
        );
      }),
      { numRuns: 300, examples: [['', '']] },
    );
    const output = execFileSync('sh', { input: written.join('') })
      .toString('latin1')
      .split('\0')
      .slice(0, -1);
    expect(output.length).toBe(written.length * 2);
    for (let at = 0; at < output.length; at += 2) {
      expect(Buffer.from(output[at] ?? '', 'latin1').toString('hex')).toBe(output[at + 1]);
    }
  });

  test('reads a file of one endless line in no time worth naming', () => {
    expect(
      environmentEntries(`A=${' '.repeat(100_000)}\nB=${'x'.repeat(100_000)}\nPASS="${'\\'.repeat(100_000)}`),
    ).toMatchObject([{ key: 'A', value: '' }, { key: 'B' }, { key: 'PASS', value: null }]);
  });
});
