export interface Limits {
  /** Stacks at the same time. */
  readonly parallel: number;
  /** Nothing else begins until all of these have succeeded. */
  readonly canaries: readonly string[];
  /** With so many failures, nothing more begins; what runs goes on to its end. */
  readonly maxFailures: number;
}

/**
 * Runs each stack, canaries first.
 * @param run gives whether the stack succeeded; must not throw
 * @param stop begins nothing more; to end what runs is up to `run`
 * @returns why stacks were not begun; undefined where all were
 */
export async function schedule(
  stacks: readonly string[],
  { parallel, canaries, maxFailures }: Limits,
  run: (stack: string) => Promise<boolean>,
  stop: AbortSignal,
): Promise<string | undefined> {
  let failures = 0;
  const reason = () => {
    if (stop.aborted) return "stopped";
    return failures >= maxFailures ? `${failures} failed, and at most ${maxFailures - 1} may` : undefined;
  };
  /** @returns whether some were left */
  const runAll = async (queue: string[]): Promise<boolean> => {
    const work = async () => {
      while (queue.length > 0 && reason() === undefined) if (!(await run(queue.shift()!))) failures++;
    };
    await Promise.all(Array.from({ length: parallel }, work));
    return queue.length > 0;
  };
  const others = stacks.filter((stack) => !canaries.includes(stack));
  if (await runAll([...canaries])) return reason();
  if (canaries.length > 0 && failures > 0 && others.length > 0) return "a canary failed";
  return (await runAll(others)) ? reason() : undefined;
}
