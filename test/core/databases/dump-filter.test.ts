import fc from 'fast-check';
import { DumpFilter, type DumpFilterOptions } from '../../../src/core/databases/dump-filter';

const PLAIN: DumpFilterOptions = {
  rules: { disableEvents: false, database: undefined, cutDirectories: false },
  onRefused: () => undefined,
};
const OFF: DumpFilterOptions = { ...PLAIN, rules: { ...PLAIN.rules, disableEvents: true } };

async function filter(
  dump: string | Buffer,
  options: DumpFilterOptions = PLAIN,
  cuts: readonly number[] = [],
): Promise<{ text: string; contents: DumpFilter['contents'] }> {
  const transform = new DumpFilter(options);
  const bytes = Buffer.isBuffer(dump) ? dump : Buffer.from(dump, 'latin1');
  const chunks: Buffer[] = [];
  transform.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise((resolve, reject) => transform.once('end', resolve).once('error', reject));
  let from = 0;
  for (const cut of [...cuts.filter((at) => at < bytes.length).toSorted((one, other) => one - other), bytes.length]) {
    transform.write(bytes.subarray(from, cut));
    from = cut;
  }
  transform.end();
  await ended;
  return { text: Buffer.concat(chunks).toString('latin1'), contents: transform.contents };
}

describe('definers', () => {
  test.each([
    [
      'a view',
      '/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`root`@`localhost` SQL SECURITY INVOKER */\n/*!50001 VIEW `v` AS select 1 */;\n',
      '/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 SQL SECURITY INVOKER */\n/*!50001 VIEW `v` AS select 1 */;\n',
    ],
    [
      'a trigger',
      'DELIMITER ;;\n/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER t BEFORE INSERT ON m FOR EACH ROW x */;;\n',
      'DELIMITER ;;\n/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER t BEFORE INSERT ON m FOR EACH ROW x */;;\n',
    ],
    [
      'a routine',
      'CREATE DEFINER=`a`@`%` FUNCTION `f`() RETURNS int RETURN 1;',
      'CREATE FUNCTION `f`() RETURNS int RETURN 1;',
    ],
    ['an aggregate', 'CREATE DEFINER=`a`@`%` AGGREGATE FUNCTION `f`() x;', 'CREATE AGGREGATE FUNCTION `f`() x;'],
    ['OR REPLACE', "create or replace definer = 'a'@'b' procedure p() x;", 'create or replace procedure p() x;'],
    ['a name without quotes', 'CREATE DEFINER=root@db-1.example.com EVENT e DO x;', 'CREATE EVENT e DO x;'],
    ['a role', 'CREATE DEFINER=`role` VIEW v AS x;', 'CREATE VIEW v AS x;'],
    ['the current user', 'CREATE DEFINER=CURRENT_USER() VIEW v AS x;', 'CREATE VIEW v AS x;'],
    ['quotes in the name', 'CREATE DEFINER=`o``dd \'"*/;x`@`%` VIEW v AS x;', 'CREATE VIEW v AS x;'],
    ['a comment before it', 'CREATE /* who */ DEFINER=`a`@`b` VIEW v AS x;', 'CREATE /* who */ VIEW v AS x;'],
    ['white space before it', '\n\t CREATE\nDEFINER=`a`@`b`\nVIEW v AS x;', '\n\t CREATE\n\nVIEW v AS x;'],
    ['no delimiter after it', 'CREATE DEFINER=`a`@`b` VIEW v AS x', 'CREATE VIEW v AS x'],
  ])('of %s are removed', async (_what, dump, expected) => {
    expect((await filter(dump)).text).toBe(expected);
  });

  test.each([
    [
      'data',
      "INSERT INTO `t` VALUES\n('/*!50013 DEFINER=`a`@`b` SQL SECURITY DEFINER */;\\nCREATE DEFINER=`a`@`b` VIEW v AS x;');\n",
    ],
    ['data after an escaped quote', "INSERT INTO `t` VALUES ('\\\\\\';CREATE DEFINER=`a`@`b` VIEW v AS x;');\n"],
    ['data with doubled quotes', "INSERT INTO `t` VALUES (''';CREATE DEFINER=`a`@`b` VIEW v AS x;');\n"],
    ['data with raw newlines', "INSERT INTO `t` VALUES ('\nDELIMITER ;;\nCREATE DEFINER=`a`@`b` VIEW v AS x;;\n');\n"],
    ['a name', 'CREATE TABLE `;\nCREATE DEFINER=``a``@``b`` VIEW v AS x;` (`a` int);\n'],
    [
      'a comment',
      "/* it's;\nCREATE DEFINER=`a`@`b` VIEW v AS x;*/\n# it's ;CREATE DEFINER=`a`@`b` VIEW v AS x;\n-- ;CREATE DEFINER=`a`@`b` VIEW v;\n",
    ],
    [
      'a body',
      'DELIMITER ;;\nCREATE PROCEDURE p()\nBEGIN\nCREATE DEFINER=`a`@`b` VIEW v AS select 1;\nEND ;;\nDELIMITER ;\n',
    ],
    [
      'text in a body',
      "DELIMITER ;;\nCREATE PROCEDURE p()\nselect '\nx;;\nCREATE DEFINER=`a`@`b` VIEW v AS select 1;;\n' ;;\nDELIMITER ;\n",
    ],
    [
      'a comment in a body',
      "DELIMITER ;;\nCREATE PROCEDURE p() BEGIN -- it's\n/* don't ;;\nCREATE DEFINER=`a`@`b` VIEW v; */ END ;;\nDELIMITER ;\n",
    ],
    ['the definition of a view', "CREATE VIEW v AS select 'CREATE DEFINER=`a`@`b` VIEW v' AS `DEFINER=x`;"],
    ['a statement of another kind', 'CREATE TABLE t (a int) COMMENT DEFINER=`a`@`b`;'],
  ])('in %s stay', async (_what, dump) => {
    expect((await filter(dump)).text).toBe(dump);
  });

  test('are found after a body of each sql_mode', async () => {
    const dump = [
      '/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;',
      "/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES,NO_BACKSLASH_ESCAPES' */ ;",
      'DELIMITER ;;',
      "CREATE PROCEDURE p() select 'C:\\' ;;",
      'DELIMITER ;',
      '/*!50003 SET sql_mode              = @saved_sql_mode */ ;',
      "CREATE PROCEDURE q() select 'C:\\';DEFINER=';",
      "/*!50003 SET sql_mode              = 'ANSI_QUOTES' */ ;",
      'CREATE PROCEDURE p() select "a\\" ;',
      'CREATE DEFINER=`a`@`b` VIEW v AS x;',
    ].join('\n');
    expect((await filter(dump)).text).toBe(dump.replace('DEFINER=`a`@`b` ', ''));
  });

  test('are found wherever a chunk ends', async () => {
    const dump =
      "SET x = 'it''s \\\\';\n-- c\nDELIMITER ;;\n/*!50106 CREATE*/ /*!50117 DEFINER=`a`@`b`*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 HOUR ENABLE DO x */ ;;\nDELIMITER ;\nINSERT INTO `t` (`a`) VALUES\n(1),\n(')(;');\n-- Dump completed\n";
    const expected = dump.replace('DEFINER=`a`@`b`', '').replace('ENABLE', 'DISABLE');
    for (let cut = 0; cut <= dump.length; cut += 1) {
      const { text, contents } = await filter(dump, OFF, [cut, cut + 1, cut + 7]);
      expect(text).toBe(expected);
      expect(contents.tables).toEqual(new Map([['t', 2]]));
      expect(contents.complete).toBe(true);
    }
  });

  test('are given up in a head longer than any', async () => {
    const dump = `CREATE /*${'x'.repeat(5_000_000)}*/ DEFINER=\`a\`@\`b\` VIEW v AS x;`;
    expect((await filter(dump)).text === dump).toBe(true);
  });
});

test('rows are left out wherever a chunk ends, and nothing else is', async () => {
  const dump =
    "CREATE TABLE `t` (`a` int);\nINSERT INTO `t` (`a`, `values (`) VALUES\n(1,'secret; --'),\n(-2,'it\\'s ''secret'';'/* secret */),(3,0x736563);\n/*!40000 ALTER TABLE `t` ENABLE KEYS */;\nREPLACE INTO `t` VALUES ('secret');INSERT INTO `t` VALUES (4);DELIMITER ;;\nINSERT INTO `t` VALUES (';secret');;\nDELIMITER ;\nCREATE VIEW v AS select 'INSERT INTO `t` VALUES (1);' AS x;\n-- Dump completed\n";
  const expected =
    "CREATE TABLE `t` (`a` int);\nUNLOCK TABLES;\n/*!40000 ALTER TABLE `t` ENABLE KEYS */;\nUNLOCK TABLES;UNLOCK TABLES;DELIMITER ;;\nUNLOCK TABLES;;\nDELIMITER ;\nCREATE VIEW v AS select 'INSERT INTO `t` VALUES (1);' AS x;\n-- Dump completed\n";
  const options = { ...PLAIN, rules: { ...PLAIN.rules, cutRows: true } };
  for (let cut = 0; cut <= dump.length; cut += 1) {
    const { text, contents } = await filter(dump, options, [cut, cut + 1, cut + 9]);
    expect(text).toBe(expected);
    expect(contents.tables).toEqual(new Map([['t', 6]]));
  }
  // Rows of many chunks.
  const long = `INSERT INTO \`t\` VALUES ${`('${'secret'.repeat(1000)}'),`.repeat(500)}(1);\n`;
  expect(
    (
      await filter(
        long,
        options,
        [...Array(60).keys()].map((at) => at * 50_000),
      )
    ).text,
  ).toBe('UNLOCK TABLES;\n');
  // A row in pieces, and one that nothing ends.
  const row = `CREATE TABLE t (a int);\nINSERT INTO \`t\` VALUES ('${'secret'.repeat(200_000)}');\n`;
  const inPieces = (await filter(row, { ...PLAIN, longRowBytes: 1_000_000 }, [])).text;
  expect(inPieces).toContain('SET @kedge_1=');
  expect((await filter(`${inPieces}INSERT INTO t VALUES ('secret')`, options, [70_000])).text).not.toContain('secret');
});

describe('events', () => {
  test.each([
    [
      "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ENABLE COMMENT 'ENABLE' DO select 'ENABLE';",
      'e',
    ],
    ['CREATE EVENT `ENABLE DO` ON SCHEDULE AT (now() + INTERVAL 1 DAY) ENABLE DO x;', 'ENABLE DO'],
    [
      '/*!50106 CREATE*/ /*!50106 EVENT IF NOT EXISTS `db`.`e` ON SCHEDULE EVERY 1 HOUR /* ENABLE */ ENABLE DO x*/;',
      'e',
    ],
  ])('are switched off: %s', async (dump, name) => {
    const { text, contents } = await filter(dump, OFF);
    const at = dump.search(/(?<!\/\* |')ENABLE (?:COMMENT|DO x)/);
    expect(text).toBe(`${dump.slice(0, at)}DIS${dump.slice(at).replace('ENABLE', 'ABLE')}`);
    expect(contents.enabledEvents).toEqual([name]);
    expect((await filter(dump)).text).toBe(dump);
  });

  test('without a switch are on, and are switched off', async () => {
    const { text, contents } = await filter('CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO x;', OFF);
    expect(text).toBe('CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO x;');
    expect(contents.enabledEvents).toEqual(['e']);
  });

  test('that are off stay as they are', async () => {
    const dump = 'CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE ON SLAVE DO select ENABLE;';
    const { text, contents } = await filter(dump, OFF);
    expect(text).toBe(dump);
    expect(contents.enabledEvents).toEqual([]);
  });
});

describe('names of the dumped database', () => {
  test('are removed where a dump program writes them', async () => {
    expect((await filter('ALTER DATABASE `a``b` CHARACTER SET latin1 COLLATE latin1_bin ;')).text).toBe(
      'ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_bin ;',
    );
    const options = { ...PLAIN, rules: { ...PLAIN.rules, database: 'shöp' } };
    const dump = Buffer.from(
      'CREATE DEFINER=`a`@`b` TRIGGER `shöp`.t BEFORE INSERT ON shöp.m FOR EACH ROW set @a = `shöp`.f();',
    );
    expect(Buffer.from((await filter(dump, options)).text, 'latin1').toString()).toBe(
      'CREATE TRIGGER t BEFORE INSERT ON m FOR EACH ROW set @a = `shöp`.f();',
    );
  });

  test('of other databases stay', async () => {
    const dump = 'CREATE TRIGGER other.t BEFORE INSERT ON other.m FOR EACH ROW x;';
    expect((await filter(dump, { ...PLAIN, rules: { ...PLAIN.rules, database: 'shop' } })).text).toBe(dump);
  });
});

test('rows are counted in both styles', async () => {
  const { contents } = await filter(
    [
      'CREATE TABLE `empty` (`a` int);',
      "INSERT INTO `a` VALUES\n(1,'),('),\n(2,'\\'),('),\n(-3,0x2829);",
      "INSERT INTO `a` VALUES (1,'x'),(2,'(');",
      'REPLACE INTO `d`.`b``c` (`x`, `values (`) VALUES (point(1,2),(3)),(4,5);',
      'INSERT  IGNORE INTO `c` VALUES ();',
    ].join('\n'),
  );
  expect([...contents.tables]).toEqual([
    ['empty', 0],
    ['a', 5],
    ['b`c', 2],
    ['c', 1],
  ]);
});

test('what stands in for a view is no table', async () => {
  const { contents } = await filter(
    '/*!50001 CREATE TABLE `v` (`a` tinyint) ENGINE=MyISAM */;\nCREATE TABLE `t` (`a` int);/*!50001 DROP TABLE `v`*/;\n/*!50001 CREATE */ /*!50013 DEFINER=`a`@`b` */ /*!50001 VIEW `v` AS x */;CREATE SEQUENCE `s`;',
  );
  expect([...contents.tables.keys()]).toEqual(['t']);
  expect(contents.views).toEqual(['v']);
  expect(contents.sequences).toEqual(['s']);
});

describe('the trailer', () => {
  test('makes a dump complete, and something can be put before it', async () => {
    const { text, contents } = await filter('SET x;\n\n-- Dump completed on 2026-11-24\n', {
      ...PLAIN,
      beforeTrailer: '-- more\n',
    });
    expect(text).toBe('SET x;\n\n-- more\n-- Dump completed on 2026-11-24\n');
    expect(contents.complete).toBe(true);
  });

  test.each([
    ['nothing', ''],
    ['none', 'SET x;\n'],
    ['one in data', "INSERT INTO t VALUES ('\n-- Dump completed"],
    ['one that is not the last', '-- Dump completed\nSET x;'],
    ['one cut short', 'SET x;\n-- Dump comp'],
  ])('does not make %s complete', async (_what, dump) => {
    expect((await filter(dump)).contents.complete).toBe(false);
  });
});

describe('any dump', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "'",
      '"',
      '`',
      '\\',
      ';',
      ';;',
      '\n',
      '--',
      '-- ',
      '#',
      '/*',
      '/*!50003 ',
      '*/',
      '(',
      ')',
      ',',
      ' ',
    ),
    fc.constantFrom(
      'DELIMITER ;;\n',
      'DELIMITER ;\n',
      'delimiter //',
      'INSERT INTO `t` VALUES ',
      'CREATE ',
      'EVENT e ',
      'VIEW ',
    ),
    fc.constantFrom(
      "SET sql_mode='NO_BACKSLASH_ESCAPES';",
      "SET sql_mode='ANSI';",
      'TRIGGER t ',
      'ENABLE ',
      'DO ',
      '-- Dump completed',
    ),
    fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  );

  test('without definers comes out as it went in, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 60 }),
        fc.array(fc.nat(400), { maxLength: 6 }),
        async (pieces, cuts) => {
          const dump = pieces.join('');
          // Lines with DELIMITER are spelled in one way.
          const text = (bytes: string): string => (/delimiter/i.test(dump) ? bytes.replace(/[\s;/]/g, '') : bytes);
          expect(text((await filter(dump, PLAIN, cuts)).text)).toBe(text(dump));
        },
      ),
      { numRuns: 1500 },
    );
  });

  test('with definers loses nothing else', async () => {
    const text = fc.string({
      unit: fc.constantFrom("'", '"', '`', '\\', ';', '\n', 'a', '(', '*/', '-- ', 'é'),
      maxLength: 12,
    });
    const name = text.map((value) => `\`${value.replaceAll('`', '``')}\``);
    const literal = text.map((value) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`);
    const statement = fc.oneof(
      fc
        .tuple(name, name, name, literal)
        .map(([user, host, view, value]): [string, string] => [
          `/*!50001 CREATE */\n/*!50013 DEFINER=${user}@${host} SQL SECURITY DEFINER */\n/*!50001 VIEW ${view} AS select ${value} */;\n`,
          `/*!50001 CREATE */\n/*!50013 SQL SECURITY DEFINER */\n/*!50001 VIEW ${view} AS select ${value} */;\n`,
        ]),
      fc
        .tuple(name, name, name, literal)
        .map(([user, host, routine, value]): [string, string] => [
          `DELIMITER ;;\nCREATE DEFINER=${user}@${host} PROCEDURE ${routine}()\nBEGIN select ${value}; END ;;\nDELIMITER ;\n`,
          `DELIMITER ;;\nCREATE PROCEDURE ${routine}()\nBEGIN select ${value}; END ;;\nDELIMITER ;\n`,
        ]),
      fc.tuple(name, literal).map(([table, value]): [string, string] => {
        const insert = `INSERT INTO ${table} VALUES\n(${value}),\n(${value});\n`;
        return [insert, insert];
      }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(statement, { maxLength: 8 }),
        fc.array(fc.nat(900), { maxLength: 6 }),
        async (statements, cuts) => {
          const bytes = Buffer.from(statements.map(([before]) => before).join(''));
          const { text: after } = await filter(bytes, PLAIN, cuts);
          expect(Buffer.from(after, 'latin1').toString()).toBe(statements.map(([, without]) => without).join(''));
        },
      ),
      { numRuns: 500 },
    );
  });
});
