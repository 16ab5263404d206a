/** A cold tier of two exports, of two addresses: what goes where, which one is away, and what stays when one goes. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as lab from "../../lab/lab.ts";
import { LabStack, only, type HostSection } from "../support/labStack.ts";

const on = async (command: string) => (await lab.run("storage-host", command)).stdout;
const mayFail = (command: string) => lab.run("storage-host", command, { mayFail: true, timeoutSeconds: 300 });
const onNas = async (command: string) => (await lab.run("nas", command)).stdout;
const SCRIPTS = "/usr/local/lib/jts-storage";

/** The second NAS is the first one's machine by another address, which can go by itself. */
const ADDRESS = "192.168.1.102";
const address = (verb: "replace" | "del") =>
  `ip address ${verb} ${ADDRESS}/24 dev "$(ip -oneline address show to 192.168.1.101 | awk '{ print $2 }')"`;

const FOLDER = "/home/jts/notebooks";
const TICKS = "/data/local-backup/ticks";
const first = (host: HostSection) => {
  only("hot", "warm", "cold", "automation")(host);
  host.hot = { ...(host.hot as object), volumes: { local_backup: { size: "2GiB" } }, snapshotReserve: 0 };
};
const both = (host: HostSection) => {
  first(host);
  host.cold = {
    ...(host.cold as object),
    volumes: {
      marketdata: {
        server: ADDRESS,
        export: "/volume1/second",
        mountPoint: "/mnt/marketdata",
        holds: ["development"],
      },
    },
  };
  host.automation = {
    developmentFolders: [FOLDER],
    rules: [{ name: "ticks", source: TICKS, olderThanDays: 2, to: "marketdata", destination: "raw" }],
  };
};

describe("a cold tier of two exports", { timeout: 20 * 60_000, tags: ["long"] }, () => {
  let stack: LabStack;
  const filesOf = async (export_: string) =>
    (await onNas(`find ${export_} -type f -printf '%P\\n' | sort`)).split("\n").filter((line) => line !== "");

  beforeAll(async () => {
    await lab.blank();
    await onNas(`
      ${address("replace")} &&
      mkdir --parents /volume1/second /etc/exports.d &&
      sed 's,/volume1/cocodev,/volume1/second,' /etc/exports >/etc/exports.d/second.exports &&
      exportfs -ra
    `);
    await on(`mkdir --parents ${FOLDER} && echo note >${FOLDER}/note`);
    stack = await LabStack.select();
    await stack.configure(both);
  });

  afterAll(async () => {
    await onNas(address("replace"));
    await stack.destroy();
    await onNas(`
      rm --force /etc/exports.d/second.exports; exportfs -ra
      rm --recursive --force /volume1/second; ${address("del")}
    `);
    await on(`rm --recursive --force ${FOLDER}`);
  });

  it("are both mounted and verified, and a second `up` changes nothing", async () => {
    const { said } = await stack.up();
    expect(said).toMatch(/ok +move +a file went hot → warm → cold with SHA-256/);
    expect(said).toMatch(/ok +move +a file went warm → marketdata with SHA-256/);
    expect(await on("findmnt --noheadings --output SOURCE /mnt/marketdata")).toBe(`${ADDRESS}:/volume1/second`);
    expect(await on("findmnt --noheadings --output SOURCE /mnt/synology")).toBe("192.168.1.101:/volume1/cocodev");
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  });

  it("get what belongs on each: the second by a rule and by what it holds, the first all else", async () => {
    await on(`mkdir --parents ${TICKS} && echo tick >${TICKS}/a && touch -d '3 days ago' ${TICKS}/a`);
    await on(`systemctl start tiered-storage.service
      for kind in configs development; do ${SCRIPTS}/nas-archival.sh $kind; done`);
    const second = await filesOf("/volume1/second");
    expect(second).toEqual(expect.arrayContaining(["jts/development/notebooks/note", "jts/raw/a"]));
    expect(second.filter((file) => file.startsWith("jts/archives/"))).toEqual([]);
    const own = await filesOf("/volume1/cocodev");
    expect(own.filter((file) => /^jts\/archives\/configs\/configs-.*\.tar\.zst$/.test(file))).toHaveLength(1);
    expect(own.filter((file) => /note|raw/.test(file))).toEqual([]);
    expect(await on(`${SCRIPTS}/tiered-storage.sh where a`)).toContain(TICKS);
  });

  it("are both compared for the same content, also with warm; the one that is away is named", async () => {
    const dedup = `timeout 240 ${SCRIPTS}/tiered-storage.sh dedup --dry-run --read-cold --json`;
    const folders = ["/data/warm-storage/same", "/mnt/synology/jts/same", "/mnt/marketdata/jts/same"] as const;
    const [warm, own, second] = folders.map((folder) => `${folder}/content`) as [string, string, string];
    await on(`mkdir ${folders.join(" ")} && head --bytes=1M /dev/urandom | tee ${own} ${second} >${warm} && sync`);
    const groupsOf = (stdout: string) => {
      const { groups, ...rest } = JSON.parse(stdout) as {
        readonly groups: readonly { readonly files: readonly { readonly path: string }[] }[];
        readonly problems: readonly string[];
        readonly totals: { readonly betweenExports: object };
      };
      return { ...rest, paths: groups.map(({ files }) => files.map(({ path }) => path)) };
    };
    try {
      const both = groupsOf(await on(dedup));
      // Paths on cold come in their order.
      expect(both.paths).toContainEqual([warm, second, own]);
      expect(both).toMatchObject({ problems: [], totals: { betweenExports: { files: 1, bytes: 2 ** 20 } } });
      await onNas(address("del"));
      try {
        const { exitCode, stdout } = await mayFail(dedup);
        const one = groupsOf(stdout);
        expect([exitCode, one.problems]).toEqual([1, [expect.stringContaining("marketdata: /mnt/marketdata ")]]);
        expect(one.paths).toContainEqual([warm, own]);
      } finally {
        await onNas(address("replace"));
      }
    } finally {
      await mayFail(`timeout 240 rm --recursive ${folders.join(" ")}`);
    }
  });

  it("are told apart by health while one of them is away", async () => {
    expect((await mayFail(`${SCRIPTS}/storage-health.sh`)).stdout).toMatch(/ok +cold +\/mnt\/marketdata: /);
    await onNas(address("del"));
    try {
      const { exitCode, stdout } = await mayFail(`${SCRIPTS}/storage-health.sh`);
      expect(exitCode).toBe(2);
      expect(stdout).toMatch(/ok +cold +\/mnt\/synology: /);
      expect(stdout).toMatch(
        /critical +cold +\/mnt\/marketdata does not answer within 5 s\n.*Next: 192\.168\.1\.102 does not answer on port 2049/,
      );
    } finally {
      await onNas(address("replace"));
    }
    expect((await mayFail("timeout 240 ls /mnt/marketdata/jts")).exitCode).toBe(0);
  });

  it("the second one goes from the host with its line of fstab, and its files stay on the NAS", async () => {
    const before = await onNas("cd /volume1/second && find . -type f -print0 | sort -z | xargs -0 sha256sum");
    await stack.configure(first);
    await stack.up();
    expect(await on("findmnt /mnt/marketdata || true; grep marketdata /etc/fstab || true")).toBe("");
    expect(await onNas("cd /volume1/second && find . -type f -print0 | sort -z | xargs -0 sha256sum")).toBe(before);
    expect(await on("findmnt --noheadings --output SOURCE /mnt/synology")).toBe("192.168.1.101:/volume1/cocodev");
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  });
});
