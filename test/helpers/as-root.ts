/** Owners and groups of several accounts take root: without it these tests are skipped, and are shown so. */
export const isRoot = process.getuid?.() === 0;
export const itAsRoot = isRoot ? it : it.skip;
export const describeAsRoot = isRoot ? describe : describe.skip;
