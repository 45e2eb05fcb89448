import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DumpInspector } from '../../../src/core/archive/dump-inspection';
import { grantStatement } from '../../../src/core/databases/other-accounts';
import { type DatabaseLab, IMPORT_PASSWORD, openLab } from './lab';
import { testOperation } from '../../helpers/operation';

let lab: DatabaseLab;
beforeAll(
  async () =>
    void (lab = await openLab([
      ...['--log-bin=log', '--log-bin-trust-function-creators=1', '--binlog-do-db=shop', '--binlog-do-db=other'],
      ...['--server-id=1', '--replicate-wild-do-table=sh%.t', '--replicate-ignore-db=blog'],
    ])),
);
afterAll(() => lab?.close());

const SHOP = { user: 'shop', hosts: ['localhost'] };
const COPY = { user: 'copy', hosts: ['localhost', '127.0.0.1'] };

async function inspect(text: string) {
  const inspector = new DumpInspector();
  // In pieces smaller than the header.
  await pipeline(Readable.from(text.match(/[\s\S]{1,50}/g)?.map((part) => Buffer.from(part)) ?? []), inspector);
  return inspector.result();
}

const grantsOf = async (account: string): Promise<string[]> =>
  (await lab.query(`SHOW GRANTS FOR ${account}`))
    .trim()
    .split('\n')
    .filter((line) => !/USAGE|`copy`\.\*/.test(line))
    .toSorted();

describe('what definitions name in other databases', () => {
  beforeAll(async () => {
    await lab.query(
      `CREATE DATABASE shared; CREATE TABLE shared.users (id INT PRIMARY KEY, n TEXT, secret TEXT) ENGINE=InnoDB;
      CREATE TABLE shared.keys_of (id INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO shared.keys_of VALUES (1); CREATE TABLE shared.log (n INT); CREATE TABLE shared.hidden (n INT); CREATE SEQUENCE shared.numbers;
      CREATE FUNCTION shared.twice(a INT) RETURNS INT DETERMINISTIC RETURN a * 2; CREATE PROCEDURE shared.note() SELECT 1;
      INSERT INTO shared.users VALUES (1, 'one', 'x');
      CREATE DATABASE shop; CREATE USER shop@localhost IDENTIFIED BY 'x'; GRANT ALL ON shop.* TO shop@localhost;
      GRANT SELECT (id, n) ON shared.users TO shop@localhost; GRANT REFERENCES ON shared.keys_of TO shop@localhost; GRANT INSERT ON shared.log TO shop@localhost;
      GRANT SELECT, INSERT ON shared.numbers TO shop@localhost; GRANT EXECUTE ON FUNCTION shared.twice TO shop@localhost;
      GRANT EXECUTE ON PROCEDURE shared.note TO shop@localhost;
      USE shop; CREATE TABLE t (id BIGINT DEFAULT NEXTVAL(shared.numbers), u INT, FOREIGN KEY (u) REFERENCES shared.keys_of (id)) ENGINE=InnoDB;
      CREATE VIEW v AS SELECT id, n, shared.twice(id) AS two FROM shared.users;
      CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW INSERT INTO shared.log VALUES (NEW.u);
      CREATE PROCEDURE p() BEGIN CALL shared.note(); SELECT * FROM shared.hidden; SELECT * FROM information_schema.TABLES; END;`.replace(
        /CREATE PROCEDURE p\(\)(.*?)END;/s,
        'DELIMITER //\nCREATE PROCEDURE p()$1END//\nDELIMITER ;\n',
      ),
    );
  });

  test('is found by reading the dump, with what names it', async () => {
    const { elsewhere } = await inspect((await lab.dump('shop')).text);
    expect(elsewhere).toEqual(
      expect.arrayContaining([
        { database: 'shared', object: 'numbers', named: 'table', by: 'the table t', whenMade: true },
        { database: 'shared', object: 'keys_of', named: 'key', by: 'the table t', whenMade: true },
        { database: 'shared', object: 'users', named: 'table', by: 'the view v', whenMade: true },
        { database: 'shared', object: 'twice', named: 'function', by: 'the view v', whenMade: true },
        { database: 'shared', object: 'log', named: 'table', by: 'the trigger tr', whenMade: false },
        { database: 'shared', object: 'note', named: 'procedure', by: 'the procedure p', whenMade: false },
      ]),
    );
    expect(elsewhere.some(({ database }) => database === 'shop')).toBe(false);
  });

  test('is given to the importing account as far as the live account has it, and nothing else', async () => {
    const dump = await lab.dump('shop');
    const { elsewhere } = await inspect(dump.text);
    await expect(lab.restore(dump.path, 'copy0')).rejects.toMatchObject({ code: 'ImportFailed' });
    expect(
      await lab.server.lackingReach(
        SHOP,
        elsewhere.filter(({ whenMade }) => whenMade),
      ),
    ).toEqual([]);

    await lab.server.createDatabase('copy', 'utf8mb4', 'utf8mb4_general_ci');
    await lab.server.createAccount(COPY, IMPORT_PASSWORD, 'copy');
    await lab.server.grantReach(SHOP, COPY, elsewhere, 'definitions');
    const forDefinitions = [
      'GRANT EXECUTE ON FUNCTION `shared`.`twice` TO `copy`@`localhost`',
      'GRANT EXECUTE ON PROCEDURE `shared`.`note` TO `copy`@`localhost`',
      'GRANT REFERENCES ON `shared`.`keys_of` TO `copy`@`localhost`',
      'GRANT SELECT (`id`, `n`) ON `shared`.`users` TO `copy`@`localhost`',
      'GRANT SELECT, INSERT ON `shared`.`numbers` TO `copy`@`localhost`',
    ];
    expect(await grantsOf('copy@localhost')).toEqual(forDefinitions);
    await lab.server.importDump(dump.path, 'copy', 'copy', IMPORT_PASSWORD, testOperation());
    expect(await lab.query('SELECT two FROM copy.v')).toBe('2\n');

    await lab.server.grantReach(SHOP, COPY, elsewhere, 'running');
    const forRunning = [...forDefinitions, 'GRANT INSERT ON `shared`.`log` TO `copy`@`localhost`'].toSorted();
    expect(await grantsOf('copy@localhost')).toEqual(forRunning);
    expect(await grantsOf("copy@'127.0.0.1'")).toEqual(
      forRunning.map((line) => line.replace('localhost', '127.0.0.1')),
    );
    await lab.query('INSERT INTO copy.t (u) VALUES (1)');
    expect(await lab.query('SELECT * FROM shared.log')).toBe('1\n');
  });

  test('and the live account may not use, or what is gone, is lacking', async () => {
    const names = ['hidden', 'gone', 'users'].map((object) => ({
      database: 'shared',
      object,
      named: 'table' as const,
    }));
    expect(await lab.server.lackingReach(SHOP, names)).toEqual(names.slice(0, 2));
    const nobody = { user: 'nobody', hosts: ['localhost'] };
    expect(await lab.server.lackingReach(nobody, names)).toEqual(names);
    await lab.server.grantReach(nobody, COPY, names, 'running');
    await lab.server.grantReach(SHOP, COPY, [{ database: 'mysql', object: 'user', named: 'table' }], 'running');
    expect((await grantsOf('copy@localhost')).filter((line) => /hidden|mysql/.test(line))).toEqual([]);
  });

  test('is given by what the account has on all of a database, too', async () => {
    await lab.query(`CREATE USER wide@localhost IDENTIFIED BY 'x'; GRANT SELECT ON \`sha%\`.* TO wide@localhost;
      CREATE USER narrow@localhost IDENTIFIED BY 'x'`);
    const wide = { user: 'wide', hosts: ['localhost'] };
    await lab.server.grantReach(
      wide,
      { user: 'narrow', hosts: ['localhost'] },
      [{ database: 'shared', object: 'log', named: 'table' }],
      'running',
    );
    expect(await grantsOf('narrow@localhost')).toEqual(['GRANT SELECT ON `shared`.`log` TO `narrow`@`localhost`']);
  });
});

describe('accounts besides the one of the site', () => {
  test('with privileges on its database are told, with what gives them the same on another', async () => {
    await lab.query(`CREATE USER report@'%' IDENTIFIED BY 'x'; CREATE ROLE readers; GRANT SELECT ON shop.* TO readers; GRANT readers TO report@'%';
      GRANT SELECT (u), INSERT ON shop.t TO report@'%'; GRANT EXECUTE ON PROCEDURE shop.p TO report@'%'; GRANT DELETE ON \`s_op\`.* TO report@'%';
      GRANT SELECT (u) ON shop.t TO shop@localhost; CREATE USER boss@localhost IDENTIFIED BY 'x'; GRANT ALL ON *.* TO boss@localhost;
      GRANT ALL ON \`%\`.* TO boss@localhost; GRANT ALL ON blog.* TO boss@localhost`);
    const rights = await lab.server.rightsLeftBehind(SHOP, 'shop');
    const statements = rights.map((right) => grantStatement(right, 'new_1')).toSorted();
    expect(statements).toEqual(
      [
        "GRANT SELECT ON `new\\_1`.* TO 'readers';",
        "GRANT DELETE ON `new\\_1`.* TO 'report'@'%';",
        "GRANT INSERT, SELECT (`u`) ON `new_1`.`t` TO 'report'@'%';",
        "GRANT EXECUTE ON PROCEDURE `new_1`.`p` TO 'report'@'%';",
        "GRANT SELECT (`u`) ON `new_1`.`t` TO 'shop'@'localhost';",
      ].toSorted(),
    );
    // The server takes them.
    await lab.query(
      `CREATE DATABASE new_1; CREATE TABLE new_1.t (u INT); CREATE PROCEDURE new_1.p() SELECT 1; ${statements.join('')}`,
    );
    const [first] = await lab.server.rightsLeftBehind(SHOP, 'new_1');
    expect(first).toBeDefined();
  });

  test('are told when the filters of binary log and replication name it', async () => {
    expect((await lab.server.filtersNaming('shop')).toSorted()).toEqual([
      'binlog_do_db = shop,other',
      'replicate_wild_do_table = sh%.t',
    ]);
    expect(await lab.server.filtersNaming('blog')).toEqual(['replicate_ignore_db = blog']);
    expect(await lab.server.filtersNaming('shopping')).toEqual(['replicate_wild_do_table = sh%.t']);
    expect(await lab.server.filtersNaming('mine')).toEqual([]);
  });

  test('that reach every database are known; what is left of databases that are gone makes none a shared one', async () => {
    await lab.query(`CREATE USER old@localhost IDENTIFIED BY 'x'; GRANT ALL ON shop.* TO old@localhost; CREATE DATABASE gone;
      CREATE TABLE gone.t (a INT); GRANT ALL ON gone.* TO old@localhost; GRANT SELECT ON gone.t TO old@localhost`);
    const old = { user: 'old', hosts: ['localhost'] };
    expect(await lab.server.accountIsShared(old, 'shop')).toBe(true);
    await lab.query('DROP DATABASE gone');
    expect(await lab.server.accountIsShared(old, 'shop')).toBe(false);
    expect(await lab.server.databasesOf(old)).toEqual(['shop']);
    expect(await lab.server.globalPrivileges(old)).toEqual([]);
    await lab.query('GRANT PROCESS ON *.* TO old@localhost');
    expect(await lab.server.globalPrivileges(old)).toEqual([]);
    expect(await lab.server.globalPrivileges({ user: 'boss', hosts: ['localhost'] })).toContain('SELECT');
    await lab.query('GRANT SELECT ON `%`.* TO old@localhost');
    expect(await lab.server.globalPrivileges(old)).toEqual(['SELECT']);
  });
});
