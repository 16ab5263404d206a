/** How a log of dm-log-writes is read and replayed, with one that is made by hand. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const SUPPORT = join(import.meta.dirname, "../../support");
const [FLUSH, FUA, DISCARD, MARK] = [1, 2, 4, 8];
const SECTOR = 512;

interface Logged {
  readonly flags?: number;
  readonly sector?: number;
  readonly sectors?: number;
  readonly content?: string;
  readonly mark?: string;
}

/** As struct log_write_super and struct log_write_entry of the kernel's drivers/md/dm-log-writes.c are on the disk. */
function logOf(entries: readonly Logged[], { magic = 0x6a736677736872n, count = entries.length } = {}): Buffer {
  const superblock = Buffer.alloc(SECTOR);
  superblock.writeBigUInt64LE(magic, 0);
  superblock.writeBigUInt64LE(1n, 8);
  superblock.writeBigUInt64LE(BigInt(count), 16);
  superblock.writeUInt32LE(SECTOR, 24);
  return Buffer.concat([
    superblock,
    ...entries.flatMap(({ flags = 0, sector = 0, sectors = 0, content, mark = "" }) => {
      const entry = Buffer.alloc(SECTOR);
      [sector, sectors, flags, mark.length].forEach((value, index) => entry.writeBigUInt64LE(BigInt(value), 8 * index));
      entry.write(mark, 32);
      return content === undefined ? [entry] : [entry, Buffer.alloc(sectors * SECTOR, content)];
    }),
  ]);
}

const mark = (name: string): Logged => ({ flags: MARK, mark: name });
const written = (sector: number, content: string, flags = 0): Logged => ({ sector, sectors: 1, content, flags });
const flush: Logged = { flags: FLUSH };
/** On the half that is the destination. */
const FAR = (64 << 20) / SECTOR;

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "power-loss-"))));
afterEach(() => rmSync(folder, { recursive: true }));

const PREAMBLE = `
import json, os, pathlib, random, sys
sys.path.insert(0, sys.argv[1])
import powerLoss as p
path = pathlib.Path(sys.argv[2])
`;
const READ = "entries = p.read_log(path)\n";

/** What a Python program prints as JSON, with the module as `p` and the log as `path`. */
function ask(log: Buffer, program: string) {
  const path = join(folder, "log");
  writeFileSync(path, log);
  const { stdout, stderr } = spawnSync("/usr/bin/python3", ["-B", "-c", PREAMBLE + program, SUPPORT, path], {
    encoding: "utf8",
  });
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as unknown;
}

describe("a log of dm-log-writes", () => {
  it("gives each write, flush, discard and mark with its place", () => {
    const log = logOf([
      written(3, "a"),
      flush,
      mark("filled"),
      { flags: DISCARD, sector: 2, sectors: 9 },
      written(7, "b", FUA),
    ]);
    expect(
      ask(log, `${READ}print(json.dumps([[e.flags, e.offset, e.length, e.data, e.mark] for e in entries]))`),
    ).toEqual([
      [0, 3 * 512, 512, 1024, ""],
      [FLUSH, 0, 0, 2048, ""],
      [MARK, 0, 0, 2560, "filled"],
      [DISCARD, 2 * 512, 9 * 512, 3072, ""],
      [FUA, 7 * 512, 512, 3584, ""],
    ]);
  });

  it.each([
    ["another magic", logOf([], { magic: 1n }), /is not a log of dm-log-writes/],
    ["fewer entries than it says", logOf([flush], { count: 2 }), /ends before entry 1 of 2/],
    ["data cut off", logOf([written(0, "a")]).subarray(0, 1400), /ends in the midst of entry 0 of 1/],
  ])("with %s is refused", (_what, log, expected) => {
    expect(() => ask(log, `${READ}print(len(entries))`)).toThrow(expected);
  });

  it("when replayed, has in each sector what was written there last, and zeros where that was discarded", () => {
    const log = logOf([
      written(0, "a"),
      written(1, "b"),
      written(0, "c"),
      written(2, "d"),
      { flags: DISCARD, sector: 2, sectors: 1 },
    ]);
    const replay = `
fd = os.open(path.with_name("image"), os.O_RDWR | os.O_CREAT)
log = os.open(path, os.O_RDONLY)
for e in entries:
    p.apply(e, log, fd)
print(json.dumps([chr(os.pread(fd, 1, 512 * n)[0]) for n in range(3)]))`;
    expect(ask(log, READ + replay)).toEqual(["c", "b", "\0"]);
  });

  it("lists what a loss of power may leave: all up to a flush, and any part of what was not flushed, with what went through", () => {
    const log = logOf([
      written(0, "before"),
      flush,
      mark("filled"),
      written(5, "c", FUA),
      written(1, "s"),
      written(FAR, "d"),
      flush,
      written(2, "s"),
      flush,
      mark("moved"),
      written(9, "after"),
      flush,
    ]);
    const program = `
filled, moved = p.index_of(entries, "filled"), p.index_of(entries, "moved")
states = p.states_between(entries, filled, moved, random.Random(1))
print(json.dumps([[s.through, s.also] for s in states]))`;
    // Entries: 3 went through the cache, 4 is the source's, 5 the destination's, 6 and 8 are flushes.
    expect(ask(log, READ + program)).toEqual([
      [2, [3]],
      [2, [3, 4]],
      [2, [3, 5]],
      [6, []],
      [8, []],
    ]);
  });

  it("is sampled evenly, to its end", () => {
    const program = `
states = [p.State(n) for n in range(100)]
def sample(size):
    return p.sample(states, size, random.Random(1))
print(json.dumps([s.through // 20 for s in sample(5)] + [sample(5)[-1].through, len(sample(500))]))`;
    expect(ask(logOf([]), program)).toEqual([0, 1, 2, 3, 4, 99, 100]);
  });
});
