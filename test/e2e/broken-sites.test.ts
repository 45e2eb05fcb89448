import { BREAKAGES, BreakableSite } from '../helpers/broken-sites';

jest.setTimeout(240_000);

let site: BreakableSite;
beforeAll(async () => {
  site = await BreakableSite.start();
});
afterAll(() => site?.stop());

/** The rest are in test/full. */
const A_FEW = ['a crashed table', 'a file in the place of its folder', 'everything gone'];
const few = BREAKAGES.filter(({ name }) => A_FEW.includes(name)).map((breakage) => [breakage.name, breakage] as const);

it.each(few)(
  'a restore of a site with %s that fails leaves it as it was, and the next one restores it, whole',
  async (_name, breakage) => {
    const broken = await site.expectUndone(breakage);
    await site.expectRestored(breakage, broken);
  },
);
