import { version } from '../../package.json';
import { runCommand } from '../helpers/command';

/** Names, with what is said of each, of a section of a help text. */
function section(help: string, title: string): [string, string][] {
  const body = new RegExp(`^${title}:\\n((?:  .*\\n)+)`, 'm').exec(help)?.[1] ?? '';
  return [...body.matchAll(/^  (\S.*?)(?:  +(.*))?$/gm)].map(([, term = '', said = '']) => [
    term.split(' ')[0] ?? '',
    said,
  ]);
}

/** Every command and subcommand with its help, from what the help of the program leads to. */
async function everyHelp(path: readonly string[] = []): Promise<[string, string][]> {
  const { stdout } = await runCommand([...path, '--help']);
  const commands = section(stdout, 'Commands').map(([name]) => name.split('|')[0] ?? '');
  const below = commands.filter((name) => name !== 'help').map((name) => everyHelp([...path, name]));
  return [[path.join(' '), stdout], ...(await Promise.all(below)).flat()];
}

it('every command says what it does, what its arguments are, and how it is used', async () => {
  const helps = await everyHelp();
  expect(helps.map(([name]) => name)).toEqual(
    expect.arrayContaining(['', 'backup', 'doctor', 'backups delete', 'sites adopt', 'config schema', 'up']),
  );
  const lacking = helps.flatMap(([name, help]) => {
    const [usage = '', , description = ''] = help.split('\n');
    const wanted = [...usage.matchAll(/[<[]([a-z|]+)(?:\.\.\.)?[>\]]/g)].map(([, argument]) => argument);
    const described = new Map(section(help, 'Arguments'));
    return [
      ...(description === '' ? [`${name}: no description`] : []),
      ...wanted
        .filter((argument) => argument !== 'options' && argument !== 'command' && !described.get(argument ?? ''))
        .map((argument) => `${name}: <${argument}> is not explained`),
      ...(new RegExp(`^Examples?:\\n(  .*\\n)*  .*kedge ${name}`, 'm').test(help) ? [] : [`${name}: no example`]),
    ];
  });
  expect(lacking).toEqual([]);
});

it('the version is that of the package', async () => {
  expect(await runCommand(['--version'])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
});
