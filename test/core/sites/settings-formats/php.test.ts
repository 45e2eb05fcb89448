import { readFile, readdir, stat } from 'node:fs/promises';
import fc from 'fast-check';
import { assertRewritable, rewriteSettings } from '../../../../src/core/sites/rewrite-settings';
import { phpSettings } from '../../../../src/core/sites/settings-formats/php';
import { withSite } from '../site-fixture';
import { testOperation } from '../../../helpers/operation';

const php = phpSettings();
/** What the settings are given: everything that PHP could misread. */
const NEW = `n'e"w\\ $x {$y} \\n ü`;
const SINGLE = String.raw`'n\'e"w\\ $x {$y} \\n ü'`;
const DOUBLE = String.raw`"n'e\"w\\ \$x {\$y} \\n ü"`;

interface Case {
  /**
   * Literals that are to change stand in ⟦ ⟧, or in ⟪ ⟫ when their quotes are to become single ones; those that become empty
   * in ⟨ ⟩.
   */
  readonly source: string;
  readonly name?: string;
  readonly old?: string;
  readonly latin1?: boolean;
  /** Another file, `other.php`, that the settings may include. */
  readonly other?: string;
}

const ACCEPTED: Record<string, Case> = {
  'single quotes': { source: `<?php define('PASS', ⟦'old'⟧);` },
  'double quotes': { source: `<?php define("PASS", ⟦"old"⟧);` },
  'spaces as in WordPress': { source: `<?php\ndefine( 'PASS', ⟦'old'⟧ );\n` },
  'no space at all': { source: `<?php define('PASS',⟦'old'⟧);` },
  'several lines': { source: `<?php define(\n  'PASS'\n  ,\n  ⟦'old'⟧\n);` },
  'another case': { source: `<?php DEFINE('PASS', ⟦'old'⟧);` },
  'fully qualified': { source: `<?php \\define('PASS', ⟦'old'⟧);` },
  'third argument': { source: `<?php define('PASS', ⟦'old'⟧, false);` },
  'trailing comma': { source: `<?php define('PASS', ⟦'old'⟧,);` },
  'escaped quote in the old value': { source: `<?php define('PASS', ⟦'o\\'ld'⟧);`, old: "o'ld" },
  'escapes in double quotes': { source: `<?php define('PASS', ⟦"o\\x6cd\\$"⟧);`, old: 'old$' },
  'empty value': { source: `<?php define('PASS', ⟦''⟧);`, old: '' },
  'a number': { source: `<?php define('PASS', ⟪123⟫);`, old: '123' },
  'binary prefix': { source: `<?php define('PASS', ⟦b'old'⟧);` },
  'value that looks like code': { source: `<?php define('PASS', ⟦'); define("x'⟧);`, old: '); define("x' },
  'old value holds a comment': { source: `<?php define('PASS', ⟦'/* old // # '⟧);`, old: '/* old // # ' },
  'comments with define(': {
    source: `<?php\n// define('PASS', 'not me');\n# define('PASS', 'nor me');\n/* define('PASS', 'nor me'); */\n/** define('PASS', 'x') */\ndefine('PASS', ⟦'old'⟧); // define('PASS', 'not me')\n`,
  },
  'comments between the tokens': { source: `<?php define(/* ( */ 'PASS' /* , */, // )\n ⟦'old'⟧ # ;\n);` },
  'text with define(': { source: `<?php $help = "define('PASS', 'not me')"; define('PASS', ⟦'old'⟧);` },
  'text outside PHP with define(': {
    source: `<?php define('PASS', ⟦'old'⟧); ?>\ndefine('PASS', 'not me');\n<?php $x = 1;`,
  },
  'heredoc with define(': { source: `<?php $h = <<<E\ndefine('PASS', 'not me');\nE;\ndefine('PASS', ⟦'old'⟧);` },
  'several in one line': { source: `<?php define('A','1');define('PASS',⟦'old'⟧);define('B','2');` },
  CRLF: { source: `<?php\r\n// comment\r\ndefine('PASS', ⟦'old'⟧);\r\n\r\n` },
  'old Mac line ends': { source: `<?php\r define('PASS', ⟦'old'⟧);\r` },
  'byte order mark': { source: `\ufeff<?php define('PASS', ⟦'old'⟧);` },
  'no newline at the end, closing tag': { source: `<?php define('PASS', ⟦'old'⟧) ?>` },
  'UTF-8 around it': { source: `<?php // Größe 📦\ndefine('PASS', ⟦'ölд'⟧); // 日本`, old: 'ölд' },
  'Latin-1 around it': {
    source: `<?php // Gr\u00f6\u00dfe \u00e9\ndefine('PASS', ⟦'old'⟧); $x = '\u00e4';`,
    latin1: true,
  },
  'guarded by defined()': { source: `<?php if (!defined('PASS')) { define('PASS', ⟦'old'⟧); }` },
  'guarded, short form': { source: `<?php defined('PASS') || define('PASS', ⟦'old'⟧);` },
  'guarded, word form': { source: `<?php defined('PASS') or define('PASS', ⟦'old'⟧);` },
  silenced: { source: `<?php @define('PASS', ⟦'old'⟧);` },
  'set twice: the first wins': { source: `<?php define('PASS', ⟦'old'⟧); @define('PASS', 'later');` },
  'the branch that is taken': {
    source: `<?php if (false) { define('PASS', 'x'); } else { define('PASS', ⟦"old"⟧); }`,
  },
  'alternative syntax': { source: `<?php if (true): define('PASS', ⟦'old'⟧); endif;` },
  'inside a function that is called': { source: `<?php function f() { define('PASS', ⟦'old'⟧); } f();` },
  'a method of that name beside it': {
    source: `<?php class A { static function define($a, $b) {} } A::define('PASS', 'not me'); (new A)->define('PASS', 'not me'); define('PASS', ⟦'old'⟧);`,
  },
  const: { source: `<?php const PASS = ⟦'old'⟧;` },
  'const, double quotes': { source: `<?php const PASS = ⟦"old"⟧;` },
  'const, several': { source: `<?php const A = 'x', PASS = ⟦'old'⟧, B = 'PASS';` },
  'namespaced const': { source: `<?php namespace App; const PASS = ⟦'old'⟧;`, name: 'App\\PASS' },
  'namespaced define': { source: `<?php define('App\\PASS', ⟦'old'⟧);`, name: 'App\\PASS' },
  'namespaced define, escaped': { source: `<?php define("App\\\\PASS", ⟦"old"⟧);`, name: 'App\\PASS' },
  'define inside a namespace': { source: `<?php namespace App; define('PASS', ⟦'old'⟧);` },
  'class constant': { source: `<?php class Config { const USER = 'PASS', PASS = ⟦'old'⟧; }`, name: 'Config::PASS' },
  'strict types': { source: `<?php declare(strict_types=1); define('PASS', ⟦'old'⟧);` },
  'prints and returns': { source: `<?php echo str_repeat('x', 1000); define('PASS', ⟦'old'⟧); return ['x'];` },
  'warnings and notices': { source: `<?php echo $nothing; define('PASS', ⟦'old'⟧); trigger_error('hm');` },
  'site folder at its place': {
    source: `<?php if (basename(__DIR__) === 'site' && __FILE__ === __DIR__ . '/settings.php') define('PASS', ⟦'old'⟧);`,
  },
  'the host name of the site': {
    source: `<?php if ($_SERVER['HTTP_HOST'] === 'shop.example') define('PASS', ⟦'old'⟧);`,
  },
  'a constant of an extension': { source: `<?php define('FLAGS', MYSQLI_CLIENT_SSL); define('PASS', ⟦'old'⟧);` },

  variable: { source: `<?php $pass = ⟦'old'⟧;`, name: '$pass' },
  'variable, double quotes': { source: `<?php $pass=⟦"old"⟧;`, name: '$pass' },
  'variable, last statement': { source: `<?php $pass = ⟦'old'⟧ ?>`, name: '$pass' },
  'variable set twice: the last wins': { source: `<?php $pass = 'x'; $pass = ⟦"old"⟧;`, name: '$pass' },
  'variable after if': { source: `<?php if (true) $pass = ⟦'old'⟧; else $pass = 'x';`, name: '$pass' },
  'variable with a default': { source: `<?php $pass ??= ⟦'old'⟧;`, name: '$pass' },
  'variables of others': {
    source: `<?php $passed = 'old'; class A { public $pass = 'x'; public static $other = 'y'; } function f($pass = 'x') { $pass = 'y'; return "{$pass}"; } $g = function () { $pass = 'z'; }; $pass = ⟦'old'⟧; f();`,
    name: '$pass',
  },
  'key of an array': { source: `<?php $db['user'] = 'u'; $db['pass'] = ⟦'old'⟧;`, name: "$db['pass']" },
  'key in double quotes': { source: `<?php $db["pass"] = ⟦'old'⟧;`, name: "$db['pass']" },
  'key of a key': { source: `<?php $db['a']['pass'] = 'x'; $db['b']['pass'] = ⟦'old'⟧;`, name: "$db['b']['pass']" },
  'array literal': {
    source: `<?php $db = ['user' => 'pass', 'pass' => ⟦'old'⟧, 'x' => ['pass' => 'no']];`,
    name: "$db['pass']",
  },
  'array(…), nested': {
    source: `<?php $db = array('a' => array('pass' => 'no'), 'b' => array('user' => f(['pass' => 'no']), 'pass' => ⟦"old"⟧)); function f($x) { return $x; }`,
    name: "$db['b']['pass']",
  },
  'array literal under a key': { source: `<?php $db['b'] = ['pass' => ⟦'old'⟧];`, name: "$db['b']['pass']" },
  'array literal, then the key': {
    source: `<?php $db = ['user' => 'u']; $db['pass'] = ⟦'old'⟧;`,
    name: "$db['pass']",
  },
};

/** Values that are computed: followed to the text they come from. */
const FOLLOWED: Record<string, Case> = {
  'environment with a default': { source: `<?php\n\ndefine('PASS', getenv('X') ?: ⟦'old'⟧);` },
  'an array with a default': { source: `<?php define('PASS', $_ENV['X'] ?? $_SERVER['Y'] ?? ⟦"old"⟧);` },
  'a condition': { source: `<?php define('PASS', $_SERVER['HTTP_HOST'] === 'staging' ? 'x' : ⟦'old'⟧);` },
  'a match': { source: `<?php define('PASS', match (true) { false => 'x', default => ⟦'old'⟧ });` },
  'a switch': {
    source: `<?php switch ('b') { case 'a': $pass = 'x'; break; case 'b': $pass = ⟦'old'⟧; }`,
    name: '$pass',
  },
  concatenation: { source: `<?php define('PASS', ⟦'o'⟧ . ⟨'ld'⟩);` },
  'concatenation at the end of a const': { source: `<?php const PASS = ⟪'ol'⟫ . ⟨"d"⟩;` },
  'a variable that is appended to': { source: `<?php $pass = ⟦'o'⟧; $pass .= ⟨'ld'⟩;`, name: '$pass' },
  nowdoc: { source: `<?php define('PASS', ⟪<<<'E'\nold\nE⟫\n);` },
  'heredoc, indented': { source: `<?php $pass = ⟪<<<E\n  old\n  E⟫;`, name: '$pass' },
  'another constant': { source: `<?php define('X', ⟦'old'⟧); define('PASS', X);` },
  'a constant of a class': { source: `<?php class C { const X = ⟦'old'⟧; } define('PASS', C::X);` },
  'a function that has it': { source: `<?php function f() { return ⟦'old'⟧; } $pass = f();`, name: '$pass' },
  'a literal in one branch only': {
    source: `<?php if (getenv('X')) define('PASS', getenv('X'));\nelse define('PASS', ⟦'old'⟧);`,
  },
  'a name that is computed': { source: `<?php foreach (['PASS' => ⟦'old'⟧] as $k => $v) define($k, $v);` },
  'two variables at once': { source: `<?php $other = $pass = ⟦'old'⟧;`, name: '$pass' },
  'a list of values': { source: `<?php [$user, $pass] = ['u', ⟦'old'⟧];`, name: '$pass' },
  'a variable overwritten later': { source: `<?php $pass = 'x'; extract(['pass' => ⟦'old'⟧]);`, name: '$pass' },
  'the same text elsewhere': {
    source: `<?php $a = 'old'; if (!in_array('old', ['old'])) exit; define('PASS', getenv('Q') ?: ⟦'old'⟧); $b = 'old';`,
  },
  'an included file': { source: `<?php require __DIR__ . '/other.php';`, other: `<?php define('PASS', ⟦'old'⟧);` },
  'an included file that returns it': {
    source: `<?php $all = include 'other.php'; define('PASS', $all['db']['pass']);`,
    other: `<?php // the "old" one\nreturn ['db' => ['user' => 'u', 'pass' => ⟦"old"⟧]];`,
  },
  'an included file that wins': {
    source: `<?php require __DIR__ . '/other.php'; @define('PASS', 'x');`,
    other: `<?php define('PASS', ⟦'old'⟧);`,
  },
  'a branch for scripts with the same login': {
    source: `<?php if (PHP_SAPI !== 'cli') { define('PASS', ⟦'old'⟧); define('USER', 'u'); } else { define('USER', 'u'); define('PASS', ⟦"old"⟧); }`,
  },
  'an included file with the same login in a branch': {
    source: `<?php require 'other.php';`,
    other: `<?php if (false): define('PASS', ⟦'old'⟧); else: define('PASS', ⟦'old'⟧); endif;`,
  },
};

const REFUSED: Record<string, { source: string; name?: string; message: RegExp }> = {
  'environment alone': {
    source: `<?php\n\nputenv('X=' . md5('y')); define('PASS', getenv('X'));`,
    message: /compute PASS in line 3/,
  },
  interpolation: { source: `<?php $x = 'ld'; define('PASS', "o$x");`, message: /compute PASS in line 1/ },
  'heredoc with a variable': {
    source: `<?php $x = 'ld';\ndefine('PASS', <<<E\no$x\nE\n);`,
    message: /compute PASS in line 2/,
  },
  'a function of it': { source: `<?php define('PASS',\n  base64_decode('b2xk'));`, message: /compute PASS in line 2/ },
  'a file that is no PHP': {
    source: `<?php\n$ini = parse_ini_string('pass=old'); define('PASS', $ini['pass']);`,
    message: /compute PASS in line 2/,
  },
  'pieces of something longer': { source: `<?php define('PASS', substr('older', 0, 3));`, message: /compute PASS/ },
  'an unknown place': {
    source: `<?php foreach (['PASS' => md5('x')] as $k => $v) define($k, $v);`,
    message: /do not set PASS themselves/,
  },
  'the file looks at itself': {
    source: `<?php define('PASS', 'old'); if (md5_file(__FILE__) !== 'x' && PASS !== 'old') exit;`,
    message: /exit or die/,
  },
};

/** A site of its own for one test, which mostly waits for programs and the disk: many run side by side. */
async function withSettings(
  source: string | Buffer,
  work: (its: {
    path: string;
    folder: string;
    readonly replace: (source: Buffer) => Promise<string>;
    readonly evaluate: (names: readonly string[]) => Promise<ReadonlyMap<string, string>>;
    readonly write: (path: string, source: Buffer) => Promise<string>;
    readonly rewrite: (changes: Record<string, string>) => Promise<void>;
    /** Nothing is written by it. */
    readonly prove: (names: readonly string[]) => Promise<readonly string[]>;
  }) => Promise<void>,
): Promise<void> {
  await withSite({}, async (site) => {
    const file = { folder: site.folder, path: 'settings.php' };
    await work({
      path: await site.write(file.path, source),
      folder: site.folder.path,
      replace: (content) => site.write(file.path, content),
      write: (path, content) => site.write(path, content),
      prove: (names) => assertRewritable(file, php, names, [], testOperation()),
      evaluate: (names) => php.evaluate(file, names, testOperation()),
      rewrite: (changes) => rewriteSettings(file, php, new Map(Object.entries(changes)), [], testOperation()),
    });
  });
}

describe('settings as PHP', () => {
  test.concurrent.each([...Object.entries(ACCEPTED), ...Object.entries(FOLLOWED)])(
    'rewrites: %s',
    async (_, { source, name = 'PASS', old = 'old', latin1, other }) => {
      const bytes = (text: string): Buffer => Buffer.from(text, latin1 ? 'latin1' : 'utf8');
      const value = latin1 ? "n'ew" : NEW;
      const before = (text: string): Buffer => bytes(text.replace(/[⟦⟧⟪⟫⟨⟩]/g, ''));
      const after = (text: string): Buffer =>
        bytes(
          text
            .replace(/⟨(['"])[^⟩]*⟩/g, '$1$1')
            .replace(/⟦b?(['"])[^⟧]*⟧|⟪[^⟫]*⟫/g, (_whole, quote: string | undefined) =>
              latin1 ? `'n\\'ew'` : quote === '"' ? DOUBLE : SINGLE,
            ),
        );
      await withSettings(before(source), async ({ path, write, evaluate, rewrite, prove }) => {
        const otherPath = other === undefined ? undefined : await write('other.php', before(other));
        expect(await evaluate([name])).toEqual(new Map([[name, old]]));
        await prove([name]);
        expect((await readFile(path)).toString('latin1')).toBe(before(source).toString('latin1'));
        await rewrite({ [name]: value });
        expect((await readFile(path)).toString('latin1')).toBe(after(source).toString('latin1'));
        if (other !== undefined && otherPath !== undefined)
          expect((await readFile(otherPath)).toString('latin1')).toBe(after(other).toString('latin1'));
        expect(await evaluate([name])).toEqual(new Map([[name, value]]));
      });
    },
  );

  test.concurrent.each(Object.entries(REFUSED))('refuses: %s', async (_, { source, name = 'PASS', message }) => {
    await withSettings(source, async ({ path, folder, rewrite, prove }) => {
      const refusal = { code: 'SettingsInvalid', message: expect.stringMatching(message) };
      await expect(prove([name])).rejects.toMatchObject(refusal);
      await expect(rewrite({ [name]: 'other' })).rejects.toMatchObject(refusal);
      expect(await readFile(path, 'utf8')).toBe(source);
      expect(await readdir(folder)).toEqual(['settings.php']);
    });
  });

  test.concurrent('a value that is computed and right already is no reason to refuse', async () => {
    const source = `<?php define('HOST', 'local' . 'host'); define('PASS', 'old');`;
    await withSettings(source, async ({ path, rewrite }) => {
      await rewrite({ HOST: 'localhost', PASS: 'new' });
      expect(await readFile(path, 'utf8')).toBe(source.replace("'old'", "'new'"));
    });
  });

  test.concurrent('asked again, nothing is written', async () => {
    await withSettings(`<?php define('PASS', 'old');`, async ({ path, rewrite }) => {
      await rewrite({ PASS: 'new' });
      const { ino, mtimeNs } = await stat(path, { bigint: true });
      await rewrite({ PASS: 'new' });
      expect(await stat(path, { bigint: true })).toMatchObject({ ino, mtimeNs });
    });
  });

  test.concurrent('a name that is not set is missing from what is read', async () => {
    await withSettings('<?php $a = null;', async ({ evaluate }) => {
      expect(await evaluate(['PASS', '$pass', "$a['b']"])).toEqual(new Map());
    });
  });

  test.concurrent.each([
    ['an array', `<?php define('PASS', ['old']);`, /set PASS to no text \(array\)/],
    ['true', `<?php define('PASS', true);`, /set PASS to no text \(boolean\)/],
    ['Latin-1', Buffer.from(`<?php define('PASS', 'caf\xe9');`, 'latin1'), /set PASS to text that is not UTF-8/],
  ])('a value that is no text is refused: %s', async (_, source, message) => {
    await withSettings(source, async ({ evaluate }) => {
      await expect(evaluate(['PASS'])).rejects.toMatchObject({
        code: 'SettingsInvalid',
        message: expect.stringMatching(message),
      });
    });
  });

  test.concurrent('a Latin-1 password is replaced by one that is UTF-8 in a file that stays Latin-1', async () => {
    const source = Buffer.from(`<?php $name = '\xe9'; $db = ['pass' => 'old']; // \xfc`, 'latin1');
    await withSettings(source, async ({ path, rewrite }) => {
      await rewrite({ "$db['pass']": 'é' });
      const expected = source.toString('latin1').replace("'old'", `'${Buffer.from('é').toString('latin1')}'`);
      expect(await readFile(path, 'latin1')).toBe(expected);
    });
  });

  test.concurrent.each(['1PASS', '$a-b', '$a[b]', "$a['b'", 'A B', '', "$a['b']; x"])(
    'no name in PHP: %s',
    async (name) => {
      await withSettings('<?php ', async ({ evaluate }) => {
        await expect(evaluate([name])).rejects.toMatchObject({ code: 'ConfigurationInvalid' });
      });
    },
  );

  test.concurrent('whatever is asked is what it evaluates to, and only the literal differs', async () => {
    const noise = fc.constantFrom(
      `// define('PASS', 'no');\n`,
      `/* $pass = 'no'; */`,
      `# '\n`,
      `$other = "it's {$_SERVER['HTTP_HOST']}";\n`,
      `define('OTHER_PASS', 'no');\r\n`,
      `$text = <<<'E'\ndefine('PASS', 'no');\nE;\n`,
      `if (defined('X')) { $y = 'PASS'; }\n`,
      `?>\n\xff\xfe define('PASS', 'no');\n<?php\n`,
      `\t\n`,
    );
    const setting = fc.constantFrom<[string, string, string, string]>(
      ['PASS', `define('PASS', `, "'", `);\n`],
      ['PASS', `define( "PASS" , `, '"', ` ) ;`],
      ['PASS', `const PASS = `, "'", `;\n`],
      ['$pass', `$pass = `, '"', `;\n`],
      ["$db['x']", `$db = array('y' => 1, "x" => `, "'", `, 'z' => 2);\n`],
    );
    const value = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.string({
        unit: fc.constantFrom("'", '"', '\\', '$', '{', '}', '\n', '\r', '?', '>', 'n', '0', 'x', '\0'),
        maxLength: 20,
      }),
    );
    await withSettings('', async ({ replace, evaluate, rewrite }) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(noise),
          setting,
          fc.array(noise),
          value,
          async (head, [name, open, quote, close], tail, asked) => {
            const before = `<?php\n${head.join('')}${open}`;
            const after = `${close}${tail.join('')}`;
            const path = await replace(Buffer.from(`${before}${quote}old${quote}${after}`, 'latin1'));
            await rewrite({ [name]: asked });
            expect(await evaluate([name])).toEqual(new Map([[name, asked]]));
            const content = await readFile(path, 'latin1');
            expect(content.startsWith(before + quote)).toBe(true);
            expect(content.endsWith(quote + after)).toBe(true);
          },
        ),
        { numRuns: 15 },
      );
    });
  });
});
