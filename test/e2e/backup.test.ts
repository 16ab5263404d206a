/**
 * Backups as an operator needs them: made by the timers' services, moved with age, and restored when the original is
 * gone.
 */
import { beforeAll, describe, expect, it } from "vitest";
import * as lab from "../../lab/lab.ts";
import { LabStack, only, type HostSection } from "../support/labStack.ts";

const on = async (command: string) => (await lab.run("storage-host", command)).stdout;
const SCRIPTS = "/usr/local/lib/jts-storage";
const WARM = "/data/warm-storage/daily-backups";
const COLD = "/mnt/synology/jts/archives";

/** All that a restore must bring back, of what is below a folder. */
const contentOf = (folder: string) =>
  on(`
    cd ${folder} &&
    find . -mindepth 1 -not -name lost+found -not -path './data/pg*' \\
      -printf '%P %y %m %U:%G %T@ %l' \\( -type f -printf ' %s\\n' -o -printf '\\n' \\) | sort
    stat --format='%a %U:%G' .
    find . -type f -not -path './data/pg*' -print0 | sort --zero-terminated | xargs --null sha256sum
    getfattr --recursive --physical --dump --match=- . | sort
  `);
/** Archives of a volume that are on a tier. */
const archives = async (volume: string, tier = "warm") =>
  (
    JSON.parse(await on(`${SCRIPTS}/lvm-backup.sh list --json`)) as {
      archives: { name: string; volume: string; tier: string }[];
    }
  ).archives
    .filter((one) => one.volume === volume && one.tier === tier)
    .map(({ name }) => name);
const leftovers = () =>
  on(`
    lvs --noheadings --options lv_name,lv_tags vg_jts | grep jts-backup || true
    find ${WARM} -name '.jts*'
    cat /proc/mounts | grep jts-storage-backup || true
  `);

beforeAll(async () => {
  await lab.blank();
  const stack = await LabStack.select();
  await stack.configure((host: HostSection) => {
    only("hot", "warm", "cold", "automation")(host);
    host.hot = { ...(host.hot as object), volumes: { postgres: { size: "4GiB" }, kafka: { size: "8GiB" } } };
    host.automation = {
      backupVolumes: { postgres: "1GiB", kafka: "32MiB" },
      developmentFolders: ["/home/jts/notebooks"],
      developmentCompress: true,
      configPaths: ["/var/lib/postgresql/data/pg/pg_hba.conf"],
    };
  });
  await stack.up();
});

describe("archives of volumes, ext4 and XFS", { tags: ["long"] }, () => {
  const VOLUMES = { lv_postgres: "/var/lib/postgresql", lv_kafka: "/var/lib/kafka" };
  const before: Record<string, string> = {};

  it("are made by the timer's service, in its sandbox, and leave no snapshot", async () => {
    for (const folder of Object.values(VOLUMES)) {
      await on(`
        cd ${folder}/data &&
        mkdir -p 'a b/-c' &&
        head --bytes=3M /dev/urandom >'a b/-c/random' &&
        printf x >$'line\\nend' &&
        truncate --size=50M sparse &&
        printf y | dd of=sparse bs=1 seek=20M conv=notrunc status=none &&
        ln -sf random 'a b/link' &&
        setfattr --name=user.origin --value=jts 'a b' &&
        chown -R 1234:4321 'a b' &&
        touch -d '2020-02-02 02:02:02' sparse
      `);
      // What is only in the page cache belongs to a snapshot too.
      await on(`cd ${folder}/data && head --bytes=1M /dev/urandom >unflushed`);
    }
    await on("systemctl start lvm-backup.service");
    for (const [volume, folder] of Object.entries(VOLUMES)) {
      before[volume] = await contentOf(folder);
      expect(await archives(volume)).toHaveLength(1);
    }
    expect(await leftovers()).toBe("");
    expect(
      await on(`
        journalctl _SYSTEMD_INVOCATION_ID=$(systemctl show --property=InvocationID --value lvm-backup.service) \\
          --output=cat
      `),
    ).not.toMatch(/Permission denied|Read-only file system|Operation not permitted|[Ff]ailed/);
    expect(await on(`${SCRIPTS}/lvm-backup.sh verify | grep -c ^ok; stat --format=%a ${WARM}/*.zst | sort -u`)).toBe(
      "2\n600",
    );
  });

  it("move to the cold tier with age, and come back from there onto the wiped volume, the same", async () => {
    await on(`touch -d '31 days ago' ${WARM}/*; ${SCRIPTS}/tiered-storage.sh migrate`);
    for (const [volume, folder] of Object.entries(VOLUMES)) {
      expect(await archives(volume)).toEqual([]);
      const [name = ""] = await archives(volume, "cold");
      expect(
        (await lab.run("storage-host", `${SCRIPTS}/lvm-backup.sh restore ${name} --to ${folder}`, { mayFail: true }))
          .stderr,
      ).toContain("has files in it");
      await on(`
        find ${folder} -mindepth 1 -not -name lost+found -delete
        ${SCRIPTS}/lvm-backup.sh restore ${name} --to ${folder}
      `);
      expect(await contentOf(folder)).toBe(before[volume]);
    }
  });

  it("come back as a new volume, and never in place of one", async () => {
    const [name = ""] = await archives("lv_kafka", "cold");
    expect(
      (
        await lab.run("storage-host", `${SCRIPTS}/lvm-backup.sh restore ${name} --to-volume lv_postgres`, {
          mayFail: true,
        })
      ).stderr,
    ).toContain("there is already a volume vg_jts/lv_postgres");
    await on(`${SCRIPTS}/lvm-backup.sh restore ${name} --to-volume back --size 2g`);
    await on("mkdir --parents /run/back && mount -o ro /dev/vg_jts/back /run/back");
    expect(await contentOf("/run/back")).toBe(before.lv_kafka);
    expect(
      await on(`
        findmnt --noheadings --output FSTYPE /run/back
        lvs --noheadings --options lv_tags vg_jts/back | tr --delete ' \\n'
        umount /run/back
        lvremove --quiet --yes vg_jts/back >/dev/null
      `),
    ).toBe("xfs");
  });

  it("from a snapshot that fills up meanwhile is thrown away", async () => {
    // Once the reading has begun, more changes than the snapshot has room for.
    await on(`
      mkdir --parents /root/bin
      printf '%s\\n' '#!/bin/bash' \\
        '[[ $* != *--threads=0* ]] ||' \\
        '  dd if=/dev/urandom of=/var/lib/kafka/data/more bs=1M count=64 conv=fsync status=none' \\
        'exec /usr/bin/zstd "$@"' >/root/bin/zstd
      chmod 755 /root/bin/zstd
    `);
    const { exitCode, stderr } = await lab.run(
      "storage-host",
      `PATH=/root/bin:$PATH ${SCRIPTS}/lvm-backup.sh daily lv_kafka`,
      { mayFail: true },
    );
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/lv_kafka is not archived: its snapshot of 32MiB filled up/);
    expect(await archives("lv_kafka")).toEqual([]);
    expect(await leftovers()).toBe("");
    await on("rm /var/lib/kafka/data/more");
  });

  it("that were cut off by a kill are cleaned up by the next run", async () => {
    await on(`
      printf '#!/bin/bash\\ncat | head --bytes=1000\\nsleep infinity\\n' >/root/bin/zstd
      systemd-run --quiet --unit=cut --setenv=PATH=/root/bin:/usr/bin:/bin ${SCRIPTS}/lvm-backup.sh daily lv_kafka
      until [[ -s $(echo ${WARM}/.jts-backup-lv_kafka*) ]]; do sleep 0.2; done
      systemctl kill --signal=KILL cut
      until ! systemctl --quiet is-active cut; do sleep 0.2; done
    `);
    expect(await leftovers()).toMatch(/lv_kafka_daily_.*jts-backup\.daily[^]*\.jts-backup-lv_kafka/);
    await on(
      `lvcreate --quiet --yes --snapshot --size 8m --name theirs vg_jts/lv_kafka; ${SCRIPTS}/lvm-backup.sh cleanup`,
    );
    expect(await leftovers()).toBe("");
    expect(
      await on(`
        echo $(lvs --noheadings --options lv_name vg_jts/theirs)
        lvremove --quiet --yes vg_jts/theirs >/dev/null
        rm -r /root/bin
      `),
    ).toBe("theirs");
  });

  it("snapshots that were asked for stay until they are old", async () => {
    await on(`${SCRIPTS}/lvm-backup.sh create lv_kafka; ${SCRIPTS}/lvm-backup.sh cleanup --now '6 days'`);
    expect(await leftovers()).toMatch(/lv_kafka_kept_.*jts-backup\.kept/);
    await on(`${SCRIPTS}/lvm-backup.sh cleanup --now '8 days'`);
    expect(await leftovers()).toBe("");
  });
});

describe("a running PostgreSQL", { tags: ["long"] }, () => {
  const psql = (query: string, port = 5432) =>
    on(`
      psql --no-psqlrc --tuples-only --no-align --host=/run/postgresql --port=${port} --username=postgres \\
        --dbname=postgres --command="${query}"
    `);
  const server = (folder: string, port = 5432) =>
    [
      "runuser -u postgres -- /usr/lib/postgresql/1?/bin/pg_ctl --silent --wait --timeout=120",
      `--pgdata=${folder} --log=${folder}.log`,
      `--options='-p ${port} -c listen_addresses= -c unix_socket_directories=/run/postgresql'`,
    ].join(" ");

  it("is archived while it writes: all that was committed before is there when a server starts on what is restored", async () => {
    await on(`
      install --directory --owner=postgres --group=postgres /run/postgresql
      runuser -u postgres -- /usr/lib/postgresql/1?/bin/initdb --no-sync --data-checksums --auth-local=trust \\
        --pgdata=/var/lib/postgresql/data/pg >/dev/null
      ${server("/var/lib/postgresql/data/pg")} start
    `);
    await psql("create table committed (number int primary key)");
    // Ends with its session, when the server is stopped.
    await on(`
      printf '%s' 'do $$ begin for n in 1..1000000 loop insert into committed values (n); commit; end loop; end $$' \\
        >/root/write.sql
      systemd-run --quiet --unit=writer psql --no-psqlrc --host=/run/postgresql --username=postgres \\
        --file=/root/write.sql postgres
      until (($(psql --no-psqlrc --tuples-only --no-align --host=/run/postgresql --username=postgres \\
        --command='select count(*) from committed' postgres) > 100)); do
        sleep 0.2
      done
    `);
    const first = Number(await psql("select count(*) from committed"));
    await on(`${SCRIPTS}/lvm-backup.sh daily lv_postgres`);
    const last = Number(await psql("select count(*) from committed"));
    const [name = ""] = await archives("lv_postgres");
    await on(`
      ${SCRIPTS}/lvm-backup.sh restore ${name} --to /var/lib/postgresql/restored
      rm /var/lib/postgresql/restored/data/pg/postmaster.pid
      ${server("/var/lib/postgresql/restored/data/pg", 5433)} start
    `);
    const [count, highest] = (await psql("select count(*), max(number) from committed", 5433)).split("|").map(Number);
    await on(`
      ${server("/var/lib/postgresql/restored/data/pg", 5433)} stop
      runuser -u postgres -- /usr/lib/postgresql/1?/bin/pg_checksums --check \\
        --pgdata=/var/lib/postgresql/restored/data/pg
    `);
    expect(first).toBeGreaterThan(100);
    expect(last).toBeGreaterThan(first);
    expect(count).toBeGreaterThanOrEqual(first);
    expect(count).toBeLessThanOrEqual(last);
    // Commits in order: none is missing between.
    expect(highest).toBe(count);
  });

  it("is dumped to the NAS by the timer's service, with configurations and folders; the dump restores", async () => {
    await psql("select pg_terminate_backend(pid) from pg_stat_activity where query like 'do %'");
    await on("until ! systemctl --quiet is-active writer; do sleep 0.2; done");
    const count = await psql("select count(*) from committed");
    await on(`
      mkdir --parents /home/jts/notebooks/ticks
      cd /home/jts/notebooks
      echo 1 >one
      seq 100000 >ticks/prices.csv
      chown 1234:4321 ticks/prices.csv
      chmod 4640 ticks/prices.csv
      ln ticks/prices.csv ticks/again.csv
      ln -s ticks/prices.csv latest
      head --bytes=1M /dev/urandom >random
      touch -d '2020-02-02 02:02:02.123456789' ticks/prices.csv ticks
      systemctl start nas-archival.service
    `);
    expect(
      await on(`
        systemctl show --property=Result --value nas-archival.service
        cat /mnt/synology/jts/development/notebooks/one
      `),
    ).toBe("success\n1");
    const state = (folder: string) =>
      on(`cd ${folder} && find . -mindepth 1 -printf '%P %y %m %U:%G %n %T@ %l\n' | sort
          find . -type f -exec sha256sum {} + | sort`);
    expect(await on("cd /mnt/synology/jts/development/notebooks && find . -type f | sort")).toBe(
      ["./one", "./random", "./ticks/again.csv.zst", "./ticks/prices.csv.zst"].join("\n"),
    );
    await on(`
      zstd --decompress --stdout /mnt/synology/jts/development/notebooks/ticks/prices.csv.zst |
        cmp - /home/jts/notebooks/ticks/prices.csv
      /usr/local/lib/jts-storage/nas-archival.sh restore-folder notebooks --to /home/jts/restored
    `);
    expect(await state("/home/jts/restored")).toBe(await state("/home/jts/notebooks"));
    // The second run copies nothing; the third what was changed, and keeps the old one.
    expect(await on("/usr/local/lib/jts-storage/nas-archival.sh development --json")).toContain('"coldBytes": 0');
    await on("seq 100001 >/home/jts/notebooks/ticks/prices.csv");
    expect(await on("/usr/local/lib/jts-storage/nas-archival.sh development 2>&1")).toMatch(
      /1 copied: .* on cold; 2 moved to \.removed/,
    );
    await on("rm --recursive /home/jts/restored");
    await on("/usr/local/lib/jts-storage/nas-archival.sh restore-folder notebooks --to /home/jts/restored");
    expect(await state("/home/jts/restored")).toBe(await state("/home/jts/notebooks"));
    expect(await on("/usr/local/lib/jts-storage/nas-archival.sh verify")).toContain("development/notebooks");
    expect(
      await on(`
        cd ${COLD}/configs &&
        sha256sum --quiet --check *.sha256 &&
        zstd --decompress --stdout *.zst | tar --list |
          grep -E '^(etc/fstab|./vg_jts.vgcfg|etc/systemd/system/lvm-backup.timer|var/lib/postgresql.*)$' |
          sort
      `),
    ).toBe(
      [
        "./vg_jts.vgcfg",
        "etc/fstab",
        "etc/systemd/system/lvm-backup.timer",
        "var/lib/postgresql/data/pg/pg_hba.conf",
      ].join("\n"),
    );
    await on("/usr/local/lib/jts-storage/nas-archival.sh extract /var/lib/postgresql --to /root/configured");
    await on("cmp /root/configured/var/lib/postgresql/data/pg/pg_hba.conf /var/lib/postgresql/data/pg/pg_hba.conf");
    expect(await on(`ls ${COLD}/database/*-roles-*.sql.zst | wc -l; stat --format=%a ${COLD}/database/*.dump`)).toBe(
      "1\n600",
    );
    await on("/usr/local/lib/jts-storage/nas-archival.sh restore postgres --into again");
    expect(
      await on(`
        psql --no-psqlrc --tuples-only --no-align --host=/run/postgresql --username=postgres --dbname=again \\
          --command='select count(*) from committed'
      `),
    ).toBe(count);
    await on(`${server("/var/lib/postgresql/data/pg")} --mode=fast stop`);
  });
});

describe("transfers to the NAS", { tags: ["long"] }, () => {
  it("of moves and of copies together keep to the limit, as the link's own counters say", async () => {
    const MIB_PER_SECOND = 4;
    const samples = await on(`
      mkdir --parents /home/jts/one /home/jts/two
      for name in one two; do head --bytes=16M /dev/urandom >/home/jts/$name/file; done
      for number in 1 2 3; do
        head --bytes=4M /dev/urandom >${WARM}/limited-$number.bin
        touch --date='60 days ago' ${WARM}/limited-$number.bin
      done
      python3 - <<'END'
import json, os
settings = json.load(open("/etc/jts-storage/settings.json"))
settings["automation"]["transfers"] = {"streams": 2, "bandwidthMiBPerSecond": ${MIB_PER_SECOND}}
settings["automation"]["developmentFolders"] = ["/home/jts/one", "/home/jts/two"]
with open("/run/limited.json", "w") as file:
    json.dump(settings, file)
os.chmod("/run/limited.json", 0o600)
END
      link=/sys/class/net/$(ip -oneline -4 address show to 192.168.1.100 | awk '{ print $2 }')/statistics
      sync
      ${SCRIPTS}/nas-archival.sh development --settings /run/limited.json >/run/limited.development 2>&1 &
      development=$!
      ${SCRIPTS}/tiered-storage.sh migrate --settings /run/limited.json >/run/limited.migrate 2>&1 &
      migrate=$!
      while kill -0 $development 2>/dev/null || kill -0 $migrate 2>/dev/null; do
        echo "$EPOCHREALTIME $(( $(<$link/tx_bytes) + $(<$link/rx_bytes) ))"
        sleep 1
      done
      wait $development || { cat /run/limited.development >&2; exit 1; }
      wait $migrate || { cat /run/limited.migrate >&2; exit 1; }
      cmp /home/jts/one/file /mnt/synology/jts/development/one/file
      cmp /home/jts/two/file /mnt/synology/jts/development/two/file
      [[ $(ls ${COLD}/database/limited-*.bin | wc -l) -eq 3 ]]
    `);
    const seen = samples.split("\n").map((line) => line.split(" ").map(Number) as [number, number]);
    // 32 MiB are copied; 12 MiB are moved, and read back.
    expect(seen.at(-1)![1] - seen[0]![1]).toBeGreaterThan(50 * 2 ** 20);
    for (const [index, [from, before]] of seen.entries())
      for (const [to, after] of seen.slice(index + 1)) {
        if (to - from < 5) continue;
        // With the network's own part, and what was let pass just before: some pieces, and a second.
        const most = 1.1 * (MIB_PER_SECOND * (to - from + 2) + 6) * 2 ** 20;
        expect(after - before, `${to - from} s`).toBeLessThan(most);
      }
  });
});

describe("increments of a running PostgreSQL", { tags: ["long"] }, () => {
  const FOLDER = "/var/lib/postgresql/data/pg";
  const server = (folder: string, port = 5432) =>
    [
      "runuser -u postgres -- /usr/lib/postgresql/1?/bin/pg_ctl --silent --wait --timeout=120",
      `--pgdata=${folder} --log=${folder}.log`,
      `--options='-p ${port} -c listen_addresses= -c unix_socket_directories=/run/postgresql'`,
    ].join(" ");
  const psql = (query: string, port = 5432) =>
    on(`
      psql --no-psqlrc --tuples-only --no-align --host=/run/postgresql --port=${port} --username=postgres \\
        --dbname=postgres --command="${query}"
    `);
  const SUM = "select count(*), sum(changed), md5(string_agg(note, ',' order by number)) from pages";
  let increment = "";

  it("are made by the timer's service, take a part of the full archive, and prove to be the whole volume", async () => {
    const stack = await LabStack.select();
    await stack.configure((host: HostSection) => {
      only("hot", "warm", "cold", "automation")(host);
      host.hot = { ...(host.hot as object), volumes: { postgres: { size: "4GiB" }, kafka: { size: "8GiB" } } };
      host.automation = { backupVolumes: { postgres: "1GiB" }, incrementalBackups: {} };
    });
    await stack.up();
    await on(`
      rm --force --recursive ${WARM}/lv_postgres-* /var/lib/postgresql/restored
      install --directory --owner=postgres --group=postgres /run/postgresql
      ${server(FOLDER)} start
    `);
    await psql(
      "create table pages as select n as number, 0 as changed, md5(n::text) as note from generate_series(1, 200000) n",
    );
    await psql("checkpoint");
    await on("systemctl start lvm-backup.service");
    await psql("update pages set changed = changed + 1 where number % 1000 = 7");
    await psql("checkpoint");
    await on("systemctl start lvm-backup.service");
    const names = (await archives("lv_postgres")).sort();
    expect(names).toEqual([expect.stringMatching(/\.tar\.zst$/), expect.stringMatching(/\.on-.*\.rdiff\.zst$/)]);
    increment = names[1]!;
    const [full = 0, size = 0] = (await on(`cd ${WARM}; stat --format=%s ${names.join(" ")}`)).split("\n").map(Number);
    // Of so small a database, most is the log that the server writes anew.
    expect(size).toBeLessThan(full);
    expect(await on(`${SCRIPTS}/lvm-backup.sh verify ${names.join(" ")} | grep -c ^ok`)).toBe("2");
    expect(await leftovers()).toBe("");
  });

  it("stay on warm with the full archive that they need, and a server starts on what is restored from both", async () => {
    const sum = await psql(SUM);
    await on(`touch -d '31 days ago' ${WARM}/lv_postgres-*; ${SCRIPTS}/tiered-storage.sh migrate`);
    expect(await archives("lv_postgres")).toHaveLength(2);
    await on(`
      ${SCRIPTS}/lvm-backup.sh restore ${increment} --to /var/lib/postgresql/restored
      rm /var/lib/postgresql/restored/data/pg/postmaster.pid
      ${server("/var/lib/postgresql/restored/data/pg", 5433)} start
    `);
    expect(await psql(SUM, 5433)).toBe(sum);
    await on(`
      ${server("/var/lib/postgresql/restored/data/pg", 5433)} stop
      runuser -u postgres -- /usr/lib/postgresql/1?/bin/pg_checksums --check \\
        --pgdata=/var/lib/postgresql/restored/data/pg
      ${SCRIPTS}/lvm-backup.sh restore ${increment} --to-volume back
      mkdir --parents /run/back && mount -o ro /dev/vg_jts/back /run/back
      cmp /run/back/data/pg/PG_VERSION ${FOLDER}/PG_VERSION
      umount /run/back
      lvremove --quiet --yes vg_jts/back >/dev/null
    `);
  });

  it("that were cut off by a kill are cleaned up by the next run, which makes a whole one", async () => {
    await on(`
      mkdir --parents /root/bin
      printf '%s\\n' '#!/bin/bash' \\
        '[[ $* == *--threads=0* ]] || exec /usr/bin/zstd "$@"' \\
        'head --bytes=1000' \\
        'sleep infinity' >/root/bin/zstd
      chmod 755 /root/bin/zstd
      systemd-run --quiet --unit=cut --setenv=PATH=/root/bin:/usr/bin:/bin ${SCRIPTS}/lvm-backup.sh daily lv_postgres
      until [[ -s $(echo ${WARM}/.jts-backup-lv_postgres*) ]]; do sleep 0.2; done
      systemctl kill --signal=KILL cut
      until ! systemctl --quiet is-active cut; do sleep 0.2; done
      rm -r /root/bin
    `);
    expect(await leftovers()).toMatch(/lv_postgres_daily_/);
    await on("systemctl start lvm-backup.service");
    expect(await leftovers()).toBe("");
    expect(await archives("lv_postgres")).toHaveLength(3);
    expect(await on(`${SCRIPTS}/lvm-backup.sh verify | grep -c "^ok.*lv_postgres.*rdiff"`)).toBe("2");
    await on(`${server(FOLDER)} --mode=fast stop; rm -r /var/lib/postgresql/restored`);
  });
});
