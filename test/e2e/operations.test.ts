import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import * as lab from "../../lab/lab.ts";
import { ROOT } from "../../setup/project.ts";
import { all, LabStack, type HostSection, type Outcome } from "../support/labStack.ts";

const on = async (command: string) => (await lab.run("storage-host", command)).stdout;
const mayFail = (command: string) => lab.run("storage-host", command, { mayFail: true, timeoutSeconds: 300 });
const BIN = "/usr/local/lib/jts-storage";
const METRICS = "/var/lib/prometheus/node-exporter/jts-storage.prom";

/** A program that receives the health report, and keeps what it got. */
const RECEIVER = "/usr/local/sbin/tell-somebody";

/** Small volumes of two services and root's, on all three tiers: as on the real host, but quicker to make. */
const small = (host: HostSection) => {
  const rule = { name: "used", source: "/data/local-backup/used", to: "cold", destination: "models", by: "access" };
  host.automation = { ...(host.automation as object), notify: RECEIVER, rules: [{ ...rule, olderThanDays: 30 }] };
  host.hot = {
    ...(host.hot as object),
    volumes: {
      redis: { size: "2GiB" },
      mongodb: { size: "2GiB" },
      local_backup: { size: "2GiB", options: ["nodev", "nosuid", "relatime"] },
    },
    snapshotReserve: "1GiB",
  };
};

/** Gives the first root disk a second host key, which is not the one of the lab's image: a new root disk lacks it. */
const HOST_KEY = "/etc/ssh/first_ecdsa_key";
async function makeHostKey(): Promise<string> {
  return on(`
    ssh-keygen -q -t ecdsa -N '' -f ${HOST_KEY}
    echo 'HostKey ${HOST_KEY}' >/etc/ssh/sshd_config.d/first.conf
    systemctl reload ssh
    cut --delimiter=' ' --fields=1,2 ${HOST_KEY}.pub
  `);
}

describe("what operators have on the host", { timeout: 10 * 60_000, tags: ["long"] }, () => {
  let stack: LabStack;
  let first: Outcome;

  beforeAll(async () => {
    await lab.blank();
    stack = await LabStack.select();
    const hostKey = await makeHostKey();
    await stack.configure(
      all(small, (host) => {
        host.connection = { ...(host.connection as object), hostKey };
      }),
    );
    await on(`
      printf '#!/bin/sh\nid --user >/var/lib/told; echo "$JTS_STORAGE_LEVEL" >>/var/lib/told; cat >>/var/lib/told\n' \\
        >${RECEIVER}
      chmod 755 ${RECEIVER}
    `);
    first = await stack.up();
  });

  afterAll(async () => {
    await on(`rm --force ${RECEIVER} /var/lib/told`);
  });

  it("an `up` has verified the host, and a second one neither verifies nor changes anything", async () => {
    const state = await stack.state();
    expect(state.find(({ urn }) => urn.endsWith("::lab-verification-run"))?.outputs).toMatchObject({
      stdout: expect.stringMatching(/\nall \d+ checks passed$/) as string,
      stderr: "",
    });
    expect(first.said).toMatch(/ok +move +a file went hot → warm → cold with SHA-256 [^]*all \d+ checks passed/);
    const second = await stack.up();
    expect(second).toMatchObject({ changes: {}, sshConnections: 0 });
    expect(second.said).not.toContain("checks passed");
  });

  it("a rule by access leaves what the kernel saw being read, also by the bind mount, and moves the rest", async () => {
    const moved = await on(`
      mkdir --parents /data/local-backup/used && cd /data/local-backup/used
      for name in read shown unread; do echo $name >$name; touch --date='40 days ago' $name; done
      cat read /data/jts/hot/backup/used/shown >/dev/null
      ${BIN}/tiered-storage.sh migrate >/dev/null
      ls; ls /mnt/synology/jts/models
    `);
    expect(moved.split("\n")).toEqual(expect.arrayContaining(["read", "shown", "unread"]));
    expect(await on("ls /data/local-backup/used")).toBe("read\nshown");
    expect(
      await on("cat /mnt/synology/jts/models/unread; rm /data/local-backup/used/* /mnt/synology/jts/models/unread"),
    ).toBe("unread");
  });

  it("`npm run verify` passes, and reports what somebody changed by hand", async () => {
    const verify = () =>
      execa("node", [join(ROOT, "commands/verify.ts"), "--config-file", stack.configFile, "--json"], { reject: false });
    const read = (text: string) =>
      (JSON.parse(text) as { lab: { ok: boolean; checks: { ok: boolean; subject: string; fact: string }[] } }).lab;
    const first = await verify();
    expect(first.stderr).toBe("");
    const { checks } = read(first.stdout);
    expect([checks.filter(({ ok }) => !ok), first.exitCode]).toEqual([[], 0]);
    expect(checks.at(-1)?.fact).toMatch(/^a file went hot → warm → cold with SHA-256/);
    // Every resource of the host is compared: mounts, folders and timers among them.
    const subjects = checks.map(({ subject }) => subject);
    expect(subjects).toEqual(
      expect.arrayContaining(["hot-redis-mount", "warm-folders", "cold-mount", "tuning-fstrim", "access", "move"]),
    );

    await on(`
      chmod 777 /var/lib/mongodb /var/lib/mongodb/data
      mount -o remount,strictatime /var/lib/redis
      systemctl stop fstrim-all.timer
    `);
    const second = await verify();
    const failed = read(second.stdout).checks.filter(({ ok }) => !ok);
    expect(second.exitCode).toBe(1);
    expect(failed.map(({ subject, fact }) => `${subject}: ${fact}`).sort()).toEqual([
      expect.stringMatching(
        /^access: redis can write to \/var\/lib\/mongodb, \/var\/lib\/mongodb\/data, which belongs to others/,
      ),
      "hot-mongodb-folders: make /var/lib/mongodb, /var/lib/mongodb/data mongodb:mongodb 750. Next: pulumi up --refresh",
      "hot-redis-mount: remount /var/lib/redis (noatime is missing). Next: pulumi up --refresh",
      "tuning-fstrim: install and start fstrim-all.timer (it is inactive). Next: pulumi up --refresh",
    ]);
    await stack.up({ refresh: true });
    expect((await verify()).exitCode).toBe(0);
    expect(await on("find /var/lib/redis /var/lib/mongodb /data /mnt/synology -name '.jts-*'")).toBe("");
  });

  it("files of the same content on warm share their room, by hand and by the timer's service", async () => {
    const tiered = `${BIN}/tiered-storage.sh`;
    const used = async () => {
      await on("sync --file-system /data/warm-storage");
      return Number(await on("stat --file-system --format='%b %f %S' /data/warm-storage | awk '{ print ($1-$2)*$3 }'"));
    };
    const make = (name: string) => `
      mkdir --parents /data/warm-storage/kept
      head --bytes=20M /dev/urandom >/data/warm-storage/kept/${name}.1
      cp --reflink=never /data/warm-storage/kept/${name}.1 /data/warm-storage/kept/${name}.2
      sha256sum /data/warm-storage/kept/${name}.* >/run/${name}.sums`;
    await on(make("hand"));
    const before = await used();
    const dry = JSON.parse(await on(`${tiered} dedup --dry-run --json`)) as { totals: { warm: { bytes: number } } };
    expect(dry.totals.warm.bytes).toBe(20 * 2 ** 20);
    expect(await used()).toBe(before);
    const { totals } = JSON.parse(await on(`${tiered} dedup --json`)) as { totals: { shared: { bytes: number } } };
    expect(totals.shared.bytes).toBe(20 * 2 ** 20);
    expect(before - (await used())).toBeGreaterThan(19 * 2 ** 20);
    await on("sha256sum --check --quiet /run/hand.sums");

    // By the service, in its sandbox; with what a configuration with automation.dedup writes.
    await on(`${make("timer")}
      cp /etc/jts-storage/settings.json /run/settings.json
      jq '.automation.dedup = true' /run/settings.json >/etc/jts-storage/settings.json`);
    try {
      await on("systemctl start tiered-storage.service");
      const said = await on("journalctl --unit=tiered-storage.service --output=cat --grep='files share' --lines=1");
      expect(said).toMatch(/^warm: 1 files share 20971520 bytes/);
      await on("sha256sum --check --quiet /run/hand.sums /run/timer.sums");
      expect(JSON.parse(await on(`${tiered} dedup --dry-run --json`))).toMatchObject({
        totals: { warm: { files: 0, bytes: 0 } },
      });
    } finally {
      await on("cat /run/settings.json >/etc/jts-storage/settings.json; rm --recursive /data/warm-storage/kept");
    }
  });

  it("each service of ours runs in its sandbox and succeeds, and health keeps what it found", async () => {
    const units = (await on("jq --raw-output '.timers[]' /etc/jts-storage/settings.json")).split("\n");
    expect(units).toEqual(expect.arrayContaining(["tiered-storage", "storage-health", "fstrim-all"]));
    await on("install --directory --owner=nobody --mode=755 /var/lib/prometheus/node-exporter");
    for (const unit of units) {
      const { exitCode } = await mayFail(`systemctl start ${unit}.service`);
      if (exitCode !== 0)
        throw new Error(
          `${unit}: ${(await mayFail(`journalctl --boot --unit=${unit}.service --output=cat --lines=30`)).stdout}`,
        );
    }
    const schema = z.fromJSONSchema(
      JSON.parse(await readFile(join(ROOT, "docs/storage-health.schema.json"), "utf8")) as Parameters<
        typeof z.fromJSONSchema
      >[0],
    );
    const health = schema.parse(JSON.parse(await on("cat /var/lib/jts-storage/health.json"))) as {
      level: string;
      findings: { level: string; fact: string }[];
      figures: { name: string; labels: Record<string, string> }[];
    };
    expect(health.findings.filter(({ level }) => level !== "ok")).toEqual([]);
    expect(new Set(health.figures.map(({ name }) => name))).toEqual(
      new Set([
        ...health.figures.map(({ name }) => name),
        "tier_used_bytes",
        "btrfs_device_errors",
        "volume_group_free_bytes",
        "timer_next_run_timestamp_seconds",
        "service_succeeded",
        "disk_busy_percent",
      ]),
    );
    expect(
      await on(`
        stat --format='%U %a' /var/lib/jts-storage/health.json ${METRICS}
        grep ^jts_storage_level ${METRICS}
      `),
    ).toBe("root 644\nroot 644\njts_storage_level 0");
    // From within its sandbox.
    const [user, level, ...report] = (await on("cat /var/lib/told")).split("\n");
    expect([user, level, (JSON.parse(report.join("\n")) as { level: string }).level]).toEqual(["0", "ok", "ok"]);
    const told = await on(
      `systemd-analyze security --no-pager ${units.map((unit) => `${unit}.service`).join(" ")} 2>&1`,
    );
    const documented = await readFile(join(ROOT, "docs/STORAGE_SETUP.md"), "utf8");
    const figures = (text: string, each: RegExp) =>
      new Map([...text.matchAll(each)].map(([, unit, exposure]) => [unit, exposure]));
    expect(figures(told, /Overall exposure level for (\S+)\.service: ([\d.]+)/g)).toEqual(
      figures(documented, /^\| `([a-z-]+)` \| ([\d.]+) \|/gm),
    );
  });

  it("a run of ours that fails is in the health report at once", async () => {
    // A report that is being made may be older than the failure; the next one has it.
    await on(`
      until [[ $(systemctl show --property=ActiveState --value storage-health.service) != activating ]]; do
        sleep 1
      done
    `);
    await on(`
      mv /data/warm-storage/temp-processing /data/warm-storage/moved
      systemctl start --no-block tiered-storage.service
    `);
    await on(`
      timeout 300 bash -c \\
        'until grep --quiet "tiered-storage: its last run failed" /var/lib/jts-storage/health.json; do sleep 1; done'
    `);
    // Written after the other.
    await on(`
      timeout 300 bash -c \\
        'until grep --quiet "service_succeeded{service=\\"tiered-storage\\"} 0" ${METRICS}; do sleep 1; done'
    `);
    await on("mv /data/warm-storage/moved /data/warm-storage/temp-processing; systemctl start tiered-storage.service");
  });

  it("health answers in bounded time while the NAS hangs, and says what to do", async () => {
    await lab.freeze("nas");
    try {
      const began = Date.now();
      const { exitCode, stdout } = await mayFail(`${BIN}/storage-health.sh`);
      expect([exitCode, stdout]).toEqual([
        2,
        expect.stringMatching(
          /critical +cold .*\/mnt\/synology does not answer within 5 s\n.*Next: 192\.168\.1\.101 does not answer on port 2049/,
        ),
      ]);
      expect(Date.now() - began).toBeLessThan(120_000);
    } finally {
      await lab.thaw("nas");
    }
    expect((await mayFail("timeout 120 ls /mnt/synology/jts")).exitCode).toBe(0);
  });

  it("the monitor shows the hot tree's folders by the names that people know", async () => {
    await on("head --bytes=3M /dev/urandom >/var/lib/mongodb/logs/a; sync");
    const { folders } = JSON.parse(await on("/usr/local/bin/jts-storage-monitor.sh --json")) as {
      folders: { name: string; folders: { name: string; bytes: number }[] }[];
    };
    expect(folders.map(({ name }) => name)).toEqual(["backup", "mongodb", "redis"]);
    expect(folders[1]?.folders.find(({ name }) => name === "logs")?.bytes).toBeGreaterThanOrEqual(3 * 2 ** 20);
    await on("rm /var/lib/mongodb/logs/a");
  });

  it("the performance test measures each mount with the real fio, leaves nothing, and has its history as a picture", async () => {
    const { exitCode, stdout, stderr } = await mayFail(`${BIN}/performance-test.sh --quick --json`);
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining("measuring cold")]);
    const { tiers, history } = JSON.parse(stdout) as {
      tiers: { tier: string; path: string; tests: Record<string, { bytesPerSecond: number }> }[];
      history: { path: string; runs: unknown[] }[];
    };
    const { hot, warm, cold } = JSON.parse(await on("cat /etc/jts-storage/settings.json")) as {
      hot: { mountPoints: string[] };
      warm: { mountPoint: string };
      cold: { root: string };
    };
    expect(tiers.map(({ path }) => path)).toEqual([...hot.mountPoints, warm.mountPoint, cold.root]);
    expect(history.map(({ path, runs }) => [path, runs.length > 0])).toEqual(tiers.map(({ path }) => [path, true]));
    for (const { tests } of tiers)
      for (const { bytesPerSecond } of Object.values(tests)) expect(bytesPerSecond).toBeGreaterThan(0);
    console.log(JSON.stringify(tiers));
    expect(await on("find /var/lib/redis /var/lib/mongodb /data /mnt/synology -name '.jts-*'")).toBe("");
    const drawn = await on(
      `${BIN}/performance-test.sh --history --picture /tmp/performance.svg; cat /tmp/performance.svg`,
    );
    expect(drawn).toMatch(/<svg [^]*<\/svg>/);
    await on("rm /tmp/performance.svg");
  });

  it("a package that somebody removed is shown by a refresh, and installed by the next `up`", async () => {
    // The lab reaches no mirror: a package is made of the files of the one that is installed.
    await on(`
      mkdir --parents /srv/repository/zstd/DEBIAN
      cd /srv/repository
      dpkg --status zstd | grep --invert-match --regexp='^Status:' --regexp='^Conffiles:' >zstd/DEBIAN/control
      dpkg --listfiles zstd | while read -r path; do
        if [[ -L $path || -f $path ]]; then cp --archive --parents -- "$path" zstd/; fi
      done
      dpkg-deb --build zstd zstd.deb >/dev/null
      { cat zstd/DEBIAN/control
        printf 'Filename: ./zstd.deb\nSize: %s\nSHA256: %s\n' \
          "$(stat --format=%s zstd.deb)" "$(sha256sum zstd.deb | cut --delimiter=' ' --fields=1)"
      } >Packages
      echo 'deb [trusted=yes] file:/srv/repository ./' >/etc/apt/sources.list.d/lab.list
      dpkg --purge --force-depends zstd
    `);
    try {
      const { changes, said } = await stack.up({ refresh: true });
      expect(said).toMatch(/lab-packages-installed updated .*\[diff: [^\]]*\bnames\b/);
      expect(changes).toEqual({ update: 1 });
      expect(await on("zstd --version >/dev/null && dpkg-query --show --showformat='${db:Status-Status}' zstd")).toBe(
        "installed",
      );
      expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    } finally {
      await on("rm --recursive /srv/repository /etc/apt/sources.list.d/lab.list");
    }
  });

  it("on a new root disk beside the old data disks, with another host key, `up --refresh --run-program` brings back all that was on the old one", async () => {
    const uuids = () => on("lvs --noheadings --options lv_name,lv_uuid vg_jts; blkid --output export /dev/vg_jts/*");
    await on("echo kept >/var/lib/redis/data/kept; echo kept >/data/warm-storage/logs/kept; sync");
    const before = await uuids();
    await lab.reinstall();
    expect(
      await on("ls -d /usr/local/lib/jts-storage 2>/dev/null || true; grep -c x-jts-storage /etc/fstab || true"),
    ).toBe("0");
    await on(`
      printf '#!/bin/sh\nexit 0\n' >${RECEIVER}
      chmod 755 ${RECEIVER}
    `);
    await stack.configure(small);
    expect(await stack.refusal(() => stack.up({ refresh: true }))).toContain("Host key verification failed");
    const { changes } = await stack.preview({ refresh: true, runProgram: true });
    expect(changes).toMatchObject({ create: expect.any(Number) as number });
    expect(Object.keys(changes).join()).not.toMatch(/replace|delete/);
    await stack.up({ refresh: true, runProgram: true });
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    expect(await uuids()).toBe(before);
    expect(
      await on(`
        cat /var/lib/redis/data/kept /data/warm-storage/logs/kept
        stat --format='%U %a' /var/lib/redis /var/lib/redis/data
        systemctl is-active storage-health.timer tiered-storage.timer
        systemctl start tiered-storage.service && echo run
      `),
    ).toBe("kept\nkept\nredis 750\nredis 750\nactive\nactive\nrun");
    const { exitCode } = await execa("node", [join(ROOT, "commands/verify.ts"), "--config-file", stack.configFile], {
      reject: false,
    });
    expect(exitCode).toBe(0);
    await on("install --directory --owner=nobody --mode=755 /var/lib/prometheus/node-exporter");
  });

  it("`destroy` takes along what the scripts wrote, and the link", async () => {
    await stack.destroy();
    expect(
      await on(`
        ls -A /var/lib/prometheus/node-exporter /usr/local/bin
        ls -d /var/lib/jts-storage /usr/local/lib/jts-storage 2>/dev/null || true
      `),
    ).toBe("/usr/local/bin:\n\n/var/lib/prometheus/node-exporter:");
    await on("rmdir /var/lib/prometheus/node-exporter /var/lib/prometheus");
  });
});
