/** Whatever is cut, killed, away or full: an error that says what to do, nothing half-forgotten, and the next `up` finishes. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as lab from "../../lab/lab.ts";
import { hotWith, LabStack, only, warmAlone, type HostSection } from "../support/labStack.ts";

const on = async (command: string) => (await lab.run("storage-host", command)).stdout;
const fstab = () => on("sha256sum </etc/fstab");

let stack: LabStack;

beforeAll(async () => {
  await lab.reset();
  stack = await LabStack.select({ user: "jts" });
});

describe("two stacks that work on one host at the same time", () => {
  it("wait for each other, say so, and each line of fstab is whole", async () => {
    const other = await LabStack.select({ name: "other", user: "jts" });
    await stack.configure(warmAlone());
    await other.configure(hotWith({ redis: { size: "1GiB" }, kafka: { size: "20GiB" } }));
    // Held until both have asked for it, so that both must wait.
    await on("systemd-run --quiet --unit=writer flock /run/jts-storage.lock sleep 25");
    const outcomes = await Promise.all([stack.up(), other.up()]);
    for (const { said } of outcomes) expect(said).toContain("another writer is at work there; waiting for it");
    expect(await on("grep --count x-jts-storage /etc/fstab; findmnt --verify >/dev/null; echo $?")).toBe("6\n0");
    expect(await Promise.all([stack.up({ refresh: true }), other.up({ refresh: true })])).toMatchObject([{ changes: {} }, { changes: {} }]);
    await Promise.all([stack.destroy(), other.destroy()]);
    expect(await on("grep --count x-jts-storage /etc/fstab || true")).toBe("0");
  });
});

describe("a host that doesn't let us work", () => {
  const OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUEmB3NIQFNsmo4Kd7wgO3T6Dm4vFf7vRk1Y0bqW";
  const connection = (change: Record<string, unknown>) => (host: HostSection) => {
    warmAlone()(host);
    host.connection = { ...(host.connection as object), ...change };
  };

  beforeAll(async () => {
    await stack.configure(warmAlone());
    await stack.up();
    await on("useradd --create-home asked && cp --recursive /home/jts/.ssh /home/asked/ && chown --recursive asked:asked /home/asked/.ssh");
  });
  afterAll(async () => {
    await stack.configure(warmAlone());
    await stack.destroy();
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ["another host key", { hostKey: OTHER_KEY }, /could not be reached: .*[Hh]ost key.*\n *Next: ssh /s],
    ["a user that it doesn't know", { user: "nobody-here" }, /could not be reached: .*Permission denied.*\n *Next: ssh /s],
    ["a port where nobody answers", { port: 1 }, /could not be reached: .*refused.*\n *Next: ssh /s],
    ["a user of whom sudo wants a password", { user: "asked" }, /asked can't become root without a password: .*\n *Next: visudo/s],
  ])("%s: an error with the next command to try, and state and host as before", async (_what, change, expected) => {
    const before = [await fstab(), JSON.stringify(await stack.state())];
    await stack.configure(connection(change));
    expect(await stack.refusal(() => stack.up({ refresh: true }))).toMatch(expected);
    expect([await fstab(), JSON.stringify(await stack.state())]).toEqual(before);
  });

  it("one that hangs is given up within its timeout", async () => {
    await stack.configure(connection({ timeoutSeconds: 10 }));
    const before = JSON.stringify(await stack.state());
    await lab.freeze("storage-host");
    const began = Date.now();
    // Its own count of connections would hang too.
    const error = await stack.upWithFault(Number.POSITIVE_INFINITY, () => Promise.resolve(), { refresh: true });
    const seconds = (Date.now() - began) / 1000;
    await lab.thaw("storage-host");
    expect(error?.message).toMatch(/could not be reached/);
    expect(seconds).toBeLessThan(60);
    expect(JSON.stringify(await stack.state())).toBe(before);
  });

  it.each<[string, string, string, RegExp]>([
    ["without a tool", "mv /usr/sbin/lvm /usr/sbin/lvm.away", "mv /usr/sbin/lvm.away /usr/sbin/lvm", /exit code 127: .*lvm: command not found.*\n *Next: install on the host what has lvm/s],
    ["with a read-only root", "mount --options remount,ro /", "mount --options remount,rw /", /Read-only file system/],
    ["with a full root", "fallocate --length $(($(stat --file-system --format='%f * %S' /) - 8 * 1048576)) /filler; dd if=/dev/zero of=/filler2 bs=64k status=none || true; df /", "rm /filler /filler2", /No space left on device/],
  ])("one %s: an error that says so, fstab whole, and the next `up` finishes", async (_what, breakIt, mendIt, expected) => {
    await stack.configure(warmAlone({ alsoAt: "/data/also" }));
    const before = await fstab();
    await on(breakIt);
    try {
      expect(await stack.refusal(() => stack.up({ refresh: true }))).toMatch(expected);
      expect(await fstab()).toBe(before);
    } finally {
      await on(mendIt);
    }
    await stack.up({ refresh: true });
    expect(await on("findmnt --noheadings --output FSTYPE /data/also")).toBe("btrfs");
    await stack.configure(warmAlone());
    await stack.up();
  });
});

describe("a boot", () => {
  it("without the disks and without the NAS is as quick as any; what needs them stays down, says why, and writes nothing", async () => {
    await stack.configure((host) => {
      only("hot", "warm", "cold", "automation")(host);
      host.hot = { ...(host.hot as object), volumes: { redis: { size: "1GiB" } } };
      host.warm = { ...(host.warm as object), options: ["autodefrag", "x-systemd.device-timeout=20s"] };
    });
    await stack.up();
    const booted = async (boot: () => Promise<void>) => {
      const began = Date.now();
      await boot();
      return (Date.now() - began) / 1000;
    };
    const usual = await booted(() => lab.reboot("storage-host", { hard: true }));
    await lab.stop("nas", { hard: true });
    const without = await booted(() => lab.rebootWithout(["nvme", "sata"]));
    // The start-up's own end waits for mounts; logging in doesn't.
    expect(without).toBeLessThan(2 * usual + 30);
    expect(await on("findmnt --list --noheadings --types btrfs,nfs --output TARGET; grep --count x-jts-storage /etc/fstab")).toBe("5");
    const { stderr } = await lab.run("storage-host", "systemctl start tiered-storage.service", { mayFail: true, timeoutSeconds: 400 });
    expect(stderr).toMatch(/dependency/);
    expect(await on("journalctl --boot --output=cat --unit=tiered-storage.service --unit=data-warm\\\\x2dstorage.mount")).toMatch(/Dependency failed/);
    for (const point of ["/var/lib/redis", "/data/warm-storage", "/mnt/synology"]) {
      expect((await lab.run("storage-host", `touch ${point}/file`, { mayFail: true })).stderr).toContain("Operation not permitted");
    }
    // They are not taken for gone.
    const before = (await stack.state()).length;
    await stack.refusal(() => stack.up({ refresh: true }));
    expect((await stack.state()).length).toBe(before);

    await lab.up();
    await lab.reboot("storage-host", { hard: true });
    await stack.up({ refresh: true });
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    await stack.destroy();
  });
});
