import { DISK_BREAKAGES, FAILING_DISK, toDisksOfTheirOwn, toFailingDisk } from '../helpers/broken-disks';
import { BreakableSite } from '../helpers/broken-sites';
import { canMount } from '../helpers/small-disks';

jest.setTimeout(480_000);

let site: BreakableSite | undefined;
afterAll(() => site?.stop());

/** A site that stayed broken is no measure for the next one. */
async function withSite(work: (site: BreakableSite) => Promise<void>): Promise<void> {
  site ??= await BreakableSite.start(toDisksOfTheirOwn);
  try {
    await work(site);
  } catch (error) {
    await site.stop();
    site = undefined;
    throw error;
  }
}

(canMount ? describe : describe.skip)('disks (skipped where nothing can be mounted)', () => {
  it.each(DISK_BREAKAGES.filter(({ refused }) => refused).map((breakage) => [breakage.name, breakage] as const))(
    'a restore of a site with %s is refused before anything is done, and works once that is mended',
    (_name, breakage) => withSite((whole) => whole.expectRefused(breakage)),
  );

  it.each(DISK_BREAKAGES.filter(({ refused }) => !refused).map((breakage) => [breakage.name, breakage] as const))(
    'a restore of a site with %s that fails leaves it as it was, and the next one restores it, whole',
    (_name, breakage) =>
      withSite(async (whole) => {
        const broken = await whole.expectUndone(breakage);
        await whole.expectRestored(breakage, broken);
      }),
  );

  it(`a restore of a site with ${FAILING_DISK.name} that fails leaves it as it was, and the next one restores it, whole`, async () => {
    await site?.stop();
    const failing = (site = await BreakableSite.start(toFailingDisk));
    const broken = await failing.expectUndone(FAILING_DISK);
    await failing.expectRestored(FAILING_DISK, broken);
  });
});
