export interface Instruction {
  readonly name: string;
  /** All behind the name, lines joined. */
  readonly text: string;
  readonly words: readonly string[];
}

const KNOWN = ['FROM', 'WORKDIR', 'COPY', 'RUN', 'EXPOSE', 'STOPSIGNAL', 'ENTRYPOINT'];

/** The instructions of a Dockerfile. @throws for one that the tests could not carry out */
export function instructionsOf(dockerfile: string): Instruction[] {
  return dockerfile
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name = '', text = ''] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
      if (!KNOWN.includes(name)) throw new Error(`the tests know no such instruction: ${line}`);
      return { name, text, words: text.split(/ +/) };
    });
}
