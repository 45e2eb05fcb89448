import { BREAKAGES, BreakableSite, SharedSite } from '../helpers/broken-sites';
import { SEED_OF_TODAY, partOfToday } from '../helpers/part-of-today';

jest.setTimeout(480_000);

const site = new SharedSite(() => BreakableSite.start());
afterAll(() => site.stop());

/** A third of them a day. */
const THIRD = partOfToday(BREAKAGES, 3);

it.each(THIRD.map((breakage) => [breakage.name, breakage] as const))(
  `KEDGE_SEED=${SEED_OF_TODAY}: a restore of a site with %s that fails leaves it as it was, and the next one restores it, whole`,
  (_name, breakage) =>
    site.use(async (whole) => {
      const broken = await whole.expectUndone(breakage);
      await whole.expectRestored(breakage, broken);
    }),
);
