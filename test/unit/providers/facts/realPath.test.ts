import { mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { deviceAt } from "../../../../providers/facts/device.ts";
import { blockDevices } from "../../../../providers/facts/lsblk.ts";
import type { Ask, Fact } from "../../../../providers/facts/fact.ts";
import { contentLinks, deviceLinks, realPath } from "../../../../providers/facts/realPath.ts";
import { sourceDevice } from "../../../../providers/facts/sourceDevice.ts";
import { fixture } from "../../../fixtures/fixture.ts";
import { runLocally } from "../runLocally.ts";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "jts-links-")));
afterAll(() => rmSync(folder, { recursive: true }));
/** Answers from this machine, except for the facts in `answers`. */
const asking =
  (answers: ReadonlyMap<unknown, unknown>): Ask =>
  <A, T>(fact: Fact<A, T>, args: A) =>
    Promise.resolve((answers.has(fact) ? answers.get(fact) : fact.parse(runLocally(fact.command(args)), args)) as T);

describe("realPath", () => {
  const nothing = asking(
    new Map<unknown, unknown>([
      [blockDevices, new Map()],
      [deviceLinks, new Map()],
    ]),
  );

  it("follows the links of a path that isn't a link below /dev, and finds nothing for a dangling or absent one", async () => {
    writeFileSync(join(folder, "a disk\n"), "");
    symlinkSync("a disk\n", join(folder, "by-id"));
    symlinkSync("gone", join(folder, "dangling"));
    expect(await realPath(nothing, join(folder, "by-id"))).toBe(join(folder, "a disk\n"));
    expect(await realPath(nothing, join(folder, "dangling"))).toBeUndefined();
    expect(await realPath(nothing, join(folder, "none"))).toBeUndefined();
  });

  it("reads the links below /dev", () => {
    const links = deviceLinks.parse(runLocally(deviceLinks.command(undefined)), undefined);
    expect(links.get("/dev/stdin")).toBe("/proc/self/fd/0");
  });

  it("reads links by a device's contents separately, since they come and go with each filesystem", () => {
    const stdout =
      "/dev/disk/by-label/a\t../../sda2\n/dev/disk/by-uuid/b\t../../sda2\n/dev/disk/by-partlabel/c\t../../sda2\n";
    const output = { stdout, stderr: "", exitCode: 0 };
    expect([...deviceLinks.parse(output, undefined).keys()]).toEqual(["/dev/disk/by-partlabel/c"]);
    expect([...contentLinks.parse(output, undefined).keys()]).toEqual(["/dev/disk/by-label/a", "/dev/disk/by-uuid/b"]);
    const local = [...contentLinks.parse(runLocally(contentLinks.command(undefined)), undefined).keys()];
    expect(local.filter((path) => !/^\/dev\/disk\/by-(label|uuid)\//.test(path))).toEqual([]);
  });
});

const isByContent = (path: string) => /^\/dev\/disk\/by-(label|uuid)\//.test(path);

/** The blank host's disks, and these links to them. */
const withLinks = (links: Record<string, string>, canonical?: string): Ask => {
  const known = asking(
    new Map<unknown, unknown>([
      [blockDevices, blockDevices.parse(fixture("lsblk-blank-host.json"), undefined)],
      [deviceLinks, new Map(Object.entries(links).filter(([path]) => !isByContent(path)))],
      [contentLinks, new Map(Object.entries(links).filter(([path]) => isByContent(path)))],
    ]),
  );
  return <A, T>(fact: Fact<A, T>, args: A) =>
    fact.name === "the path" || fact.name === "the device of the source"
      ? Promise.resolve(canonical as T)
      : known(fact, args);
};

describe("deviceAt", () => {
  it("finds the device that a link leads to, by another link too", async () => {
    const links = { "/dev/disk/by-id/nvme-x": "../../nvme0n1", "/dev/fast": "disk/by-id/nvme-x" };
    for (const path of ["/dev/nvme0n1", ...Object.keys(links)]) {
      expect(await deviceAt(withLinks(links), path)).toMatchObject({ path: "/dev/nvme0n1", serial: "JTSNVME0001" });
    }
  });

  it("finds nothing for a link that leads nowhere, to itself, or to a file that is not a block device", async () => {
    const links = {
      "/dev/gone": "nowhere",
      "/dev/loop-a": "loop-b",
      "/dev/loop-b": "loop-a",
      "/dev/file": "/etc/passwd",
    };
    for (const path of Object.keys(links)) expect(await deviceAt(withLinks(links), path)).toBeUndefined();
    expect(await deviceAt(withLinks(links, "/etc/passwd"), "/dev/file")).toBeUndefined();
  });
});

describe("sourceDevice", () => {
  it.each(["LABEL=warm-1", "UUID=b5d3", "PARTLABEL=data", "PARTUUID=aa-02", "/dev/sda2", "/dev/disk/by-label/warm-1"])(
    "finds the device of %s by the link that udev makes",
    async (source) => {
      const links = Object.fromEntries(
        ["label/warm-1", "uuid/b5d3", "partlabel/data", "partuuid/aa-02"].map((name) => [
          `/dev/disk/by-${name}`,
          "../../sda2",
        ]),
      );
      expect(await sourceDevice(withLinks(links), source)).toMatchObject({ path: "/dev/sda2" });
    },
  );

  it("asks findfs where there is no such link, or where udev would write its name differently", async () => {
    expect(await sourceDevice(withLinks({}, "/dev/sda2"), "LABEL=warm")).toMatchObject({ path: "/dev/sda2" });
    expect(
      await sourceDevice(withLinks({ "/dev/disk/by-label/a b": "../../sda" }, "/dev/sda2"), "LABEL=a b"),
    ).toMatchObject({
      path: "/dev/sda2",
    });
    expect(await sourceDevice(withLinks({}), "LABEL=warm")).toBeUndefined();
  });
});
