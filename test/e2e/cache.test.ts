/** What is read from the NAS is kept on a local disk, in a room of a fixed size. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import * as lab from "../../lab/lab.ts";
import { all, LabStack, only, unverified, type HostSection } from "../support/labStack.ts";

const on = async (command: string) => (await lab.run("storage-host", command, { timeoutSeconds: 900 })).stdout;
const COLD = "/mnt/synology/jts/market-data/raw";
const FILE = "/data/warm-storage/nfs-cache.ext4";
const SERVICE = "jts-storage-nfs-cache.service";
const MIB = 2 ** 20;

const uncached = all(only("warm", "cold", "automation"), unverified);
const cached = (size = "512MiB") =>
  all(uncached, (host: HostSection) => void (host.cold = { ...(host.cold as object), cache: { size } }));

/** Bytes that READ has brought from the NAS since the mount was made: proc_pid_mountstats(5). */
const bytesRead = async () =>
  Number(
    await on(`awk '/^device /{own = $5 == "/mnt/synology"} own && $1 == "READ:" {print $6}' /proc/self/mountstats`),
  );
/** A counter of /proc/fs/fscache/stats, such as `IO     : rd=12 wr=3`. */
const cacheReads = async () => Number(/^IO\s*: rd=(\d+)/m.exec(await on("cat /proc/fs/fscache/stats"))?.[1]);
const forget = () => on("sync; echo 3 >/proc/sys/vm/drop_caches");

interface Read {
  readonly seconds: number;
  readonly bytes: number;
  readonly fromCache: number;
}

/** Reads a file with an empty page cache. What is read is written to the cache meanwhile, and after it. */
async function read(name: string): Promise<Read> {
  await forget();
  const [bytes, reads] = [await bytesRead(), await cacheReads()];
  const seconds = Number(
    await on(`s=$(date +%s%N); cat ${COLD}/${name} >/dev/null; e=$(date +%s%N); echo $(((e - s) / 1000000))`),
  );
  return {
    seconds: seconds / 1000,
    bytes: (await bytesRead()) - bytes,
    fromCache: (await cacheReads()) - reads,
  };
}

/** Reads until it comes from the cache, to which a read is written while it goes on, and after it. */
const readFromCache = (name: string) =>
  vi.waitFor(
    async () => {
      const again = await read(name);
      expect(again.bytes).toBeLessThan(MIB);
      expect(again.fromCache).toBeGreaterThan(0);
      return again;
    },
    { timeout: 600_000, interval: 2000 },
  );

/** Makes a file on the NAS by its own hands, so that nothing of it is in a cache. */
const putOnNas = (name: string, mebibytes: number) =>
  lab.run("nas", `head --bytes=${mebibytes}M /dev/urandom >/volume1/cocodev/jts/market-data/raw/${name}; sync`, {
    timeoutSeconds: 900,
  });

let stack: LabStack;
beforeAll(async () => {
  await lab.blank();
  stack = await LabStack.select();
  await stack.configure(cached());
  await stack.up();
});

describe("a cache of what is read from the NAS", { tags: ["long"] }, () => {
  it("takes just its size of warm, is used by the mount, and a second `up` changes nothing", async () => {
    expect(await on(`stat --printf='%s %a ' ${FILE}; echo $(($(stat --printf='%b*%B' ${FILE}) / ${MIB}))`)).toBe(
      "536870912 600 512",
    );
    expect(await on(`lsattr ${FILE}`)).toMatch(/^-+C-+ /);
    expect(await on("findmnt --noheadings --output OPTIONS --mountpoint /mnt/synology")).toMatch(/(^|,)fsc(,|$)/);
    expect(await stack.up()).toMatchObject({ changes: {} });
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  });

  it("answers the second read of a file, before and after a boot", async () => {
    await putOnNas("second", 256);
    const first = await read("second");
    expect(first.bytes).toBeGreaterThanOrEqual(256 * MIB);
    await readFromCache("second");
    await lab.reboot("storage-host");
    await vi.waitFor(async () => expect(await on("systemctl is-active mnt-synology.mount")).toBe("active"), {
      timeout: 300_000,
      interval: 5000,
    });
    const third = await read("second");
    expect(third.bytes).toBeLessThan(MIB);
    expect(third.fromCache).toBeGreaterThan(0);
  });

  it("shows what was changed on the NAS, not what was cached before", async () => {
    await putOnNas("changed", 4);
    await read("changed");
    await putOnNas("changed", 4);
    const { stdout } = await lab.run("nas", "sha256sum </volume1/cocodev/jts/market-data/raw/changed");
    await forget();
    await vi.waitFor(async () => expect(await on(`sha256sum <${COLD}/changed`)).toBe(stdout), {
      timeout: 120_000,
      interval: 5000,
    });
  });

  it("never takes more than its size: the oldest go", async () => {
    for (const name of ["a", "b", "c", "d"]) {
      await putOnNas(name, 200);
      await read(name);
    }
    expect(await on(`echo $(($(stat --printf='%b*%B' ${FILE}) / ${MIB}))`)).toBe("512");
    expect(await on("systemctl is-active jts-storage-nfs-cache.service")).toBe("active");
  });

  it("that was stopped, or whose settings were edited, is reported, seen as drift, and healed", async () => {
    await on(`systemctl stop ${SERVICE}`);
    const health = await lab.run("storage-host", "/usr/local/lib/jts-storage/storage-health.sh", { mayFail: true });
    expect(health.stdout).toMatch(/warning +cold +the cache of what is read from \/mnt\/synology does not run/);
    await on(`cat ${COLD}/a >/dev/null`);
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: { update: 1 } });
    expect(await on(`systemctl is-active ${SERVICE}`)).toBe("active");
    await on("sed -i 's/^brun.*/brun 50%/' /etc/jts-storage-cachefilesd.conf");
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: { update: 1 } });
    expect(await on("grep brun /etc/jts-storage-cachefilesd.conf")).toBe("brun 10%");
    // What was mounted before it was started again uses it again.
    await putOnNas("again", 64);
    await read("again");
    await readFromCache("again");
  });

  it("goes on where warm is full, and reads come from the NAS at worst; stopped, it doesn't slow them", async () => {
    await on(
      "fallocate --length $(($(stat -f --printf='%a*%S' /data/warm-storage) - 64 * 1024 * 1024)) /data/warm-storage/fill || true",
    );
    await on("dd if=/dev/urandom of=/data/warm-storage/rest bs=1M 2>/dev/null; sync || true; true");
    try {
      await putOnNas("full", 16);
      await putOnNas("stopped", 16);
      const slowed = await read("full");
      const blocked = await on("dmesg | grep -c 'blocked for more than' || true");
      await on(`systemctl stop ${SERVICE}`);
      const stopped = await read("stopped");
      const sums = "sha256sum full stopped";
      const { stdout } = await lab.run("nas", `cd /volume1/cocodev/jts/market-data/raw && ${sums}`);
      expect(await on(`cd ${COLD} && ${sums}`)).toBe(stdout);
      const waiting = `the kernel told of ${blocked} tasks that waited for minutes`;
      console.log(`with warm full, 16 MiB took ${slowed.seconds} s, ${stopped.seconds} s with it stopped; ${waiting}`);
      expect(stopped.seconds).toBeLessThan(slowed.seconds);
    } finally {
      await on("rm -f /data/warm-storage/fill /data/warm-storage/rest");
    }
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: { update: 1 } });
  });

  it("can be stopped and started while the NAS doesn't answer, and is used when it is back", async () => {
    await read("again");
    await lab.freeze("nas");
    try {
      expect(await on(`systemctl is-active ${SERVICE}`)).toBe("active");
      await on(`timeout 60 systemctl restart ${SERVICE}`);
    } finally {
      await lab.thaw("nas");
    }
    expect(await on(`cmp ${COLD}/again ${COLD}/again && echo same`)).toBe("same");
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  });

  it("gives these times", { timeout: 60 * 60_000 }, async () => {
    const time = async (what: string, isFromCache: boolean) => {
      const { seconds, bytes } = await read("large");
      console.log(`${what}: ${seconds} s, ${bytes / MIB} MiB of them from the NAS`);
      if (isFromCache) expect(bytes).toBeLessThan(MIB);
      else expect(bytes).toBeGreaterThanOrEqual(1024 * MIB);
    };
    const delayed = async (work: () => Promise<void>) => {
      const link = "$(ip -o -4 addr show to 192.168.1.101 | awk '{print $2}')";
      await lab.run("nas", `tc qdisc add dev ${link} root netem delay 10ms`);
      try {
        await work();
      } finally {
        await lab.run("nas", `tc qdisc del dev ${link} root`);
      }
    };
    await stack.configure(cached("2GiB"));
    await stack.up();
    await putOnNas("large", 1024);
    await time("with a cache, first read", false);
    await time("second read", true);
    await lab.reboot("storage-host");
    await vi.waitFor(async () => expect(await on("systemctl is-active mnt-synology.mount")).toBe("active"), {
      timeout: 300_000,
      interval: 5000,
    });
    await time("after a boot", true);
    await delayed(() => time("after a boot, the NAS 10 ms away", true));
    await putOnNas("large", 1024);
    await delayed(() => time("first read, the NAS 10 ms away", false));
    await stack.configure(uncached);
    await stack.up();
    await time("without a cache", false);
    await delayed(() => time("without a cache, the NAS 10 ms away", false));
  });

  it("leaves nothing when it is taken out, and then with the host", async () => {
    await stack.configure(cached());
    await stack.up();
    await stack.configure(uncached);
    await stack.up();
    expect(await on("findmnt --noheadings --output OPTIONS --mountpoint /mnt/synology")).not.toMatch(/(^|,)fsc(,|$)/);
    expect(
      await on(`
        ls -d ${FILE}* /var/cache/jts_nfs /etc/jts-storage-cachefilesd.conf /etc/systemd/system/*jts_nfs* \\
          /etc/systemd/system/${SERVICE} /etc/systemd/system/*.wants/${SERVICE} 2>/dev/null || true
        losetup --associated ${FILE}
        pgrep --exact cachefilesd || true
        grep -e nfs-cache -e jts_nfs /var/lib/jts-storage/made || true
      `),
    ).toBe("");
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    await stack.configure(cached());
    await stack.up();
    await stack.destroy();
    expect(await on("ls -d /var/cache/jts_nfs /var/lib/jts-storage 2>/dev/null || true")).toBe("");
  });
});
