import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';

const resultSchema = z.object({
  name: z.string(),
  /** `broken`: it could not be tried, for its tests do not run, or do not pass without it. */
  outcome: z.enum(['caught', 'survived', 'broken']),
  seconds: z.number(),
});
export type Result = z.infer<typeof resultSchema>;

/** Outcomes of plants in one state of code and tests, kept as they come: a run that was stopped goes on where it was. */
export class Results {
  private readonly known = new Map<string, Result>();

  private constructor(private readonly path: string) {}

  /** @param digest of code and tests */
  static of(digest: string): Results {
    const results = new Results(join(homedir(), '.cache/kedge/mutants', `${digest}.ndjson`));
    for (const line of results.lines()) {
      const { success, data } = resultSchema.safeParse(parsed(line));
      if (success) results.known.set(data.name, data);
    }
    return results;
  }

  /** What became of a plant; undefined where that is not known, or could not be found out. */
  find(name: string): Result | undefined {
    const result = this.known.get(name);
    return result?.outcome === 'broken' ? undefined : result;
  }

  add(result: Result): void {
    mkdirSync(dirname(this.path), { recursive: true });
    appendFileSync(this.path, `${JSON.stringify(result)}\n`);
    this.known.set(result.name, result);
  }

  private lines(): string[] {
    return existsSync(this.path) ? readFileSync(this.path, 'utf8').split('\n').filter(Boolean) : [];
  }
}

/** Undefined for a line that a crash has cut. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}
