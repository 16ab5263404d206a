import { setTimeout as sleep } from "node:timers/promises";

/**
 * The engine sends what may go side by side one after another, some milliseconds apart: a pause as long as this ends
 * it.
 */
const PAUSE_MILLISECONDS = 40;
/** For an engine that never pauses. */
const AT_MOST_MILLISECONDS = 400;

/**
 * Does work that comes in bursts: waits until no more of it comes, does all of it at once, and begins again with what
 * came meanwhile. To be called whenever some comes.
 * @param waiting how much there is to do
 */
export function inBursts(waiting: () => number, work: () => Promise<void>): () => Promise<void> {
  let isWorking = false;
  return async () => {
    if (isWorking) return;
    isWorking = true;
    try {
      const end = Date.now() + AT_MOST_MILLISECONDS;
      for (let before = -1; before !== waiting() && Date.now() < end;) {
        before = waiting();
        await sleep(PAUSE_MILLISECONDS);
      }
      while (waiting() > 0) await work();
    } finally {
      isWorking = false;
    }
  };
}
