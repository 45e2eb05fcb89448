import { type Place, readDefinition } from '../../../src/core/databases/definition-names';
import { PLAIN_LEXIS } from '../../../src/core/databases/sql-tokens';

const PROCEDURE: Place = { kind: 'procedure', lexis: PLAIN_LEXIS, charset: 'utf8mb4' };

/** In the expected text `«…»` stands where the name is one of the database. */
function expectNames(marked: string, place: Partial<Place> = {}, name = 'blog'): void {
  const definition = Buffer.from(marked.replace(/[«»]/g, ''), 'utf8').toString('latin1');
  const expected = Buffer.from(marked.replace(/«.*?»/g, '`new1`'), 'utf8').toString('latin1');
  const { text } = readDefinition(definition, { name, newName: 'new1' }, { ...PROCEDURE, ...place });
  expect(text).toBe(expected);
}

const inProcedure = (body: string): string => `CREATE PROCEDURE \`p\`(blog INT)\nBEGIN\n${body};\nEND`;

describe('the name of the dumped database in a statement of a body', () => {
  test.each([
    'SELECT * FROM «blog».hits',
    'SELECT * FROM «`blog`».`hits` WHERE blog.hits = 1',
    'SELECT blog.hits, «blog».hits.n, `blog`.*, «`blog`».hits.* FROM «blog».hits, «blog».blog, x AS blog',
    'SELECT «blog».f(blog.x), «blog» . f (1), NEW.x FROM x blog',
    'SELECT * FROM a JOIN «blog».b ON blog.x = a.x AND «blog».b.y = blog.y, «blog».c',
    'SELECT * FROM a LEFT JOIN («blog».b, «blog».c) ON (blog.b = 1, blog.c = 2), «blog».d USE INDEX FOR ORDER BY (blog), «blog».e',
    'SELECT * FROM ((«blog».a) NATURAL JOIN (SELECT blog.a, blog.b FROM «blog».b WHERE blog.x IN (1, blog.y)) q), «blog».c',
    "SELECT EXTRACT(YEAR FROM blog.at), TRIM(LEADING 'x' FROM blog.t), SUBSTRING(blog.t FROM blog.a FOR blog.b) FROM «blog».t",
    'SELECT a INTO blog FROM «blog».t FOR UPDATE',
    'SELECT a FROM «blog».t INTO blog',
    'SELECT a FROM t FOR SYSTEM_TIME AS OF TIMESTAMP blog.at, «blog».u',
    'SELECT * FROM a STRAIGHT_JOIN «blog».b, JSON_TABLE(blog.doc, "$.blog.x" COLUMNS (x INT PATH "$.blog.x")) AS j, «blog».c',
    'WITH blog AS (SELECT blog.x FROM «blog».t blog) SELECT blog.x FROM blog, «blog».u ORDER BY blog.x, blog.y',
    'SELECT 1 UNION SELECT blog.a FROM «blog».blog GROUP BY blog.a, blog.b HAVING blog.a > 1 LIMIT 1, 2',
    'SELECT CASE blog.a WHEN blog.b THEN blog.c ELSE blog.d END, blog.e FROM a JOIN x AS blog ON CASE WHEN a THEN 1 ELSE 2 END = blog.a, «blog».c',
    'SELECT GROUP_CONCAT(blog.a ORDER BY blog.b), COUNT(*) OVER (PARTITION BY blog.a ORDER BY blog.b) FROM «blog».blog',
    'INSERT INTO «blog».hits (n, blog) SELECT blog.n, blog FROM «blog».blog ON DUPLICATE KEY UPDATE n = blog.n',
    'INSERT IGNORE «blog».hits VALUES (blog.a, «blog».f(1))',
    'INSERT INTO «blog».hits SET n = blog.n',
    'REPLACE LOW_PRIORITY INTO «blog».hits VALUES (REPLACE(blog.a, blog.b, 1), INSERT(blog.a, 1, 2, blog.c))',
    'UPDATE LOW_PRIORITY «blog».hits, «blog».blog SET blog.n = 1, «blog».hits.n = blog.n WHERE blog.n = 2',
    'UPDATE hits AS blog JOIN «blog».u USING (x) SET blog.n = blog.n + 1 ORDER BY blog.n',
    'DELETE FROM «blog».hits WHERE hits.n = 1',
    'DELETE «blog».hits, blog.* FROM «blog».hits JOIN x AS blog ON blog.a = 1, «blog».y WHERE blog.a = 1',
    'DELETE FROM «blog».hits USING «blog».hits JOIN blog ON blog.a = 1',
    'CALL «blog».p(blog.a, blog)',
    'CALL «blog».p',
    'IF EXISTS (SELECT 1 FROM «blog».t WHERE blog.a) THEN UPDATE «blog».t SET a = 1; ELSE DELETE FROM «blog».t; END IF',
    'blog: LOOP UPDATE «blog».t SET blog = blog + 1; LEAVE blog; END LOOP blog',
    'DECLARE c CURSOR FOR SELECT blog.a FROM «blog».t blog',
    'FOR blog IN (SELECT a FROM «blog».t) DO INSERT INTO «blog».u VALUES (blog.a); END FOR',
    'SET blog.a = «blog».f(1), @blog.hits = @blog.hits + 1, x = (SELECT MAX(blog.a) FROM «blog».blog)',
    'SET @a = @@blog.key_buffer_size, @`blog`.x = 1',
    'CREATE TEMPORARY TABLE IF NOT EXISTS «blog».tmp (a INT CHECK (blog.a > 1), b INT REFERENCES «blog».u (a)) AS SELECT blog.a FROM «blog».blog WHERE blog.a',
    'CREATE TABLE «blog».t LIKE «blog».u',
    'CREATE TABLE t (LIKE «blog».u)',
    'DROP TABLE IF EXISTS «blog».a, «blog».b',
    'TRUNCATE «blog».a',
    'TRUNCATE TABLE «blog».a',
    'SELECT TRUNCATE(blog.a, 1)',
    'RENAME TABLE «blog».a TO «blog».b, c TO «blog».d',
    'ALTER TABLE «blog».a ADD INDEX (b), RENAME TO «blog».c',
    'CREATE INDEX i ON «blog».a (b)',
    'ANALYZE TABLE «blog».a, «blog».b',
    'LOAD DATA INFILE "x" INTO TABLE «blog».a',
    'SELECT NEXTVAL(«blog».s), LASTVAL(«`blog`».`s`), SETVAL(«blog».s, blog.a), NEXT VALUE FOR «blog».s, PREVIOUS VALUE FOR «blog».s',
    'DECLARE a TYPE OF «blog».t.c; DECLARE b TYPE OF blog.c; DECLARE d ROW TYPE OF «blog».t',
    'SELECT 1.5, 1.e3, blog.x FROM «blog».blog LIMIT 1',
    'SHOW COLUMNS FROM «blog».t',
    'EXPLAIN SELECT blog.x FROM «blog».blog',
    'GRANT SELECT, UPDATE ON «blog».* TO u@blog.example.com',
    'SELECT \'blog.hits\', "blog.hits" FROM «blog».hits -- FROM blog.hits\n WHERE 1 /* FROM blog.hits */',
    'SELECT * FROM blogs.hits, «blog»./* here */hits, other.blog',
    'SELECT * /*!50000 FROM «blog».hits */',
    'SELECT * FROM «blog».`select`, «blog».from, «`blog`».`;`, «blog».c',
    'SELECT * FROM { OJ «blog».a LEFT OUTER JOIN «blog».b ON blog.a = 1 }, «blog».c',
    'SELECT a.update, a.from, blog.x FROM «blog».blog a, b',
  ])('%s', (statement) => expectNames(inProcedure(statement)));

  test.each<[Place['kind'], string]>([
    ['trigger', 'CREATE TRIGGER t AFTER UPDATE ON `hits` FOR EACH ROW UPDATE «blog».log SET n = NEW.n, m = blog.m'],
    [
      'trigger',
      'CREATE TRIGGER t BEFORE INSERT ON `hits` FOR EACH ROW FOLLOWS u INSERT INTO «`blog`».`log` VALUES (NEW.n)',
    ],
    [
      'trigger',
      'CREATE TRIGGER t BEFORE DELETE ON h FOR EACH ROW BEGIN DELETE FROM «blog».log WHERE log.n = OLD.n; END',
    ],
    [
      'function',
      'CREATE FUNCTION `f`(blog INT, b TYPE OF «blog».t.c) RETURNS int(11) DETERMINISTIC RETURN «blog».g(blog)',
    ],
    ['function', 'CREATE FUNCTION f() RETURNS INT READS SQL DATA RETURN (SELECT MAX(blog.a) FROM «blog».blog)'],
    ['procedure', "CREATE PROCEDURE p() COMMENT 'x' SQL SECURITY INVOKER UPDATE «blog».t SET a = 1"],
    [
      'event',
      'CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE ENABLE DO INSERT INTO «blog».t SELECT blog.a FROM blog',
    ],
    ['event', 'CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO CALL «blog».p()'],
    [
      'view',
      'CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `v` AS select «`blog`».`hits`.`n` AS `n`,`blog`.`hits` AS `hits`,«`blog`».`f`(`blog`.`x`) AS `f` from («`blog`».`hits` join «`blog`».`blog` on(«`blog`».`hits`.`n` = `blog`.`n`))',
    ],
    ['view', 'CREATE VIEW v (blog) AS (SELECT blog.a FROM «blog».blog) UNION (SELECT a FROM «blog».b) ORDER BY blog'],
    [
      'table',
      'CREATE TABLE `t` (\n  `id` bigint(20) NOT NULL DEFAULT nextval(«`blog`».`s`),\n  `n` decimal(10,2) DEFAULT 1.5,\n  CONSTRAINT `k` FOREIGN KEY (`id`) REFERENCES «`blog`».`u` (`id`),\n  CONSTRAINT `c` CHECK (`blog`.`n` > 1)\n) ENGINE=InnoDB',
    ],
    ['table', 'CREATE TABLE `m` (`a` int) ENGINE=MRG_MyISAM INSERT_METHOD=LAST UNION=(«`blog`».`a`,`b`)'],
    ['table', "CREATE TABLE t (a VARCHAR(9) DEFAULT 'blog.x' COMMENT 'nextval(blog.s)')"],
    [undefined, 'ALTER TABLE `t` ADD CONSTRAINT `k` FOREIGN KEY (`a`) REFERENCES «`blog`».`u` (`a`)'],
  ])('in a %s: %s', (kind, statement) => expectNames(statement, { kind }));

  test('quoted as names are in that sql_mode', () => {
    expectNames(inProcedure('SELECT "blog".x, "it\'s" FROM «"blog"»."hits", "blog"'), {
      lexis: { ...PLAIN_LEXIS, ansiQuotes: true },
    });
    expectNames(inProcedure("SELECT 'a\\' FROM blog.x' FROM «blog».x"));
    expectNames(inProcedure("SELECT 'a\\' FROM «blog».x"), { lexis: { ...PLAIN_LEXIS, backslashEscapes: false } });
  });

  test('in the letters of its character set', () => {
    expectNames(inProcedure('SELECT * FROM «`shöp`».x, «shöp».y, `shop`.z'), {}, 'shöp');
    const latin1 = inProcedure('SELECT * FROM `sh\xf6p`.x');
    const place: Place = { ...PROCEDURE, charset: 'latin1' };
    expect(readDefinition(latin1, { name: 'shöp', newName: 'n' }, place).text).toBe(latin1.replace('sh\xf6p', 'n'));
    expect(readDefinition(latin1, { name: 'shöp', newName: 'n' }, { ...place, charset: 'koi8r' })).toMatchObject({
      text: latin1,
      doubts: ['`sh\xf6p`.x'],
    });
  });

  test('in another case where the server takes any', () => {
    const text = inProcedure('SELECT * FROM Blog.x');
    expect(readDefinition(text, { name: 'blog', newName: 'n' }, PROCEDURE).text).toBe(text);
    const anyCase = { name: 'blog', newName: 'n', ignoreCase: true };
    expect(readDefinition(text, anyCase, PROCEDURE).text).toBe(text.replace('Blog', '`n`'));
  });
});

describe('what could mean the database or something else', () => {
  const doubts = (statement: string, kind: Place['kind'] = 'procedure'): readonly string[] =>
    readDefinition(`CREATE PROCEDURE p() BEGIN ${statement}; END`, { name: 'blog' }, { ...PROCEDURE, kind }).doubts;

  test.each([
    ['SELECT blog.x FROM t', ['blog.x']],
    ['SHOW TABLES FROM blog', ['blog']],
    ['USE blog', ['blog']],
    ['DROP DATABASE `blog`', ['`blog`']],
    ["PREPARE s FROM 'SELECT * FROM blog.hits'", ["'SELECT * FROM blog.hits'"]],
    ["SET @a = CONCAT('SELECT * FROM `blog`.', t)", ["'SELECT * FROM `blog`.'"]],
    ["SELECT * FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'blog'", ["'blog'"]],
    ["EXECUTE IMMEDIATE 'USE blog'", ["'USE blog'"]],
  ])('is told: %s', (statement, expected) => expect(doubts(statement)).toEqual(expected));

  test.each([
    'SELECT blog.x FROM blog',
    'SELECT blog.x FROM t AS blog',
    'SELECT blog.x FROM blog.blog',
    'SELECT "blog" FROM blog.blog WHERE x = "blog"',
    "SELECT 'blog', 'my blog', 'weblog.x', 'blogs.', 'blog posts', 'the blog is down'",
    'SELECT a FROM t -- blog.x',
    'SELECT * FROM blog.hits',
  ])('is not told: %s', (statement) => expect(doubts(statement)).toEqual([]));

  test('are not the rows of a trigger, whatever the database is called', () => {
    const trigger = 'CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.a = 1';
    const place: Place = { ...PROCEDURE, kind: 'trigger' };
    expect(readDefinition(trigger, { name: 'new', newName: 'x' }, place)).toMatchObject({ text: trigger, doubts: [] });
  });
});

test('tables, keys and routines of other databases are told', () => {
  const { elsewhere } = readDefinition(
    inProcedure(
      'SELECT shared.users.n, shared.f(1) FROM `sha``red`.`users`, blog.x JOIN y u ON u.a = NEW.b; CALL shared.p()',
    ),
    { name: 'blog' },
    PROCEDURE,
  );
  expect(elsewhere).toEqual([
    { database: 'shared', object: 'users', named: 'table' },
    { database: 'shared', object: 'f', named: 'function' },
    { database: 'sha`red', object: 'users', named: 'table' },
    { database: 'shared', object: 'p', named: 'procedure' },
  ]);
  const table = 'CREATE TABLE t (a INT, FOREIGN KEY (a) REFERENCES `shared`.`users` (`id`))';
  expect(readDefinition(table, { name: 'blog' }, { ...PROCEDURE, kind: 'table' }).elsewhere).toEqual([
    { database: 'shared', object: 'users', named: 'key' },
  ]);
});
