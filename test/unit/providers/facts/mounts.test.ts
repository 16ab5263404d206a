import { describe, expect, it } from "vitest";
import { mountAt, mountOf, mounts, type Mount } from "../../../../providers/facts/mounts.ts";
import { fixture } from "../../../fixtures/fixture.ts";

const all = mounts.parse(fixture("findmnt-jts.json"), undefined);

describe("mounts", () => {
  it("reads a local filesystem, with the mount's flags apart from the filesystem's options", () => {
    expect(mountAt(all, "/var/lib/postgresql")).toEqual({
      target: "/var/lib/postgresql",
      source: "/dev/mapper/vg_jts-lv_postgres",
      type: "ext4",
      root: "/",
      number: "253:5",
      mountOptions: ["rw", "noatime"],
      filesystemOptions: ["rw", "commit=30", "data=writeback"],
    });
  });

  it("reads an NFS mount by its server and export", () => {
    expect(mountAt(all, "/mnt/synology")).toMatchObject({ source: "192.168.1.101:/volume1/cocodev", type: "nfs" });
  });

  it("shows a bind mount with the filesystem's number", () => {
    expect(mountAt(all, "/data/jts/hot/postgresql")?.number).toBe("253:5");
  });

  it("reads a mount without a source", () => {
    const stdout = JSON.stringify({
      filesystems: [
        {
          target: "/a",
          source: null,
          fstype: "tmpfs",
          fsroot: "/",
          "maj:min": "0:1",
          "vfs-options": "rw",
          "fs-options": "rw",
        },
      ],
    });
    expect(mounts.parse({ stdout, stderr: "", exitCode: 0 }, undefined)).toMatchObject([{ source: "none" }]);
  });
});

describe("mountAt", () => {
  it("finds nothing where nothing is mounted, even below a mount", () => {
    expect(mountAt(all, "/var/lib/postgresql/data")).toBeUndefined();
    expect(mountAt(mounts.parse(fixture("findmnt-blank-host.json"), undefined), "/var/lib/postgresql")).toBeUndefined();
  });

  it("finds the later of two mounts on one folder, which hides the earlier", () => {
    expect(all.filter(({ target }) => target === "/proc/sys/fs/binfmt_misc").map(({ type }) => type)).toEqual([
      "autofs",
      "binfmt_misc",
    ]);
    expect(mountAt(all, "/proc/sys/fs/binfmt_misc")?.type).toBe("binfmt_misc");
  });
});

describe("mountOf", () => {
  it.each([
    ["/var/lib/postgresql/data/base", "/var/lib/postgresql"],
    ["/var/lib/postgresql", "/var/lib/postgresql"],
    ["/var/lib/postgresql-15", "/"],
    ["/data/jts/hot/kafka/logs", "/data/jts/hot/kafka"],
    ["/data/jts/hot", "/"],
    ["/", "/"],
  ])("finds that %s lies in the mount of %s", (path, target) => {
    expect(mountOf(all, path)?.target).toBe(target);
  });

  it("finds the later of two mounts on one folder", () => {
    const mount: Mount = {
      target: "/a",
      source: "x",
      type: "ext4",
      root: "/",
      number: "1:1",
      mountOptions: [],
      filesystemOptions: [],
    };
    expect(mountOf([mount, { ...mount, source: "y" }], "/a/b")?.source).toBe("y");
  });
});
