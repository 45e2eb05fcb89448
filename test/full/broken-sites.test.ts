import { BREAKAGES, BreakableSite } from '../helpers/broken-sites';

jest.setTimeout(240_000);

let site: BreakableSite;
beforeAll(async () => {
  site = await BreakableSite.start();
});
afterAll(() => site?.stop());

it.each(BREAKAGES.map((breakage) => [breakage.name, breakage] as const))(
  'a site with %s is restored, whole',
  (_name, breakage) => site.expectRestored(breakage),
);
