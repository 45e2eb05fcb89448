import { spawn } from 'node:child_process';
import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDatabaseServer } from '../../../src/core/databases/mariadb-server';
import { type DatabaseLab, IMPORT_PASSWORD, TRAILER, openLab } from './lab';
import { testOperation } from '../../helpers/operation';
import { cancelAtEachTurn } from '../../helpers/cancelled-everywhere';
import { until } from '../../helpers/until';

let lab: DatabaseLab;
let touched: string;
beforeAll(async () => {
  lab = await openLab();
  touched = join(lab.folder, 'mariadb', 'touched');
  await lab.query(`CREATE DATABASE victim; CREATE TABLE victim.t (id int); INSERT INTO victim.t VALUES (1);
    CREATE USER 'victim'@'localhost' IDENTIFIED BY 'v'; GRANT ALL ON victim.* TO 'victim'@'localhost'`);
});
afterAll(() => lab?.close());

let names = 0;
const nextName = (): string => `site${(names += 1)}`;

async function restore(statements: string): Promise<{ database: string; outcome: unknown }> {
  const database = nextName();
  const path = await lab.writeDump(statements);
  const outcome = await lab.restore(path, database).catch((error: unknown) => error);
  return { database, outcome };
}

/** What lies outside the new databases and accounts. */
async function surroundings(): Promise<string> {
  return lab.query(`
    SELECT * FROM mysql.global_priv WHERE User NOT LIKE 'site%' ORDER BY 1, 2;
    SELECT Host, Db, User FROM mysql.db WHERE User <> Db ORDER BY 1, 2, 3; SELECT * FROM mysql.tables_priv; SELECT * FROM mysql.procs_priv;
    SELECT * FROM mysql.roles_mapping; SELECT * FROM mysql.servers; SELECT * FROM mysql.plugin; SELECT * FROM mysql.func;
    SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT LIKE 'site%' ORDER BY 1;
    SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'victim' ORDER BY 1; CHECKSUM TABLE victim.t;
    SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES ORDER BY 1;
    SELECT COUNT(*) FROM mysql.event WHERE db NOT LIKE 'site%'; SELECT COUNT(*) FROM mysql.proc WHERE db NOT LIKE 'site%' AND db <> 'sys'`);
}

describe('a hostile dump', () => {
  test.each([
    ['creates a database', 'CREATE DATABASE evil;'],
    ['goes into another database', 'USE victim;\nDROP TABLE t;'],
    ['goes into the system database', "USE mysql;\nUPDATE global_priv SET Priv = '{}';"],
    ['drops a table of others', 'DROP TABLE victim.t;'],
    ['writes into a table of others', 'INSERT INTO victim.t VALUES (2);'],
    ['reads a table of others', 'CREATE TABLE stolen AS SELECT * FROM victim.t;'],
    ['looks through a view at others', 'CREATE VIEW stolen AS SELECT * FROM victim.t;'],
    ['moves a table to others', 'CREATE TABLE t (id int); RENAME TABLE t TO victim.mine;'],
    ['grants', "GRANT ALL ON *.* TO 'site1'@'localhost';"],
    ['grants what it has', "GRANT SELECT ON site%.* TO 'victim'@'localhost';"],
    ['creates an account', "CREATE USER 'evil'@'%' IDENTIFIED BY 'x';"],
    ['changes the password of others', "SET PASSWORD FOR 'victim'@'localhost' = PASSWORD('x');"],
    ['changes the password of root', "SET PASSWORD FOR 'root'@'localhost' = PASSWORD('x');"],
    ['sets a global variable', 'SET GLOBAL max_connections = 11;'],
    ['turns on a log', "SET GLOBAL general_log_file = 'evil.php', GLOBAL general_log = 1;"],
    [
      'makes a procedure of root',
      'CREATE DEFINER /*x*/ = root@localhost PROCEDURE p() DROP TABLE victim.t;\nCALL p();',
    ],
    ['makes a view of root', 'EXECUTE IMMEDIATE "CREATE DEFINER=root@localhost VIEW v AS SELECT * FROM victim.t";'],
    [
      'makes a trigger of root',
      '/*!50003 CREATE*/ /*!50017 DEFINER*/=/*!50017 `root`@`localhost`*/ TRIGGER tr BEFORE INSERT ON nowhere FOR EACH ROW x;',
    ],
    ['makes a trigger for others', 'CREATE TRIGGER victim.tr BEFORE INSERT ON victim.t FOR EACH ROW SET @a = 1;'],
    ['makes an event for others', 'CREATE EVENT victim.e ON SCHEDULE EVERY 1 SECOND DO DELETE FROM victim.t;'],
    ['alters the database of others', 'ALTER DATABASE victim CHARACTER SET latin1;'],
    ['alters the database of others, quoted', 'ALTER DATABASE `victim` CHARACTER SET latin1;'],
    ['kills', 'SELECT ID INTO @a FROM information_schema.PROCESSLIST WHERE USER = "root" LIMIT 1; KILL 1;'],
    ['shuts the server down', 'SHUTDOWN;'],
    ['loads a plugin', "INSTALL SONAME 'ha_connect';"],
    ['loads a function', "CREATE FUNCTION lib RETURNS STRING SONAME 'lib_mysqludf_sys.so';"],
    ['makes a server', "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'x');"],
    ['changes the master', "CHANGE MASTER TO MASTER_HOST='x';"],
    ['takes a role', 'SET ROLE root;'],
    ['becomes another', 'SET SESSION AUTHORIZATION root@localhost;'],
    ['turns off its binary log', 'SET sql_log_bin = 0;'],
    ['writes a file', "SELECT 'x' INTO OUTFILE 'TOUCHED';"],
    ['writes a file by another way', "SELECT 'x' INTO DUMPFILE 'TOUCHED';"],
    ['reads a file of the server', "CREATE TABLE t (a text); LOAD DATA INFILE '/etc/passwd' INTO TABLE t;"],
    ['reads a file of the client', "CREATE TABLE t (a text); LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t;"],
    ['runs a program', '\\! touch TOUCHED\n'],
    ['runs a program by name', 'system touch TOUCHED\n'],
    ['runs a program after a delimiter', 'DELIMITER ;;\n\\! touch TOUCHED\nSELECT 1;;\nsystem touch TOUCHED\n'],
    ['logs to a file', 'tee TOUCHED\nSELECT 1;\n\\T TOUCHED\n'],
    ['pages through a program', 'pager touch TOUCHED\n\\P touch TOUCHED\nSELECT 1;\n'],
    ['reads more statements', 'source /etc/passwd\n\\. /etc/passwd\n'],
    ['connects anew', 'connect victim\n\\u victim\nDROP TABLE t;\n'],
  ])('that %s harms nobody', async (_what, statements) => {
    const before = await surroundings();
    const { database, outcome } = await restore(statements.replaceAll('TOUCHED', touched) + TRAILER);
    if (outcome instanceof Error)
      expect(outcome).toMatchObject({
        name: 'KedgeError',
        code: expect.stringMatching(/^(?:DumpIncompatible|ImportFailed)$/) as string,
        server: 'lab',
      });
    expect(await surroundings()).toBe(before);
    await expect(access(touched)).rejects.toMatchObject({ code: 'ENOENT' });
    const tables = await lab.query(
      `SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${database}'`,
    );
    for (const table of tables.split('\n').filter(Boolean)) {
      expect(await lab.query(`SELECT COUNT(*) FROM ${database}.${table}`)).toBe('0\n');
    }
  });

  test('would be seen: what an admin does shows in the comparison', async () => {
    await lab.query('CREATE DATABASE evil; SET GLOBAL max_connections = 99');
    const before = await surroundings();
    await lab.query('DROP DATABASE evil; INSERT INTO victim.t VALUES (3)');
    expect(await surroundings()).not.toBe(before);
    await lab.query('DELETE FROM victim.t WHERE id = 3');
  });

  test('starts no event, however it is written', async () => {
    const { database, outcome } = await restore(
      `CREATE TABLE t (a int);\nCREATE/**/EVENT hidden ON/**/SCHEDULE EVERY 1 SECOND DO INSERT INTO t VALUES (1);
CREATE/**/EVENT plain ON SCHEDULE EVERY 1 SECOND DO INSERT INTO t VALUES (2);${TRAILER}`,
    );
    expect(outcome).toMatchObject({ enabledEvents: ['hidden', 'plain'] });
    expect((await lab.server.describe(database)).events).toEqual([
      { name: 'hidden', enabled: false },
      { name: 'plain', enabled: false },
    ]);
  });
});

describe('a dump that cannot be imported', () => {
  test.each([
    ['empty', ''],
    ['blank', '\n \n'],
    ['without trailer', 'CREATE TABLE t (a int);\n'],
    ['cut short in the trailer', 'CREATE TABLE t (a int);\n-- Dump comp'],
    ['with statements after the trailer', `CREATE TABLE t (a int);${TRAILER}CREATE TABLE u (a int);\n`],
    ['with a trailer that begins no line', 'CREATE TABLE t (a int); -- Dump completed on x\n'],
    ['longer than its tail', `-- ${'x'.repeat(10_000)}`],
  ])('because it is %s is refused before anything is sent', async (_what, dump) => {
    const { database, outcome } = await restore(dump);
    expect(outcome).toMatchObject({ code: 'DumpInvalid' });
    expect((await lab.server.describe(database)).tables).toEqual([]);
  });

  test('because it is not there is refused', async () => {
    await expect(lab.restore(join(lab.folder, 'nowhere.sql'), nextName())).rejects.toMatchObject({
      code: 'DumpInvalid',
    });
  });

  test('because it is a folder is refused', async () => {
    await expect(lab.restore(lab.folder, nextName())).rejects.toMatchObject({ code: 'DumpInvalid' });
  });

  test('says what the server said, and the line', async () => {
    const { outcome } = await restore(
      `SET sql_notes = 0;\n\nCREATE TABLE t (a int) COLLATE utf8mb4_0900_ai_ci;${TRAILER}`,
    );
    expect(outcome).toMatchObject({
      code: 'ImportFailed',
      message: expect.stringMatching(
        /^the dump could not be imported into site\d+ on database server lab: ERROR 1273 \(HY000\) at line 3: Unknown collation/,
      ),
    });
  });

  test('fails although far more of it follows', async () => {
    const { outcome } = await restore(
      `CREATE TABLE t (a whatever);\n${`INSERT INTO t VALUES ('${'x'.repeat(1000)}');\n`.repeat(5000)}${TRAILER}`,
    );
    expect(outcome).toMatchObject({ code: 'ImportFailed', message: expect.stringContaining('ERROR 4161') });
  });

  test('with a value that is longer than the server takes is the fault of the dump', async () => {
    // The client would say 2006 or 1153, as if the server were away.
    await lab.query('SET GLOBAL max_allowed_packet = 1048576');
    try {
      const { outcome } = await restore(
        `CREATE TABLE t (a longtext);\nINSERT INTO t VALUES ('${'x'.repeat(3_000_000)}');${TRAILER}`,
      );
      expect(outcome).toMatchObject({
        code: 'DumpIncompatible',
        message: expect.stringContaining('the server takes 1048576 at most'),
      });
    } finally {
      await lab.query('SET GLOBAL max_allowed_packet = DEFAULT');
    }
  });

  test('because a table lies elsewhere on the server is imported to where all lie', async () => {
    const { database, outcome } = await restore(
      `CREATE TABLE t (a int) ENGINE=MyISAM DATA DIRECTORY='${lab.folder}', INDEX DIRECTORY='${lab.folder}' COMMENT='x';
CREATE TABLE u (a int) PARTITION BY HASH (a) (PARTITION p DATA DIRECTORY = '${lab.folder}' ENGINE = InnoDB);${TRAILER}`,
    );
    expect(outcome).not.toBeInstanceOf(Error);
    const made = await lab.query(`SHOW CREATE TABLE ${database}.t; SHOW CREATE TABLE ${database}.u`);
    expect(made).toContain("COMMENT='x'");
    expect(made).not.toContain('DIRECTORY');
  });

  test('into what is not there, or with a wrong password, says so', async () => {
    const path = await lab.writeDump(TRAILER);
    const database = nextName();
    await lab.restore(path, database);
    const operation = testOperation();
    await expect(lab.server.importDump(path, database, database, 'wrong', operation)).rejects.toMatchObject({
      code: 'DatabaseAccessDenied',
    });
    await lab.server.dropDatabase(database);
    await expect(lab.server.importDump(path, database, database, IMPORT_PASSWORD, operation)).rejects.toMatchObject({
      code: 'DatabaseUnknown',
    });
  });
});

/** A dump whose import takes for ever: each row takes a second and more to be checked. */
const CHECK = Array.from({ length: 60 }, (_each, index) => `SHA2(REPEAT(a + ${index}, 8000000), 512) <> 'x'`).join(
  ' AND ',
);
const HALTING = `SET check_constraint_checks = 1;\nCREATE TABLE first (a int, CHECK (${CHECK}));\n${'INSERT INTO first VALUES (1);\n'.repeat(500)}CREATE TABLE second (a int);${TRAILER}`;

async function startHaltingImport(): Promise<{
  database: string;
  operation: ReturnType<typeof testOperation>;
  outcome: Promise<unknown>;
}> {
  const database = nextName();
  const operation = testOperation();
  const path = await lab.writeDump(HALTING);
  const outcome = lab.restore(path, database, operation).then(
    () => 'imported',
    (error: unknown) => error,
  );
  await until('the import stands still', async () =>
    (await lab.query(`SELECT INFO FROM information_schema.PROCESSLIST WHERE USER = '${database}'`)).includes(
      'INSERT INTO first',
    ),
  );
  return { database, operation, outcome };
}

async function processesWith(secret: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    for (const file of ['cmdline', 'environ']) {
      const text = await readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '');
      if (text.includes(secret)) found.push(`${pid} ${file}`);
    }
  }
  return found;
}

async function commandLines(): Promise<string[][]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return lines.map((line) => line.split('\0').slice(0, -1));
}

describe('an import that is under way', () => {
  test('shows no secret in any process, and ends when it is cancelled', async () => {
    const { database, operation, outcome } = await startHaltingImport();
    const planted = spawn('sleep', ['60'], { env: { PLANTED: IMPORT_PASSWORD } });
    try {
      await until('the planted secret is seen', async () => (await processesWith(IMPORT_PASSWORD)).length > 0);
      expect(await processesWith(IMPORT_PASSWORD)).toEqual([`${planted.pid} environ`]);
    } finally {
      planted.kill('SIGKILL');
    }
    const clients = (await commandLines()).filter((argv) => argv[0] === 'mariadb' && argv.at(-1) === database);
    expect(clients).toEqual([
      expect.arrayContaining([
        '--defaults-file=/dev/fd/3',
        '--binary-mode',
        '--local-infile=0',
        '--sandbox',
        '--skip-reconnect',
      ]),
    ]);
    operation.cancel();
    expect(await outcome).toMatchObject({ message: 'the test cancelled' });
    expect(await lab.host.endProcesses(operation.mark)).toBe(0);

    // What a successor does: nothing of the attempt goes on.
    await lab.server.lockAccount({ user: database, hosts: ['localhost'] });
    await lab.server.dropDatabase(database);
    expect(await lab.server.databaseExists(database)).toBe(false);
  });

  test('throws the reason when it is cancelled, at any moment, and that is all', async () => {
    const path = await lab.writeDump(
      `CREATE TABLE t (s TEXT);\nINSERT INTO t VALUES ('${'x'.repeat(50_000)}');${TRAILER}`,
    );
    const database = nextName();
    await cancelAtEachTurn(async (operation) => {
      await lab.server.dropDatabase(database);
      await lab.server.dropAccount({ user: database, hosts: ['localhost'] });
      await lab.restore(path, database, operation);
    });
    expect((await lab.server.describe(database)).tables).toEqual(['t']);
  });

  test('is ended when the server takes nothing more of it, on the server too', async () => {
    const impatient = openDatabaseServer({
      address: lab.mariadb.address,
      adminPassword: undefined,
      host: lab.host,
      // Long enough for the client to come to the rows.
      importSilenceMs: 2000,
    });
    const database = nextName();
    await lab.server.createDatabase(database, 'utf8mb4', 'utf8mb4_general_ci');
    await lab.server.createAccount({ user: database, hosts: ['localhost'] }, IMPORT_PASSWORD, database);
    const path = await lab.writeDump(HALTING);
    const operation = testOperation();
    try {
      await expect(impatient.importDump(path, database, database, IMPORT_PASSWORD, operation)).rejects.toMatchObject({
        code: 'ImportStalled',
        message: expect.stringMatching(
          /took nothing more of the dump for site\d+ in 2 s; it is at: INSERT INTO first/,
        ) as string,
      });
      expect(await lab.query(`SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = '${database}'`)).toBe(
        '0\n',
      );
      expect(await lab.host.endProcesses(operation.mark)).toBe(0);
    } finally {
      await impatient.close();
    }
  });

  test('is the fault of the server when that dies, and leaves no process', async () => {
    const { operation, outcome } = await startHaltingImport();
    lab.mariadb.kill();
    expect(await outcome).toMatchObject({ code: 'DatabaseUnreachable', message: expect.stringContaining('ERROR 20') });
    expect(await lab.host.endProcesses(operation.mark)).toBe(0);
    await lab.mariadb.start();
    expect((await lab.server.facts()).kind).toBe('mariadb');
  });

  test('is not begun when the server is away', async () => {
    const path = await lab.writeDump(TRAILER);
    const database = nextName();
    await lab.restore(path, database);
    await lab.mariadb.stop();
    try {
      await expect(
        lab.server.importDump(path, database, database, IMPORT_PASSWORD, testOperation()),
      ).rejects.toMatchObject({ code: 'DatabaseUnreachable' });
    } finally {
      await lab.mariadb.start();
    }
  });
});
