import { mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { deviceAt } from "../../../../providers/facts/device.ts";
import { blockDevices } from "../../../../providers/facts/lsblk.ts";
import type { Ask, Fact } from "../../../../providers/facts/fact.ts";
import { realPath } from "../../../../providers/facts/realPath.ts";
import { fixture } from "../../../fixtures/fixture.ts";
import { runLocally } from "../runLocally.ts";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "jts-links-")));
afterAll(() => rmSync(folder, { recursive: true }));
const read = (path: string) => realPath.parse(runLocally(realPath.command(path)), path);

describe("realPath", () => {
  it("follows links, and takes a dangling or absent one for none", () => {
    writeFileSync(join(folder, "a disk\n"), "");
    symlinkSync("a disk\n", join(folder, "by-id"));
    symlinkSync("gone", join(folder, "dangling"));
    expect(read(join(folder, "by-id"))).toBe(join(folder, "a disk\n"));
    expect(read(join(folder, "dangling"))).toBeUndefined();
    expect(read(join(folder, "none"))).toBeUndefined();
  });
});

describe("deviceAt", () => {
  const ask = (real: string | undefined): Ask => {
    const answer = <A, T>(fact: Fact<A, T>): unknown =>
      fact === blockDevices ? blockDevices.parse(fixture("lsblk-blank-host.json"), undefined) : real;
    return <A, T>(fact: Fact<A, T>) => Promise.resolve(answer(fact) as T);
  };

  it("finds the device that a link leads to", async () => {
    expect(await deviceAt(ask("/dev/nvme0n1"), "/dev/disk/by-id/nvme-x")).toMatchObject({
      path: "/dev/nvme0n1",
      serial: "JTSNVME0001",
    });
  });

  it("finds none for a link that leads nowhere, or to a file that is no block device", async () => {
    expect(await deviceAt(ask(undefined), "/dev/disk/by-id/gone")).toBeUndefined();
    expect(await deviceAt(ask("/etc/passwd"), "/dev/disk/by-id/file")).toBeUndefined();
  });
});
