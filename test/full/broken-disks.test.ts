import { DISK_BREAKAGES, FAILING_DISK, toDisksOfTheirOwn, toFailingDisk } from '../helpers/broken-disks';
import { BreakableSite, SharedSite } from '../helpers/broken-sites';
import { canMount } from '../helpers/small-disks';

jest.setTimeout(480_000);

const site = new SharedSite(() => BreakableSite.start(toDisksOfTheirOwn));
afterAll(() => site.stop());

(canMount ? describe : describe.skip)('disks (skipped where nothing can be mounted)', () => {
  it.each(DISK_BREAKAGES.filter(({ refused }) => refused).map((breakage) => [breakage.name, breakage] as const))(
    'a restore of a site with %s is refused before anything is done, and works once that is mended',
    (_name, breakage) => site.use((whole) => whole.expectRefused(breakage)),
  );

  it.each(DISK_BREAKAGES.filter(({ refused }) => !refused).map((breakage) => [breakage.name, breakage] as const))(
    'a restore of a site with %s that fails leaves it as it was, and the next one restores it, whole',
    (_name, breakage) =>
      site.use(async (whole) => {
        const broken = await whole.expectUndone(breakage);
        await whole.expectRestored(breakage, broken);
      }),
  );

  it(`a restore of a site with ${FAILING_DISK.name} that fails leaves it as it was, and the next one restores it, whole`, async () => {
    // The same disks are not there twice.
    await site.stop();
    const failing = new SharedSite(() => BreakableSite.start(toFailingDisk));
    try {
      await failing.use(async (whole) => {
        const broken = await whole.expectUndone(FAILING_DISK);
        await whole.expectRestored(FAILING_DISK, broken);
      });
    } finally {
      await failing.stop();
    }
  });
});
