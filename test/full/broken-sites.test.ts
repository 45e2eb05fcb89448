import { BREAKAGES, BreakableSite, SharedSite } from '../helpers/broken-sites';

jest.setTimeout(480_000);

const site = new SharedSite(() => BreakableSite.start());
afterAll(() => site.stop());

/** A third of them a day. */
const SEED = Number(process.env['KEDGE_SEED'] ?? Math.floor(Date.now() / 86_400_000));
const THIRD = BREAKAGES.filter((_each, at) => (at + SEED) % 3 === 0);

it.each(THIRD.map((breakage) => [breakage.name, breakage] as const))(
  `KEDGE_SEED=${SEED}: a restore of a site with %s that fails leaves it as it was, and the next one restores it, whole`,
  (_name, breakage) =>
    site.use(async (whole) => {
      const broken = await whole.expectUndone(breakage);
      await whole.expectRestored(breakage, broken);
    }),
);
