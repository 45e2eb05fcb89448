import { Draw } from '../../scripts/lab/draw';
import { kedge } from '../../scripts/demo/kedge';
import { connectClient } from '../../src/temporal/connection';
import { type Lab, cli, cliJson, journalsOf, startLab, withWorkerInProcess } from '../helpers/e2e';
import { Gate, Gates } from '../helpers/gates';
import { ENDING, PLACES, PressedLab, anyhow, countOf, describePresses, ended } from '../helpers/pressed-tasks';
import { until } from '../helpers/until';
import { PRESSER, REASON, WebUi } from '../helpers/web-ui';

/* All buttons in all steps: test/full/buttons.test.ts. */

const SEED = Number(process.env['KEDGE_SEED'] ?? 20_261_126);

jest.setTimeout(240_000);

let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ sites: ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}.example`) });
});
afterAll(() => lab?.stop());

const drawn = new Draw(SEED, 'buttons');
const presses = [...ENDING.map((button) => ended(drawn.of(PLACES), button, drawn)), ...anyhow(drawn, 2)];

it(`KEDGE_SEED=${SEED}: ${presses.map(describePresses).join('; ')}: no site is shut, nothing is left`, async () => {
  await PressedLab.with(lab, async (pressing) => {
    const { problems, pressed } = await pressing.pressAll(presses, SEED);
    expect(problems).toEqual([]);
    expect(pressed).toBeGreaterThanOrEqual(countOf(presses));
  });
});

it('a step that somebody paused is named in the terminal, in the log, in the list of tasks and by doctor', async () => {
  const [, { uri: site }] = lab.sites as [unknown, { uri: string }];
  const at = { site, activity: 'dumpDatabase', workflowId: `site/${site}` };
  const client = await connectClient(lab.environment);
  const webUi = new WebUi(client, 'lab');
  const point = { activity: at.activity, occurrence: 1, when: 'before' } as const;
  const gate = new Gate([point], null);
  const gates = new Gates();
  gates.set(site, gate);
  const named = `dumpDatabase is paused in Temporal by ${PRESSER} since`;
  const unpause = `temporal activity unpause --workflow-id site/${site} --activity-type dumpDatabase`;
  await withWorkerInProcess(lab, gates.around, async () => {
    const lines: string[] = [];
    const backingUp = kedge(['backup', site], lab.environment, (line) => lines.push(line));
    const standing = await gate.next(backingUp);
    await webUi.press('pause', at, drawn);
    await until('the terminal names it', () => lines.some((line) => line.includes(named)));
    expect(lines.find((line) => line.includes(named))).toMatch(
      new RegExp(`\\("${REASON}"\\); unpause it in the Temporal Web UI, or by .${unpause}.\\. It waits; .kedge cancel`),
    );
    await standing?.left;
    const { tasks } = await cliJson<{ tasks: { task: string; paused: object[] }[] }>(lab, 'tasks', site);
    expect(tasks[0]?.paused).toMatchObject([{ step: 'dumpDatabase', by: PRESSER, why: REASON }]);
    const listed = (await cli(lab, 'tasks', site)).stdout;
    expect(listed).toMatch(/-backup +paused +Dump the database/);
    expect(listed).toContain(named);
    expect((await cli(lab, 'doctor')).stdout).toContain(
      `dumpDatabase of the workflow site/${site} is paused in Temporal by ${PRESSER} since`,
    );
    gate.pass(point);
    await webUi.press('unpause', at, drawn);
    expect((await backingUp).exitCode).toBe(0);
    // Nothing failed, and nothing says so.
    expect(lines.join('\n')).not.toMatch(/failed|the worker stopped/);
    const log = (await cli(lab, 'log', tasks[0]?.task ?? '')).stdout;
    expect(log).toContain(`dumpDatabase: paused in Temporal by ${PRESSER} since`);
    expect(log).toContain(`("${REASON}"); the step begins again when it is unpaused`);
    expect(journalsOf(lab).find(({ task }) => task === tasks[0]?.task)?.outcome?.status).toBe('done');
  });
  await client.connection.close();
});
