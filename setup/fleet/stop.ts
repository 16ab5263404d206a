import { readFileSync } from "node:fs";

/** The first signal stops, the second kills. */
export function stopOnSignals(screen: { write(text: string): unknown }): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => {
      if (stop.signal.aborted) kill();
      screen.write("Stopping: what runs finishes what it has begun. Ctrl-C again kills it, and may leave locks.\n");
      stop.abort();
    });
  return stop.signal;
}

/** Ends this process and every `pulumi` that it started. */
function kill(): never {
  const own = String(process.pid);
  for (const pid of readFileSync(`/proc/${own}/task/${own}/children`, "utf8").split(" ").filter(Boolean)) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
  console.error("Killed. Next: `npx pulumi cancel --stack STACK` for each stack that then says that it is locked.");
  process.exit(130);
}
