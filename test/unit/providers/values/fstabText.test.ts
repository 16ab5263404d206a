import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  findEntries,
  findEntry,
  foreignMountPoints,
  OURS,
  plainPath,
  plainSource,
  printEntry,
  putEntry,
  removeEntry,
  type FstabEntry,
} from "../../../../providers/values/fstabText.ts";

const warm: FstabEntry = {
  source: "LABEL=jts-warm-storage",
  mountPoint: "/data/warm-storage",
  type: "btrfs",
  options: ["noatime", "nofail"],
  dump: 0,
  pass: 0,
};

/** Characters that fstab(5) has to escape, or that editors leave behind. */
const character = fc.constantFrom(..." \t\n\r\\#,=:/aZ09ä€🗄\u00a0\u2028\v\f".split(""), "🗄");
const text = (minLength = 0) => fc.string({ unit: character, minLength, maxLength: 12 });
const option = text(1).filter((one) => !one.includes(","));
const entry: fc.Arbitrary<FstabEntry> = fc.record({
  source: text(1),
  mountPoint: text().map((name) => `/mnt/${name}`),
  type: fc.constantFrom("ext4", "xfs", "btrfs", "nfs", "none"),
  options: fc.array(
    option.filter((one) => one !== OURS),
    { minLength: 1, maxLength: 4 },
  ),
  dump: fc.constantFrom(0, 1),
  pass: fc.constantFrom(0, 1, 2),
});

/** Texts as they become over the years: comments, tabs, four fields, carriage returns, escapes, no final line end. */
const foreignLine = fc.oneof(
  fc.constantFrom(
    "",
    "   ",
    "# /etc/fstab: static file system information.",
    "#UUID=old /data/warm-storage ext4 defaults 0 2",
    "LABEL=root / ext4 errors=remount-ro 0 1",
    "UUID=3c1f\t/boot\text4\tdefaults\t0\t2",
    "/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto",
    "proc /proc proc",
    "//nas/share /mnt/my\\040share cifs credentials=/root/.smb,_netdev 0 0 # the office",
    "half a line",
  ),
  text().map((junk) => junk.replaceAll("\n", "")),
);
const foreignText = fc
  .tuple(
    fc.array(fc.tuple(foreignLine, fc.constantFrom("\n", "\r\n")), { maxLength: 6 }),
    fc.option(foreignLine, { nil: "" }),
  )
  .map(([lines, last]) => lines.map((line) => line.join("")).join("") + last);

describe("putEntry and removeEntry", () => {
  it("give the original bytes back when an entry is put and then removed, whatever else the file holds", () => {
    fc.assert(
      fc.property(foreignText, entry, (original, added) => {
        fc.pre(findEntry(original, added.mountPoint) === undefined);
        const changed = putEntry(original, added);
        expect(changed).not.toBe(original);
        expect(removeEntry(changed, added.mountPoint)).toBe(original);
      }),
      { numRuns: 1000 },
    );
  });

  it("leave the lines of other mount points byte for byte as they are", () => {
    fc.assert(
      fc.property(foreignText, entry, entry, (original, one, other) => {
        fc.pre(
          plainPath(one.mountPoint) !== plainPath(other.mountPoint) &&
            [one, other].every(({ mountPoint }) => findEntry(original, mountPoint) === undefined),
        );
        const both = putEntry(putEntry(original, one), other);
        expect(removeEntry(removeEntry(both, one.mountPoint), other.mountPoint)).toBe(original);
        expect(removeEntry(both, one.mountPoint)).toBe(putEntry(original, other));
      }),
    );
  });

  it("change nothing when the entry already exists", () => {
    fc.assert(
      fc.property(foreignText, entry, (original, added) => {
        const text = putEntry(original, added);
        expect(putEntry(text, added)).toBe(text);
      }),
    );
  });

  it("replace our line in its place when an option changes", () => {
    const before = putEntry("LABEL=root / ext4 defaults 0 1\n", warm);
    const after = putEntry(`${before}tmpfs /tmp tmpfs defaults 0 0`, { ...warm, options: ["noatime"] });
    expect(after.split("\n")).toEqual([
      "LABEL=root / ext4 defaults 0 1",
      `LABEL=jts-warm-storage /data/warm-storage btrfs noatime,${OURS} 0 0`,
      "tmpfs /tmp tmpfs defaults 0 0",
    ]);
  });

  it("keep a last line without a line end in last place", () => {
    expect(putEntry("proc /proc proc", warm)).toBe(
      `${printEntry({ ...warm, options: [...warm.options, OURS] })}\nproc /proc proc`,
    );
  });

  it("never remove a foreign line of the same mount point", () => {
    const foreign = "LABEL=other /data/warm-storage ext4 defaults 0 2\n";
    expect(removeEntry(foreign, warm.mountPoint)).toBe(foreign);
  });
});

describe("findEntry", () => {
  it("reads back every entry that putEntry wrote, whatever characters its fields hold", () => {
    fc.assert(
      fc.property(foreignText, entry, (original, added) => {
        expect(findEntry(putEntry(original, added), added.mountPoint)).toEqual({ entry: added, isOurs: true });
      }),
      { numRuns: 1000 },
    );
  });

  it("reads a line with three or four fields, tabs, an escaped space and a carriage return", () => {
    const found = findEntry("\tUUID=3c1f\t/mnt/my\\040disk \text4\tro,noauto\r\n", "/mnt/my disk");
    expect(found).toEqual({
      entry: {
        source: "UUID=3c1f",
        mountPoint: "/mnt/my disk",
        type: "ext4",
        options: ["ro", "noauto"],
        dump: 0,
        pass: 0,
      },
      isOurs: false,
    });
    expect(findEntry("proc /proc proc", "/proc")?.entry.options).toEqual(["defaults"]);
  });

  it("does not read a comment as an entry", () => {
    expect(findEntry("#LABEL=a /data ext4 defaults 0 0\n  # LABEL=a /data ext4\n", "/data")).toBeUndefined();
  });
});

describe("a mount point in another spelling", () => {
  const line = (mountPoint: string) => `LABEL=old ${mountPoint} btrfs defaults,nofail 0 0\n`;

  it.each([
    ["a final slash", "/data/warm-storage/", "/data/warm-storage"],
    ["doubled slashes", "//data//warm-storage", "/data/warm-storage"],
    ["`.` and `..`", "/data/./x/../warm-storage", "/data/warm-storage"],
    ["bytes of UTF-8 in octal", String.raw`/data/caf\303\251`, "/data/café"],
    ["a tab and a backslash in octal", String.raw`/data/a\011b\134c`, "/data/a\tb\\c"],
    ["a backslash in octal before digits", String.raw`/data/\134303`, "/data/\\303"],
  ])(
    "is the same line, with %s: it is replaced in its place, and no second one is written",
    (_what, written, point) => {
      const text = `proc /proc proc\n${line(written)}tmpfs /tmp tmpfs\n`;
      expect(findEntry(text, point)).toMatchObject({ entry: { source: "LABEL=old" }, isOurs: false });
      const put = putEntry(text, { ...warm, mountPoint: point });
      expect(put.split("\n")).toEqual([
        "proc /proc proc",
        printEntry({ ...warm, mountPoint: point, options: [...warm.options, OURS] }),
        "tmpfs /tmp tmpfs",
        "",
      ]);
    },
  );

  it("is ours to remove where somebody wrote a slash at the end of our line", () => {
    const text = line("/data/warm-storage/").replace("nofail", `nofail,${OURS}`);
    expect(removeEntry(`proc /proc proc\n${text}`, warm.mountPoint)).toBe("proc /proc proc\n");
  });

  it("that goes by a symbolic link is replaced in its place too", () => {
    const resolve = (point: string) => (point === "/warm" ? "/data/warm-storage" : point);
    expect(findEntries(line("/warm"), warm.mountPoint)).toEqual([]);
    expect(findEntries(line("/warm"), warm.mountPoint, resolve)).toHaveLength(1);
    expect(putEntry(line("/warm"), warm, resolve)).toBe(
      `${printEntry({ ...warm, options: [...warm.options, OURS] })}\n`,
    );
  });

  it("finds all lines that mean it, first to last", () => {
    const text = line("/data/warm-storage/") + line("/data/other") + putEntry("", warm);
    expect(findEntries(text, warm.mountPoint).map(({ isOurs }) => isOurs)).toEqual([false, true]);
  });

  it("isn't that of swap, which has none", () => {
    const text = "UUID=1 none swap sw 0 0\nUUID=2 swap swap defaults\nLABEL=a /mnt/a/ ext4 noauto\n";
    expect(findEntries(text, "/none")).toEqual([]);
    expect(foreignMountPoints(text + putEntry("", warm))).toEqual(["/mnt/a"]);
  });
});

describe("plainSource", () => {
  it.each([
    ["nas:/export/", "nas:/export"],
    ["NAS.lan://volume1//x/", "nas.lan:/volume1/x"],
    ["nas:/", "nas:/"],
    ["[FD00::1]:/x/", "[fd00::1]:/x"],
    ["/srv/data/", "/srv/data"],
    ["/dev//vg/lv", "/dev/vg/lv"],
    ['LABEL="a b"', "LABEL=a b"],
    ['UUID="3c1f"', "UUID=3c1f"],
    ["LABEL=a/b", "LABEL=a/b"],
    ["//server/Share/", "//server/Share/"],
    ["tmpfs", "tmpfs"],
  ])("has %s as %s", (source, plain) => {
    expect(plainSource(source)).toBe(plain);
  });
});

describe("printEntry", () => {
  it("escapes what would end a field as getmntent(3) reads it", () => {
    expect(
      printEntry({
        source: "#1\\a",
        mountPoint: "/mnt/a b\tc\nd\re",
        type: "none",
        options: ["bind"],
        dump: 0,
        pass: 0,
      }),
    ).toBe(String.raw`\0431\134a /mnt/a\040b\011c\012d\015e none bind 0 0`);
  });

  it("refuses a NUL, which no file name can hold", () => {
    expect(() => printEntry({ ...warm, mountPoint: "/mnt/\0" })).toThrow("NUL");
  });
});
