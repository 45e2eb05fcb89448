import { CancellationScope } from '@temporalio/workflow';

/** Does `work` for each, so many at one time, the next as soon as one is done. Once the scope is cancelled none is begun any more. */
export async function inWindow<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = [...items];
  const lane = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) {
      if (CancellationScope.current().consideredCancelled) return;
      await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
}
