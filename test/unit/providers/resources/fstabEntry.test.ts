import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Ask } from "../../../../providers/facts/fact.ts";
import { mounts, optionsInForce, type Mount } from "../../../../providers/facts/mounts.ts";
import { fstabEntry } from "../../../../providers/resources/fstabEntry.ts";
import { printEntry, putEntry, removeEntry } from "../../../../providers/values/fstabText.ts";
import { fixture } from "../../../fixtures/fixture.ts";
import { NOTHING_ELSE } from "../../../support/kinds/fstabEntry.ts";
import { read } from "./steps.ts";

type Inputs = Parameters<typeof fstabEntry.plan>[0];
type Seen = Parameters<typeof fstabEntry.plan>[1];

const before = "LABEL=root / ext4 errors=remount-ro 0 1\n";
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const desired: Inputs = {
  host: "h",
  source: "/dev/vg_jts/lv_redis",
  mountPoint: "/var/lib/redis",
  type: "ext4",
  options: ["noatime", "nofail", "data=writeback"],
  dump: 0,
  pass: 2,
};
const mount: Mount = {
  target: "/var/lib/redis",
  source: "/dev/mapper/vg_jts-lv_redis",
  type: "ext4",
  root: "/",
  number: "253:6",
  mountOptions: ["rw", "noatime"],
  filesystemOptions: ["rw", "data=writeback"],
};
const absent: Seen = {
  text: before,
  found: undefined,
  mount: undefined,
  ...NOTHING_ELSE,
  isSource: false,
  isSameSource: false,
  made: new Set(),
};
/** What mount-entry checks: our line, as one argument. */
const line = `'${printEntry(desired)}'`;
const ours = { entry: desired, isOurs: true };
const made: Seen = {
  text: putEntry(before, desired),
  found: ours,
  mount,
  ...NOTHING_ELSE,
  isSource: true,
  isSameSource: true,
  made: new Set(["immutable /var/lib/redis"]),
};

describe("the plan of an fstab entry", () => {
  it("refuses a mount point that a unit file of somebody is for, which goes before fstab at each boot", () => {
    const unitFile = "/etc/systemd/system/var-lib-redis.mount";
    for (const seen of [absent, { ...made, found: undefined }]) {
      const { refusals = [], steps } = fstabEntry.plan(desired, { ...seen, unitFile });
      expect([steps, refusals.map(({ found }) => found)]).toEqual([
        [],
        [
          `a unit file of systemd says what is mounted at /var/lib/redis at each boot, whatever fstab says: ${unitFile}`,
        ],
      ]);
      expect(refusals[0]?.next).toContain(`systemctl disable var-lib-redis.mount; mv ${unitFile} ${unitFile}.before`);
    }
    expect(read(fstabEntry.plan(desired, { ...made, unitFile }))).toEqual([]);
  });

  it("writes the line and mounts in one step, only if fstab is still as it was seen", () => {
    const plan = fstabEntry.plan(desired, absent);
    expect(read(plan)).toEqual([`safe: mount-entry /var/lib/redis mount ${sha256(before)} ${line}`]);
    expect(plan.steps[0]).toMatchObject({
      command: { stdin: `${made.text}\0` },
      owesReload: true,
      summary: "write the line of /var/lib/redis into fstab and mount /var/lib/redis",
    });
  });

  it("is not absent while its mount point exists, which a failed first mount leaves and which is removed with it", () => {
    expect(fstabEntry.isAbsent(desired, absent)).toBe(true);
    for (const left of ["immutable /var/lib/redis", "directory /var/lib/redis"]) {
      const half = { ...absent, made: new Set([left]) };
      expect(fstabEntry.isAbsent(desired, half)).toBe(false);
      expect(read(fstabEntry.planDestroy({ ...desired, id: "h:/var/lib/redis" }, half))).toEqual([
        `interrupts-service: unmount-entry /var/lib/redis ${sha256(before)}`,
      ]);
    }
  });

  it("has no step where the line is ours and its mount is as declared", () => {
    expect(read(fstabEntry.plan(desired, made))).toEqual([]);
  });

  it.each<[string, Partial<Seen>, string]>([
    ["mounts what isn't mounted", { mount: undefined }, "safe: mount-entry /var/lib/redis mount"],
    [
      "writes the line of a filesystem that is mounted already",
      { text: before, found: undefined },
      "safe: mount-entry /var/lib/redis none",
    ],
    [
      "remounts for a flag",
      { mount: { ...mount, mountOptions: ["rw", "relatime"] } },
      "safe: mount-entry /var/lib/redis remount",
    ],
    [
      "remounts what fell back to read-only",
      { mount: { ...mount, mountOptions: ["ro", "noatime"] } },
      "safe: mount-entry /var/lib/redis remount,rw",
    ],
    [
      "unmounts and mounts for data=, which can't be remounted",
      { mount: { ...mount, filesystemOptions: ["rw"] } },
      "interrupts-service: mount-entry /var/lib/redis replace",
    ],
    [
      "unmounts another source than the one that our line has now",
      { isSource: false },
      "interrupts-service: mount-entry /var/lib/redis replace",
    ],
    [
      "takes over a foreign line of the same source",
      { found: { entry: { ...desired, options: ["defaults"] }, isOurs: false } },
      "safe: mount-entry /var/lib/redis none",
    ],
  ])("%s", (_what, seen, expected) => {
    const [step] = read(fstabEntry.plan(desired, { ...made, ...seen }));
    expect(step).toBe(`${expected} ${sha256(seen.text ?? made.text)} ${line}`);
  });

  it("unmounts and mounts an XFS for its log buffers, and only remounts it for flags", () => {
    const xfs: Inputs = { ...desired, type: "xfs", options: ["noatime", "logbufs=8", "largeio"], pass: 0 };
    const seen = (mountOptions: string[], filesystemOptions: string[]): Seen => ({
      ...made,
      found: { entry: xfs, isOurs: true },
      mount: { ...mount, type: "xfs", mountOptions, filesystemOptions },
    });
    expect(read(fstabEntry.plan(xfs, seen(["rw", "noatime"], ["rw", "logbufs=8"])))[0]).toContain(
      "mount-entry /var/lib/redis replace",
    );
    expect(read(fstabEntry.plan(xfs, seen(["rw"], ["rw", "logbufs=8", "largeio"])))[0]).toContain(
      "mount-entry /var/lib/redis remount",
    );
  });

  it("refuses a foreign line of another source, and a foreign mount", () => {
    const theirs = { ...desired, source: "LABEL=theirs", options: ["defaults"] };
    expect(read(fstabEntry.plan(desired, { ...absent, found: { entry: theirs, isOurs: false } }))).toEqual([
      `refused: /etc/fstab already has a line for /var/lib/redis: ${printEntry(theirs)}`,
    ]);
    expect(read(fstabEntry.plan(desired, { ...absent, mount: { ...mount, source: "/dev/sdc" } }))).toEqual([
      "refused: /dev/sdc is mounted at /var/lib/redis",
    ]);
  });
});

describe("an fstab entry that the state doesn't have yet", () => {
  it("never takes the mount point of another resource of ours, and says how to keep the old volume", () => {
    const other = { ...ours, entry: { ...ours.entry, source: "/dev/vg_jts/lv_postgres" } };
    const refusals = fstabEntry.refuseCreate!(desired, { ...made, found: other, isSameSource: false, isSource: false });
    expect(refusals.map(({ found }) => found)).toEqual([
      `/var/lib/redis is already the mount point of another resource, by its line in /etc/fstab: ${printEntry(other.entry)}`,
    ]);
    expect(refusals[0]?.next).toMatch(/^if a volume's key was changed, write the old key again/);
  });

  it("takes a line of ours with its own source, in any spelling, and leaves foreign lines to the plan", () => {
    for (const found of [undefined, ours, { ...ours, isOurs: false }])
      expect(fstabEntry.refuseCreate!(desired, { ...made, found, isSameSource: true })).toEqual([]);
    const theirs = { ...ours, isOurs: false };
    expect(fstabEntry.refuseCreate!(desired, { ...made, found: theirs, isSameSource: false })).toEqual([]);
  });
});

describe("the removal of an fstab entry", () => {
  it("unmounts and takes the line out in one step, only if fstab is still as it was seen", () => {
    const plan = fstabEntry.planDestroy(desired, made);
    expect(read(plan)).toEqual([`interrupts-service: unmount-entry /var/lib/redis ${sha256(made.text)}`]);
    expect(plan.steps[0]?.command.stdin).toBe(`${removeEntry(made.text, desired.mountPoint)}\0`);
    expect(plan.steps[0]?.command.stdin).toBe(`${before}\0`);
  });

  it("has no step where nothing of it exists, and leaves a foreign line and a foreign mount", () => {
    expect(read(fstabEntry.planDestroy(desired, absent))).toEqual([]);
    expect(read(fstabEntry.planDestroy(desired, { ...absent, found: { ...ours, isOurs: false }, mount }))).toEqual([]);
  });

  it.each<[string, Partial<Seen>]>([
    ["a mount whose line is gone", { mount, isSource: true }],
    ["a mount point that we made", { made: new Set(["directory /var/lib/redis"]) }],
    ["a mount point that is still immutable", { made: new Set(["immutable /var/lib/redis"]) }],
  ])("finishes with %s", (_what, seen) => {
    expect(fstabEntry.planDestroy(desired, { ...absent, ...seen }).steps).toHaveLength(1);
  });
});

describe("the look at an fstab entry", () => {
  const all = mounts.parse(fixture("findmnt-jts.json"), undefined);
  const text = fixture("fstab-jts.txt").stdout;
  const redis = { path: "/dev/dm-6", number: all.find(({ target }) => target === "/var/lib/redis")!.number };
  const sata = { path: "/dev/sda2", number: "8:2" };
  const links = new Map([
    ["/dev/disk/by-label/jts-warm-storage", "../../sda2"],
    ["/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_JTSSATA0001-part2", "../../sda2"],
    ["/dev/vg_jts/lv_redis", "../dm-6"],
    ["/dev/mapper/vg_jts-lv_redis", "../dm-6"],
  ]);
  const ask = (changes: Record<string, unknown> = {}): Ask => {
    const answers: Record<string, unknown> = {
      "/etc/fstab": text,
      "the mounts": all,
      "the ledger of what was made": new Set(),
      "the links to devices": links,
      "the links to devices by what is on them": links,
      "where the mount points of fstab lead": new Map(),
      "the labels of filesystems": [],
      "the unit": { path: "/run/systemd/generator/var-lib-redis.mount" },
      "the block devices": new Map([redis, sata].map((device) => [device.path, device])),
      ...changes,
    };
    return ((fact: { name: string }) => Promise.resolve(answers[fact.name])) as Ask;
  };
  const look = (changes: Partial<Inputs>, answers?: Record<string, unknown>) =>
    fstabEntry.observe(ask(answers), { ...desired, ...changes });

  it.each<[string, Partial<Inputs>]>([
    ["a volume, mounted by its other name", {}],
    [
      "a label, mounted by the name of its device",
      { source: "LABEL=jts-warm-storage", mountPoint: "/data/warm-storage", type: "btrfs" },
    ],
    [
      "a bind mount of a filesystem's root",
      { source: "/var/lib/redis", mountPoint: "/data/jts/hot/redis", type: "none", options: ["bind", "nofail"] },
    ],
    [
      "a bind mount of a btrfs",
      { source: "/data/warm-storage", mountPoint: "/data/warm", type: "none", options: ["bind", "nofail"] },
    ],
  ])("recognizes %s as the declared source", async (_what, changes) => {
    expect(await look(changes)).toMatchObject({ isSource: true, isSameSource: true, found: { isOurs: true } });
  });

  it.each<[string, Partial<Inputs>]>([
    ["another volume", { mountPoint: "/var/lib/mongodb" }],
    ["a source that isn't there now", { source: "LABEL=gone" }],
    [
      "a bind mount of another folder of the same filesystem",
      { source: "/var/lib/redis/data", mountPoint: "/data/jts/hot/redis", type: "none", options: ["bind"] },
    ],
    [
      "a bind mount of another filesystem",
      { source: "/var/lib/mongodb", mountPoint: "/data/jts/hot/redis", type: "none", options: ["bind"] },
    ],
  ])("recognizes %s as another source", async (_what, changes) => {
    expect(await look(changes)).toMatchObject({ isSource: false });
  });

  it("recognizes a bind mount of a folder below a mount, and below the root", async () => {
    const bind = { ...mount, target: "/data/b", mountOptions: [], filesystemOptions: [] };
    const bound = (source: string, shown: Partial<Mount>) =>
      look(
        { source, mountPoint: "/data/b", type: "none", options: ["bind"] },
        { "the mounts": [...all, { ...bind, ...shown }] },
      );
    expect(await bound("/var/lib/redis/data", { root: "/data" })).toMatchObject({ isSource: true });
    expect(await bound("/srv/x", { root: "/srv/x", number: "254:0" })).toMatchObject({ isSource: true });
    expect(await bound("/srv", { root: "/srv/x", number: "254:0" })).toMatchObject({ isSource: false });
  });

  it.each([
    ["a final slash", "LABEL=jts-warm-storage /data/warm-storage/ btrfs defaults,nofail 0 0\n"],
    ["quotes", 'LABEL="jts-warm-storage" //data/warm-storage btrfs noauto 0 0\n'],
    ["another path of the device", "/dev/disk/by-label/jts-warm-storage /data/./warm-storage btrfs noauto 0 0\n"],
  ])("takes over a line with %s in its place: there is no second one", async (_what, line) => {
    const warm = {
      source: "LABEL=jts-warm-storage",
      mountPoint: "/data/warm-storage",
      type: "btrfs",
      options: ["nofail"],
    };
    const { steps } = fstabEntry.plan(
      { ...desired, ...warm, pass: 0 },
      await look(warm, { "/etc/fstab": `${before}${line}` }),
    );
    expect(steps[0]?.command.stdin).toBe(
      `${before}LABEL=jts-warm-storage /data/warm-storage btrfs nofail,x-jts-storage 0 0\n\0`,
    );
  });

  it("refuses a line of another disk whose mount point has a final slash, which boot would take", async () => {
    const warm = {
      source: "LABEL=jts-warm-storage",
      mountPoint: "/data/warm-storage",
      type: "btrfs",
      options: ["nofail"],
    };
    const seen = await look(warm, { "/etc/fstab": "LABEL=old-disk /data/warm-storage/ btrfs defaults,nofail 0 0\n" });
    expect(read(fstabEntry.plan({ ...desired, ...warm }, seen))).toEqual([
      "refused: /etc/fstab already has a line for /data/warm-storage: LABEL=old-disk /data/warm-storage/ btrfs defaults,nofail 0 0",
    ]);
  });

  it("refuses a label that two filesystems have, of which a boot may mount the other one", async () => {
    const warm = { source: "LABEL=jts-warm-storage", mountPoint: "/data/warm-storage", type: "btrfs" };
    const named = (...uuids: readonly (string | undefined)[]) => ({
      "the labels of filesystems": [
        { device: "/dev/sdz", label: "another", uuid: "z" },
        ...uuids.map((uuid, index) => ({ device: `/dev/sd${"ab"[index]}`, label: "jts-warm-storage", uuid })),
      ],
    });
    const refused = async (...uuids: readonly string[]) =>
      fstabEntry.plan({ ...desired, ...warm }, await look(warm, named(...uuids))).refusals?.map(({ found }) => found);
    expect(await refused("u1", "u2")).toEqual([
      "LABEL=jts-warm-storage means 2 filesystems, of which a boot may mount any at /data/warm-storage: /dev/sda (UUID u1), /dev/sdb (UUID u2)",
    ]);
    // A filesystem on several devices, or a volume and its snapshot.
    expect(await refused("u1", "u1")).toBeUndefined();
    expect(await refused("u1")).toBeUndefined();
  });

  it("sees a unit file of somebody by which systemd mounts there, not what it makes of fstab, and only where no line is ours", async () => {
    const of = async (mountPoint: string, path: string | Error) => {
      const answer = path instanceof Error ? Promise.reject(path) : { path };
      return (await look({ source: "/dev/vg_jts/lv_redis", mountPoint }, { "the unit": answer })).unitFile;
    };
    const theirs = "/etc/systemd/system/data-other.mount";
    expect(await of("/data/other", theirs)).toBe(theirs);
    expect(await of("/var/lib/redis", theirs)).toBeUndefined();
    expect(await of("/data/other", "/run/systemd/generator/data-other.mount")).toBeUndefined();
    expect(await of("/data/other", "")).toBeUndefined();
    expect(await of("/data/other", new Error("systemd doesn't answer"))).toBeUndefined();
  });

  it("asks where other mount points lead only for those that nothing is mounted at, on no server", async () => {
    const asked: (readonly string[])[] = [];
    const foreign =
      "LABEL=a / ext4\nLABEL=b /warm btrfs noauto\nnas:/y /mnt/synology/y nfs noauto\n/x /var/lib/redis/ none bind\n";
    const answer = ask({ "/etc/fstab": foreign });
    const watched = ((fact: { name: string }, args: readonly string[]) => {
      if (fact.name !== "where the mount points of fstab lead") return answer(fact as never, args);
      asked.push(args);
      return Promise.resolve(new Map([["/warm", "/data/warm-storage"]]));
    }) as Ask;
    const warm = { source: "LABEL=jts-warm-storage", mountPoint: "/data/warm-storage", type: "btrfs" };
    const seen = await fstabEntry.observe(watched, { ...desired, ...warm });
    expect(asked).toEqual([["/warm"]]);
    expect(seen.found?.entry.source, "a link to our mount point").toBe("LABEL=b");
  });

  it("finds a mount of only a folder of the device to be another one than the declared filesystem", async () => {
    const folder = { ...mount, target: "/mnt/x", number: redis.number, root: "/folder" };
    expect(await look({ mountPoint: "/mnt/x" }, { "the mounts": [...all, folder] })).toMatchObject({ isSource: false });
    const subdir = { mountPoint: "/mnt/x", options: ["X-mount.subdir=folder"] };
    expect(await look(subdir, { "the mounts": [...all, folder] })).toMatchObject({ isSource: true });
    const subvolume = { ...folder, root: "/@", filesystemOptions: ["subvolid=256", "subvol=/@"] };
    expect(await look({ mountPoint: "/mnt/x" }, { "the mounts": [...all, subvolume] })).toMatchObject({
      isSource: true,
    });
  });

  it.each([
    ["over the declared one", "/var/lib/redis", "tmpfs is mounted over what was declared there, at /var/lib/redis"],
    ["over a folder above", "/var/lib", "tmpfs is mounted over /var/lib, and hides /var/lib/redis"],
  ])("refuses what somebody mounted %s, also on destroy, and unmounts nothing", async (_what, target, found) => {
    const over = { ...mount, target, source: "tmpfs", type: "tmpfs", number: "0:99" };
    const seen = await look({}, { "the mounts": [...all, over] });
    expect(read(fstabEntry.plan(desired, seen))).toEqual([`refused: ${found}`]);
    expect(read(fstabEntry.planDestroy(desired, seen))).toEqual([`refused: ${found}`]);
  });

  it("refuses what somebody mounted over the source of a bind mount, which the kernel also mounts over that", async () => {
    const over = { ...mount, source: "tmpfs", type: "tmpfs", number: "0:99", root: "/" };
    const both = ["/data/warm-storage", "/data/warm"].map((target) => ({ ...over, target }));
    const bind = { source: "/data/warm-storage", mountPoint: "/data/warm", type: "none", options: ["bind", "nofail"] };
    const seen = await look(bind, { "the mounts": [...all, ...both] });
    const found = "refused: tmpfs is mounted over what was declared there, at /data/warm";
    expect(read(fstabEntry.plan({ ...desired, ...bind }, seen))).toEqual([found]);
    expect(read(fstabEntry.planDestroy({ ...desired, ...bind }, seen))).toEqual([found]);
  });

  it("is as declared where the same filesystem is mounted over itself, as container engines do", async () => {
    const itself = all.findLast(({ target }) => target === "/var/lib/redis")!;
    expect(await look({}, { "the mounts": [...all, { ...itself }] })).toMatchObject({
      isSource: true,
      hider: undefined,
    });
  });

  it("is as declared where the filesystem has an option by itself, which its mount doesn't show", async () => {
    const options = ["noatime", "nofail", "discard", "data=writeback"];
    const bare = { ...mount, number: redis.number, filesystemOptions: ["rw"] };
    const written = { ...desired, options };
    const host = { "/etc/fstab": putEntry(before, written), "the mounts": [bare] };
    const planned = async (inForce: readonly string[]) =>
      fstabEntry.plan(written, await look({ options }, { ...host, "the options in force": inForce }));
    expect(read(await planned(["rw", "nodiscard", "data=ordered"]))).toEqual([
      expect.stringMatching(/^interrupts-service: mount-entry/),
    ]);
    expect(read(await planned(optionsInForce.parse(fixture("proc-fs-ext4-options.txt"), "")))).toEqual([]);
  });

  it("refuses two lines for one mount point, of which nothing reads the second, and names both", async () => {
    const lines =
      "LABEL=old /var/lib/redis/ ext4 nofail 0 0\n/dev/vg_jts/lv_redis /var/lib/redis ext4 noatime,x-jts-storage 0 2\n";
    const seen = await look({}, { "/etc/fstab": lines });
    expect(read(fstabEntry.plan(desired, seen))).toContainEqual(
      "refused: /etc/fstab has 2 lines for /var/lib/redis, of which only the first one counts: LABEL=old /var/lib/redis/ ext4 nofail 0 0; /dev/vg_jts/lv_redis /var/lib/redis ext4 noatime 0 2",
    );
  });

  it("treats two sources that are both missing as different ones", async () => {
    const foreign = `${before}UUID=dead /var/lib/redis ext4 defaults 0 2\n`;
    const seen = await look(
      { source: "LABEL=gone" },
      { "/etc/fstab": foreign, "the mounts": [{ ...mount, source: "/dev/sdz" }] },
    );
    expect(seen).toMatchObject({ isSameSource: false, isSource: false });
    expect(read(fstabEntry.plan({ ...desired, source: "LABEL=gone" }, seen))).toEqual([
      expect.stringContaining("refused: /etc/fstab already has a line"),
      "refused: /dev/sdz is mounted at /var/lib/redis",
    ]);
  });
});

describe("the inputs of an fstab entry", () => {
  it.each<[string, Record<string, unknown>]>([
    ["a comma in an option", { options: ["a,b"] }],
    ["a space in an option", { options: ["a b"] }],
    ["no option at all", { options: [] }],
    ["a line end in the source", { source: "LABEL=a\nLABEL=b" }],
    ["a relative mount point", { mountPoint: "data" }],
    ["a mount point with `..`", { mountPoint: "/data/../etc" }],
    ["a type with a space", { type: "ext4 defaults" }],
  ])("refuse %s", (_what, changes) => {
    expect(fstabEntry.inputs.safeParse({ ...desired, ...changes }).success).toBe(false);
    expect(fstabEntry.inputs.safeParse(desired).success).toBe(true);
  });
});

describe("a line of somebody's that is to be kept", () => {
  const kept = { ...desired, keepsLine: true };
  const theirs = (options: string, more: Partial<typeof desired> = {}): Seen => {
    const entry = { ...desired, source: "UUID=1", ...more, options: options.split(",") };
    return { ...made, text: `${before}${printEntry(entry)}\n`, found: { entry, isOurs: false } };
  };

  it.each<[string, Seen]>([
    ["in another order", theirs("data=writeback,nofail,noatime")],
    ["with defaults", theirs("defaults,noatime,nofail,data=writeback")],
    ["with what no configuration could say, since it does nothing", theirs("noatime,nofail,data=writeback,nobarrier")],
    ["of the type auto, and another pass", theirs("noatime,nofail,data=writeback", { type: "auto", pass: 1 })],
  ])("stays as it is written where it asks for the same mount: %s", (_how, seen) => {
    expect(read(fstabEntry.plan(kept, seen))).toEqual([]);
    expect(read(fstabEntry.planDestroy({ ...kept, id: "h:/var/lib/redis" }, seen))).toEqual([]);
    // Only where that was declared.
    expect(read(fstabEntry.plan(desired, seen))).toHaveLength(1);
  });

  it.each<[string, Seen]>([
    ["an option is missing", theirs("noatime,nofail")],
    ["another option is there", theirs("noatime,nofail,data=writeback,nodev")],
    ["another filesystem is named", theirs("noatime,nofail,data=writeback", { type: "xfs" })],
  ])("becomes ours where %s", (_how, seen) => {
    expect(read(fstabEntry.plan(kept, seen))).toEqual([expect.stringContaining("mount-entry /var/lib/redis none")]);
  });

  it("is no reason to leave a line of ours", () => {
    expect(read(fstabEntry.planDestroy({ ...kept, id: "h:/var/lib/redis" }, made))).toHaveLength(1);
  });
});

it("a link to the folder that a bind mount would show is that folder, and stays", () => {
  const bind = { ...desired, source: "/data/warm-storage", mountPoint: "/data/warm", type: "none", options: ["bind"] };
  const seen = { ...absent, isLink: true };
  expect(read(fstabEntry.plan(bind, seen))).toEqual([]);
  expect(fstabEntry.isAbsent(bind, seen)).toBe(false);
  expect(read(fstabEntry.planDestroy({ ...bind, id: "h:/data/warm" }, seen))).toEqual([]);
});
