import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from '@temporalio/worker';
import { z } from 'zod';
import { installRuntime } from '../../src/temporal/runtime';
import { WORKFLOW_BUNDLE } from '../helpers/workflow-environment';

const FOLDER = join(__dirname, 'histories');
const historySchema = z.looseObject({ events: z.array(z.looseObject({ eventType: z.string() })) });

beforeAll(() => {
  installRuntime();
});

const workflowBundle = { code: readFileSync(WORKFLOW_BUNDLE, 'utf8') };

function historyOf(name: string) {
  return historySchema.parse(JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8')));
}

const NAMES = readdirSync(FOLDER).map((file) => file.replace(/\.json$/, ''));

describe('stored histories', () => {
  it.each(NAMES)('%s replays with the workflow code of today', async (name) => {
    const workflowId = name.startsWith('turns') ? 'turns/example.com' : 'site/example.com';
    await Worker.runReplayHistory({ workflowBundle }, historyOf(name), workflowId);
  });

  it.each(['backup', 'restore', 'restore-undone', 'turns'])('the history of %s is among them', (name) => {
    expect(NAMES).toContain(name);
  });

  it('a history whose steps came in another order is found', async () => {
    const text = JSON.stringify(historyOf('restore'));
    const swapped = text
      .replaceAll('"createDatabase"', '"×"')
      .replaceAll('"deploy"', '"createDatabase"')
      .replaceAll('"×"', '"deploy"');
    expect(swapped).not.toBe(text);
    await expect(
      Worker.runReplayHistory({ workflowBundle }, historySchema.parse(JSON.parse(swapped)), 'site/example.com'),
    ).rejects.toMatchObject({
      name: 'DeterminismViolationError',
    });
  });
});
