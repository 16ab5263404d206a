import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { cacheFile } from "../../../../providers/facts/cacheFile.ts";
import { runLocally } from "../runLocally.ts";

const MIB = 2 ** 20;
const FUNCTIONS = join(import.meta.dirname, "../../../../providers/programs/nfs-cache-file.sh");

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "jts-cache-"))));
afterEach(() => rmSync(folder, { recursive: true }));

const make = (file: string, bytes: number) =>
  runLocally({
    argv: [
      "bash",
      "-c",
      `set -euo pipefail; source "$1"; make_cache_file "$2" "$3"`,
      "make",
      FUNCTIONS,
      file,
      `${bytes}`,
    ],
  });
const look = (file: string) => cacheFile.parse(runLocally(cacheFile.command(file)), file);

it("the file of a cache has just its size, all of it allocated, for root only, with an ext4 in it", () => {
  const file = join(folder, "nfs-cache.ext4");
  expect(look(file)).toMatchObject({ sizeBytes: undefined, allocatedBytes: undefined });
  expect(make(file, 64 * MIB).exitCode).toBe(0);
  const { sizeBytes, allocatedBytes = 0, freeBytes } = look(file);
  expect(sizeBytes).toBe(64 * MIB);
  expect(allocatedBytes).toBeGreaterThanOrEqual(64 * MIB);
  // What the filesystem around it needs to find it.
  expect(allocatedBytes).toBeLessThan(65 * MIB);
  expect(freeBytes).toBeGreaterThan(0);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const { stdout } = runLocally({ argv: ["dumpe2fs", file] }, { PATH: `${process.env.PATH}:/usr/sbin:/sbin` });
  expect(stdout).toMatch(/volume name: +jts-nfs-cache\n/);
  expect(stdout).toMatch(/Reserved block count: +0\n/);
  // What mkfs leaves to the kernel to zero, a loop device would punch out of the file.
  expect(stdout.match(/ITABLE_ZEROED/g)).toHaveLength(stdout.match(/^Group \d+:/gm)!.length);
});

it("a file for which there is no room leaves nothing, and its folder may be absent", () => {
  const { exitCode, stderr } = make(join(folder, "nfs-cache.ext4"), 2 ** 52);
  expect(exitCode).not.toBe(0);
  expect(stderr).toMatch(/fallocate/);
  expect(readdirSync(folder)).toEqual([]);
  expect(look(join(folder, "none/nfs-cache.ext4")).freeBytes).toBeUndefined();
});
