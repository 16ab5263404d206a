import { join } from "node:path";
import { defineConfig } from "vitest/config";

/**
 * Unit tests share a process for each processor: their files keep no state that another one could see, and most of them
 * would take longer to start than to run. In the others' files Pulumi runs, which keeps process-wide state, hence one
 * process a file; e2e tests share one lab, hence one at a time.
 */
export default defineConfig({
  test: {
    tags: [{ name: "long", description: "Not in `npm test`, only in `npm run test:all`; CONTRIBUTING.md says why." }],
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          pool: "forks",
          isolate: false,
          // What they make is short-lived: a larger young generation is collected less often.
          execArgv: ["--max-semi-space-size=64"],
          env: { NODE_COMPILE_CACHE: join(import.meta.dirname, ".jts", "compile-cache") },
          maxWorkers: "100%",
          // Of minutes, so that no test fails on a machine that has other things to do.
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "contract",
          include: ["test/contract/**/*.test.ts"],
          pool: "forks",
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          pool: "forks",
          fileParallelism: false,
          bail: 1,
          testTimeout: 20 * 60_000,
          hookTimeout: 20 * 60_000,
        },
      },
    ],
  },
});
