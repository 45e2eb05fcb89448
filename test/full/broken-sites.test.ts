import { BREAKAGES, BreakableSite } from '../helpers/broken-sites';

jest.setTimeout(480_000);

let site: BreakableSite | undefined;
afterAll(() => site?.stop());

/** A site that stayed broken is no measure for the next one. */
async function withSite(work: (site: BreakableSite) => Promise<void>): Promise<void> {
  site ??= await BreakableSite.start();
  try {
    await work(site);
  } catch (error) {
    await site.stop();
    site = undefined;
    throw error;
  }
}

it.each(BREAKAGES.map((breakage) => [breakage.name, breakage] as const))(
  'a restore of a site with %s that fails leaves it as it was, and the next one restores it, whole',
  (_name, breakage) =>
    withSite(async (whole) => {
      const broken = await whole.expectUndone(breakage);
      await whole.expectRestored(breakage, broken);
    }),
);
