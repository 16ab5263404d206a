/**
 * /etc/fstab and what is mounted: both as declared, or both as before; nothing under a mount point, no wait without a
 * bound.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import * as lab from "../../lab/lab.ts";
import {
  all,
  hotWith,
  LabStack,
  only,
  seenByUdev,
  unverified,
  warmOnly,
  type HostSection,
} from "../support/labStack.ts";

const on = async (command: string) => (await lab.run("storage-host", command)).stdout;
const onNas = async (command: string) => (await lab.run("nas", command)).stdout;
/** What fails on the host, and says. */
const failing = async (command: string) => (await lab.run("storage-host", command, { mayFail: true })).stderr;
const fstab = () => on("sha256sum </etc/fstab");
const mountIdOf = (target: string) => on(`awk '$5 == "${target}" { print $1 }' /proc/self/mountinfo`);

let stack: LabStack;
let fstabAtFirst: string;

beforeAll(async () => {
  await lab.blank();
  stack = await LabStack.select();
  fstabAtFirst = await on("cat /etc/fstab");
});

afterAll(async () => {
  await lab.run(
    "storage-host",
    "cat >/etc/fstab; systemctl daemon-reload; find /data -depth -type d -empty -delete || true",
    {
      stdin: `${fstabAtFirst}\n`,
    },
  );
});

describe("an fstab of others' making", () => {
  const ODD = String.raw`
# a comment, with	tabs  and trailing space 
	LABEL=nowhere	/mnt/tabs	ext4	noauto	0 0
tmpfs  /mnt/four-fields  tmpfs  noauto
UUID=00000000-0000-0000-0000-000000000000 /mnt/with\040space ext4 noauto,nofail 0 0 # inline
#LABEL=jts-warm-storage /data/warm-storage btrfs defaults 0 0

proc-like /mnt/no-end proc noauto 0 0`;

  it("keeps every byte outside our lines, and is what it was after a destroy", async () => {
    await lab.run("storage-host", "cat >>/etc/fstab", { stdin: ODD });
    // In Latin-1, so it isn't UTF-8.
    await on("sed --in-place '1i # Platte f\\o374r Daten' /etc/fstab");
    const before = await on("base64 /etc/fstab");
    expect(Buffer.from(before, "base64").toString("latin1")).toMatch(/^# Platte f\xfcr Daten\n/);
    await stack.configure(warmOnly());
    await stack.up();
    expect(await on("LC_ALL=C grep --text --invert-match x-jts-storage /etc/fstab | head --bytes=-1 | base64")).toBe(
      before,
    );
    expect(await on("LC_ALL=C grep --text --count x-jts-storage /etc/fstab")).toBe("2");
    await stack.destroy();
    expect(await on("base64 /etc/fstab")).toBe(before);
    await on("sed --in-place 1d /etc/fstab");
  });

  it("with a line that spells our mount point otherwise gets no second one", { tags: ["long"] }, async () => {
    const before = await on("cat /etc/fstab");
    // The last line may have no end.
    const add = (line: string) =>
      lab.run("storage-host", "cat >>/etc/fstab; systemctl daemon-reload", { stdin: `\n${line}` });
    const restore = () => lab.run("storage-host", "cat >/etc/fstab; systemctl daemon-reload", { stdin: `${before}\n` });
    await stack.configure(warmOnly());
    await stack.up();
    await stack.destroy();
    // The filesystem is kept.
    await add('LABEL="jts-warm-storage" //data/./warm-storage/ btrfs noauto,nofail 0 0\n');
    await stack.up();
    expect(await on("grep --count '^[^#].*warm-storage/* *btrfs' /etc/fstab")).toBe("1");
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    await stack.destroy();
    expect(await on("cat /etc/fstab")).toBe(before);

    await add("LABEL=old-disk /data/warm-storage/ btrfs defaults,nofail 0 0\n");
    expect(await stack.refusal(() => stack.up())).toMatch(
      /already has a line for \/data\/warm-storage: LABEL=old-disk.*Next: take that line out/s,
    );
    await stack.destroy();
    await restore();

    // A link to our mount point.
    await on("mkdir --parents /data/warm-storage && ln --symbolic /data/warm-storage /srv/warm");
    await add("LABEL=jts-warm-storage /srv/warm btrfs noauto 0 0\n");
    await stack.up();
    expect(await on("grep --count '^[^#].*btrfs' /etc/fstab; grep --count /srv/warm /etc/fstab || true")).toBe("1\n0");

    await add("LABEL=jts-warm-storage /data//warm-storage btrfs noauto 0 0\n");
    expect(await stack.refusal(() => stack.up({ refresh: true }))).toMatch(/has 2 lines for \/data\/warm-storage/);
    await on("sed --in-place /warm-storage.*noauto/d /etc/fstab; rm /srv/warm");
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    await stack.destroy();
    await restore();
  });

  it("gets its old text back where a mount fails, and what was mounted stays", async () => {
    await stack.configure(warmOnly());
    await stack.up();
    const before = [await fstab(), await mountIdOf("/data/warm-storage")];
    await stack.configure(warmOnly({ options: ["subvol=there-is-none"] }));
    expect(await stack.refusal(() => stack.up())).toMatch(
      /could not write the line of \/data\/warm-storage into fstab/,
    );
    expect(await fstab()).toBe(before[0]);
    expect(await on("findmnt --noheadings --output FSTYPE /data/warm-storage; ls /etc/fstab*")).toBe(
      "btrfs\n/etc/fstab",
    );
    await stack.configure(warmOnly());
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  });
});

describe("a mount point", () => {
  afterAll(() => stack.destroy());

  it("takes no files while nothing is mounted there", async () => {
    await on("umount /data/warm /data/warm-storage");
    expect(await failing("touch /data/warm-storage/file")).toContain("Operation not permitted");
    expect(await failing("mkdir /data/warm/folder")).toContain("Operation not permitted");
    expect((await stack.up({ refresh: true })).changes).toHaveProperty("update");
    expect(await on("findmnt --noheadings --output FSTYPE /data/warm-storage")).toBe("btrfs");
    await stack.destroy();
  });

  it("that somebody's unit file is for is refused by that file, and what it mounted is adopted without it", async () => {
    const file = String.raw`/etc/systemd/system/data-warm\x2dstorage.mount`;
    await on(`
      mkfs.btrfs -q -L jts-warm-storage ${lab.SATA_PARTITION_PATH} &&
      ${seenByUdev(lab.SATA_PARTITION_PATH)} &&
      cat >'${file}' <<'END'
[Mount]
What=${lab.SATA_PARTITION_PATH}
Where=/data/warm-storage
Options=noatime
[Install]
WantedBy=local-fs.target
END
      systemctl daemon-reload &&
      systemctl enable --quiet --now '${file.slice(file.lastIndexOf("/") + 1)}' &&
      echo kept >/data/warm-storage/file
    `);
    const before = [await fstab(), await mountIdOf("/data/warm-storage")];
    await stack.configure(warmOnly());
    const said = await stack.refusal(() => stack.up());
    expect(said).toContain(`a unit file of systemd says what is mounted at /data/warm-storage`);
    expect([await fstab(), await mountIdOf("/data/warm-storage")]).toEqual(before);
    await on(/systemctl disable .*; systemctl daemon-reload/.exec(said)![0]);
    await stack.up();
    expect(await mountIdOf("/data/warm-storage")).toBe(before[1]);
    expect(await on("cat /data/warm-storage/file")).toBe("kept");
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    await stack.destroy();
    await on(`rm '${file}.before'`);
  });

  it("is refused in an SSH session that has mounts of its own", async () => {
    const folder = "/etc/systemd/system/ssh.service.d";
    const before = await fstab();
    await on(`
      mkdir --parents ${folder} &&
      printf '[Service]\\nPrivateTmp=yes\\n' >${folder}/own-mounts.conf &&
      systemctl daemon-reload &&
      systemctl restart ssh.service
    `);
    try {
      await stack.configure(warmOnly());
      expect(await stack.refusal(() => stack.up())).toMatch(/this SSH session has mounts of its own.*\n *Next: /);
      expect(await fstab()).toBe(before);
    } finally {
      await on(`rm --recursive ${folder}; systemctl daemon-reload; systemctl restart ssh.service`);
    }
    await stack.up();
    expect(await on("findmnt --noheadings --output FSTYPE /data/warm-storage")).toBe("btrfs");
    await stack.destroy();
  });

  it("with files in it is refused, unless the configuration keeps them underneath", async () => {
    await on("mkdir --parents /data/warm-storage && echo kept >/data/warm-storage/file");
    const before = await fstab();
    await stack.configure(warmOnly());
    expect(await stack.refusal(() => stack.up())).toMatch(/\/data\/warm-storage is not empty.*mountOverFiles/s);
    expect(await fstab()).toBe(before);
    await stack.configure(warmOnly({ mountOverFiles: true }));
    await stack.up();
    expect(await on("ls /data/warm-storage")).not.toContain("file");
    await stack.destroy();
    expect(await on("cat /data/warm-storage/file; rm --recursive /data/warm-storage")).toBe("kept");
  });

  it(
    "that somebody mounted something over is refused by name, and nothing is unmounted",
    { tags: ["long"] },
    async () => {
      await stack.configure(warmOnly());
      await stack.up();
      // A destroy comes first to the bind mount, over which the kernel mounts the tmpfs too.
      for (const [point, words, atDestroy] of [
        [
          "/data/warm-storage",
          /tmpfs is mounted over what was declared there, at \/data\/warm-storage/,
          /tmpfs is mounted over what was declared there, at \/data\/warm\b/,
        ],
        [
          "/data",
          /tmpfs is mounted over \/data, and hides \/data\/warm-storage/,
          /tmpfs is mounted over \/data, and hides \/data\/warm\b/,
        ],
      ] as const) {
        await on(`mount -t tmpfs tmpfs ${point}`);
        expect(await stack.refusal(() => stack.up({ refresh: true }))).toMatch(words);
        expect(await stack.refusal(() => stack.destroy())).toMatch(atDestroy);
        expect(await on(`findmnt --noheadings --output FSTYPE --mountpoint ${point} | tail -1`)).toBe("tmpfs");
        await on(`umount ${point}`);
      }
      expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
      await stack.destroy();
    },
  );

  it("gets changed options live where the filesystem takes them so, and is unmounted and mounted where not", async () => {
    const options = () => on("findmnt --noheadings --output OPTIONS /var/lib/redis");
    await stack.configure(hotWith({ redis: { size: "1GiB", options: ["commit=10"] } }));
    await stack.up();
    const id = await mountIdOf("/var/lib/redis");
    await stack.configure(hotWith({ redis: { size: "1GiB", options: ["commit=20", "nodev"] } }));
    await stack.up();
    expect(await options()).toMatch(/nodev.*commit=20/);
    expect(await mountIdOf("/var/lib/redis")).toBe(id);
    await stack.configure(hotWith({ redis: { size: "1GiB", options: ["data=writeback"] } }));
    // So does a mount in another mount namespace, where nobody here can unmount it.
    await on(`
      systemd-run --quiet --unit=holder unshare --mount --propagation=private sleep infinity
      until [ "$(readlink /proc/$(systemctl show --property=MainPID --value holder)/ns/mnt)" != "$(readlink /proc/self/ns/mnt)" ]
      do sleep 0.2; done
    `);
    expect(await stack.refusal(() => stack.up())).toMatch(
      /redis: process \d+ \(sleep\) has it mounted for itself, .*\n *Next: stop the container or service/s,
    );
    expect(await options()).toMatch(/nodev.*commit=20/);
    await on("systemctl stop holder");
    // The tree's bind mount holds the filesystem: a new mount of the same superblock would keep the old mode.
    await stack.up();
    expect(await options()).toContain("data=writeback");
    expect(await on("findmnt --noheadings --output OPTIONS /data/jts/hot/redis")).toContain("data=writeback");
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  });
});

describe("a NAS", () => {
  const cold =
    (settings: Record<string, unknown> = {}) =>
    (host: HostSection) => {
      only("cold")(host);
      host.cold = { ...(host.cold as object), folders: ["archives"], ...settings };
    };
  /** What the host remembers of the NAS would answer for it, for a while. */
  const forget = () => on("echo 2 >/proc/sys/vm/drop_caches");
  const bounded = async <T>(seconds: number, work: () => Promise<T>): Promise<T> => {
    const began = Date.now();
    const result = await work();
    expect((Date.now() - began) / 1000).toBeLessThan(seconds);
    return result;
  };

  afterAll(async () => {
    await lab.thaw("nas");
    await stack.destroy();
    await onNas("rm --recursive --force /volume1/other; rm --force /etc/exports.d/other.exports; exportfs -ra");
  });

  it("that is away fails an `up` within bounded time, and fstab is as it was", async () => {
    await stack.configure(cold());
    const before = await fstab();
    await lab.freeze("nas");
    expect(await bounded(150, () => stack.refusal(() => stack.up()))).toMatch(
      /could not write the line of \/mnt\/synology into fstab and mount .*192\.168\.1\.101:\/volume1\/cocodev.*\n *Next: on the host: .*showmount/s,
    );
    expect(await fstab()).toBe(before);
    // What was begun is taken back while it still is away.
    await bounded(150, () => stack.destroy());
    expect(await on("ls --directory /mnt/synology /var/lib/jts-storage 2>/dev/null || true")).toBe("");
    await lab.thaw("nas");
  });

  it("that is slow takes longer, and that is all", { tags: ["long"] }, async () => {
    let isOver = false;
    const slowly = (async () => {
      while (!isOver) {
        await lab.freeze("nas");
        await sleep(2000);
        await lab.thaw("nas");
        await sleep(500);
      }
    })();
    try {
      await stack.up();
      await forget();
      expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
      await forget();
      await stack.destroy();
    } finally {
      isOver = true;
      await slowly;
    }
    expect(await on("grep --count /mnt/synology /etc/fstab || true")).toBe("0");
  });

  it(
    "that goes away fails a refresh and a destroy within bounded time, is not taken for gone, and isn't needed by a preview",
    { tags: ["long"] },
    async () => {
      await stack.up();
      const resources = (await stack.state()).length;
      await lab.freeze("nas");
      await forget();
      expect(await bounded(90, () => stack.refusal(() => stack.refresh()))).toMatch(
        /could not read the paths: no answer in time to: [^\n]+\n *Next: on the host: .*showmount/,
      );
      expect(await bounded(60, () => stack.preview())).toMatchObject({ changes: {}, sshConnections: 0 });
      expect(await bounded(240, () => stack.refusal(() => stack.destroy()))).toMatch(/could not/);
      expect((await stack.state()).length).toBe(resources);
      expect(await on("grep --count /mnt/synology /etc/fstab")).toBe("1");
      await lab.thaw("nas");
      await stack.up({ refresh: true });
      expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    },
  );

  it(
    "that systemd mounts at the first access is as declared idle and mounted, works for the services, and is taken back in both states",
    { tags: ["long"] },
    async () => {
      const options = ["hard", "proto=tcp", "_netdev", "nofail", "x-systemd.automount", "x-systemd.idle-timeout=60"];
      const automounted = all(only("warm", "cold", "automation"), unverified, (host) => {
        host.cold = { ...(host.cold as object), options };
      });
      const shown = () =>
        on(
          `awk '$5 == "/mnt/synology" { sub(/.* - /, ""); print $1 }' /proc/self/mountinfo | paste --serial --delimiters=' '`,
        );
      /** What systemd does when the idle time is over. */
      const makeIdle = async () => {
        await on("systemctl stop mnt-synology.mount");
        expect(await shown()).toBe("autofs");
      };
      const isActive = async () =>
        (await lab.run("storage-host", "systemctl is-active mnt-synology.automount", { mayFail: true })).stdout;

      // Mounted without it at first: then it changes.
      await stack.configure(cold());
      await stack.up();
      await stack.configure(automounted);
      await stack.up();
      expect(await shown()).toMatch(/^autofs nfs/);
      expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
      await vi.waitFor(async () => expect(await shown()).toBe("autofs"), { timeout: 180_000, interval: 2000 });
      expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
      await makeIdle();
      // Its status says too whether all is well.
      await lab.run("storage-host", "systemctl start storage-health.service", { mayFail: true });
      expect(
        await on(
          `grep --before-context=1 '"subject": "cold"' /var/lib/jts-storage/health.json | grep --count '"level": "ok"'`,
        ),
      ).toBe("1");
      await makeIdle();
      await on("systemctl start nas-archival.service");
      expect(await on("ls /mnt/synology/jts/archives/configs | wc --lines")).not.toBe("0");

      await lab.reboot("storage-host");
      expect(await shown()).toBe("autofs");
      expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
      expect(await shown()).toMatch(/^autofs nfs/);

      // In use: both stay. Then it goes while it is mounted.
      const { stdout: pid } = await lab.run(
        "storage-host",
        "cd /mnt/synology && { setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $!; }",
      );
      expect(await stack.refusal(() => stack.destroy())).toMatch(/busy.*sleep/s);
      expect(await shown()).toMatch(/^autofs nfs/);
      await on(`kill ${pid}`);
      await stack.destroy();
      expect([await shown(), await isActive()]).toEqual(["", "inactive"]);

      // And while it is idle; and drift by hand is healed.
      await stack.configure(automounted);
      await stack.up();
      await on("systemctl stop mnt-synology.automount");
      await stack.up({ refresh: true });
      expect(await shown()).toMatch(/^autofs nfs/);
      await makeIdle();
      await stack.destroy();
      expect([await shown(), await isActive()]).toEqual(["", "inactive"]);
      expect(await on("grep --count /mnt/synology /etc/fstab || true")).toBe("0");
    },
  );

  it(
    "whose export was replaced, so that handles are stale, fails with a message, and is healed by a new mount",
    { tags: ["long"] },
    async () => {
      await stack.configure(cold());
      await stack.up();
      await onNas(`
        mv /volume1/cocodev /volume1/old &&
        exportfs -f &&
        mkdir /volume1/cocodev &&
        exportfs -ra &&
        rm --recursive /volume1/old
      `);
      await forget();
      expect(await bounded(90, () => stack.refusal(() => stack.up({ refresh: true })))).toMatch(
        /Stale file handle|could not read/,
      );
      await on("umount --lazy /mnt/synology");
      await stack.up({ refresh: true });
      expect(await on("stat --format=%U /mnt/synology/jts/archives")).toBe("root");
    },
  );

  it("really gets changed options, and another export really is mounted", { tags: ["long"] }, async () => {
    // A remount would say yes, and change nothing.
    await stack.configure(cold({ options: ["hard", "proto=tcp", "timeo=300", "_netdev", "nofail"] }));
    await stack.up();
    expect(await on("findmnt --noheadings --output OPTIONS /mnt/synology")).toContain("timeo=300");
    await onNas(`
      mkdir --parents /volume1/other /etc/exports.d &&
      sed 's,/volume1/cocodev,/volume1/other,' /etc/exports >/etc/exports.d/other.exports &&
      exportfs -ra
    `);
    await stack.configure(cold({ export: "/volume1/other" }));
    await stack.up();
    expect(await on("findmnt --noheadings --output SOURCE /mnt/synology")).toBe("192.168.1.101:/volume1/other");
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  });
});
