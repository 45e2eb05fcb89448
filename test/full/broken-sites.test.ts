import { BREAKAGES, BreakableSite, SharedSite } from '../helpers/broken-sites';

jest.setTimeout(480_000);

const site = new SharedSite(() => BreakableSite.start());
afterAll(() => site.stop());

it.each(BREAKAGES.map((breakage) => [breakage.name, breakage] as const))(
  'a restore of a site with %s that fails leaves it as it was, and the next one restores it, whole',
  (_name, breakage) =>
    site.use(async (whole) => {
      const broken = await whole.expectUndone(breakage);
      await whole.expectRestored(breakage, broken);
    }),
);
