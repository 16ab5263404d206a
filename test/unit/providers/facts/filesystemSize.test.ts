import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { filesystemBytes } from "../../../../providers/facts/filesystemSize.ts";
import { fixture } from "../../../fixtures/fixture.ts";
import { runLocally } from "../runLocally.ts";

const folder = mkdtempSync(join(tmpdir(), "jts-size-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the program against tools that print what the real ones printed. */
function sizeBy(tool: string, type: string, output: string) {
  writeFileSync(join(folder, "output"), output);
  writeFileSync(join(folder, tool), `#!/bin/sh\ncat '${folder}/output'\n`);
  chmodSync(join(folder, tool), 0o755);
  const args = { type, device: "/dev/a" };
  return filesystemBytes.parse(
    runLocally(filesystemBytes.command(args), { PATH: `${folder}:${process.env.PATH}` }),
    args,
  );
}

describe("filesystemBytes", () => {
  it.each([
    ["dumpe2fs", "ext4", "dumpe2fs-redis.txt", 50 * 1024 ** 3],
    ["xfs_info", "xfs", "xfs_info-kafka.txt", 600 * 1024 ** 3],
    ["btrfs", "btrfs", "btrfs-dump-super-warm.txt", 999_129_350_144],
  ])("reads from %s the size of an %s", (tool, type, name, bytes) => {
    expect(sizeBy(tool, type, fixture(name).stdout)).toBe(bytes);
  });

  it.each([
    ["dumpe2fs", "ext4"],
    ["xfs_info", "xfs"],
    ["btrfs", "btrfs"],
  ])("takes an output of %s without sizes for no answer", (tool, type) => {
    expect(() => sizeBy(tool, type, "something else\n")).toThrow("not a size");
  });
});
