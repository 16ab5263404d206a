import { describe, expect, it } from "vitest";
import { Session } from "../../../../providers/engine/session.ts";
import type { Section } from "../../../../setup/adopt/draft.ts";
import { printNotes } from "../../../../setup/adopt/print.ts";
import { settle, type Settled } from "../../../../setup/adopt/settle.ts";
import { declaredBy } from "../../../../setup/declared.ts";
import { StackOnHost } from "../../../support/engine.ts";
import { devMachine, FakeHost, type Machine } from "../../../support/fakeHost.ts";

const NVME = "/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_JTSNVME0001";
const connection = { host: "192.168.1.100", hostKey: `ssh-ed25519 ${"A".repeat(68)}` };
const hot = (redisSize: string) => ({
  device: { path: NVME, size: 4000787030016, serial: "JTSNVME0001" },
  volumes: {
    postgres: { size: "100GiB", filesystem: "xfs", mountPoint: "/srv/postgres", options: ["nofail"], folders: [] },
    redis: { size: redisSize, filesystem: "ext4", mountPoint: "/srv/redis", options: ["nofail"], folders: [] },
  },
  tree: false,
});

/** Settles the hot tier as the draft on a host that was made so, and changed since. */
async function settled(section: Section, change: (machine: Machine) => void = () => undefined): Promise<Settled> {
  const host = new FakeHost(devMachine());
  const made = { connection, packages: false, tuning: false, hot: { ...section, snapshotReserve: 0 } };
  expect(await new StackOnHost(await declaredBy({ hosts: { fake: made } }), host).up()).toEqual([]);
  change(host.machine);
  return settle(new Session(host), connection, { sections: { hot: section }, notes: [] });
}

describe("what adopt declares of a host", () => {
  it("is the draft, where the host is so already", async () => {
    const { section, notes, steps } = await settled(hot("50GiB"));
    expect(section.hot).toEqual(hot("50GiB"));
    expect(notes.filter(({ kind }) => kind === "obstacle")).toEqual([]);
    expect(steps).toEqual([]);
  });

  it("is all volumes of a full group, without room for snapshots", async () => {
    const full = hot("3626GiB");
    const { section, notes } = await settled(full);
    expect(section.hot).toEqual({ ...full, snapshotReserve: 0 });
    expect(notes).toContainEqual(
      expect.objectContaining({
        kind: "advice",
        text: expect.stringMatching(/^no room is kept .* snapshots: /) as string,
      }),
    );
    expect(notes.filter(({ kind }) => kind === "obstacle")).toEqual([]);
  });

  it("is less where something differs, and obstacles come in the order in which they go away", async () => {
    const { section, notes } = await settled(hot("50GiB"), (machine) => {
      machine.files["/srv/postgres"]!.mode = "777";
      machine.mounts = machine.mounts.filter(({ target }) => target !== "/srv/redis");
    });
    expect(section.hot).toBeUndefined();
    expect(printNotes(notes).filter((line) => /^\d\. /.test(line))).toEqual([
      expect.stringMatching(/^1\. hot-redis-mount: /),
      expect.stringMatching(/^2\. hot-postgres-folders: /),
    ]);
  });
});
