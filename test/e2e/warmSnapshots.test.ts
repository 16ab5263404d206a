/** Snapshots of warm on a host: made by the timer's service, in its sandbox, and deleted by age and for room. */
import { beforeAll, describe, expect, it } from "vitest";
import * as lab from "../../lab/lab.ts";
import { all, LabStack, only, unverified } from "../support/labStack.ts";

const on = async (command: string) => (await lab.run("storage-host", command)).stdout;
const BIN = "/usr/local/lib/jts-storage";
const WARM = "/data/warm-storage";
const SNAPSHOTS = `${WARM}/.jts-snapshots`;
const stamps = async () => (await on(`ls ${SNAPSHOTS}`)).split("\n").filter(Boolean);
/** One run of the timer's service; what it logged. */
const service = () =>
  on(`
    systemctl start tiered-storage.service
    journalctl _SYSTEMD_INVOCATION_ID=$(systemctl show --property=InvocationID --value tiered-storage.service) \\
      --output=cat
  `);

describe("a snapshot of warm", () => {
  let stack: LabStack;

  beforeAll(async () => {
    await lab.blank();
    stack = await LabStack.select();
    const keeping = (host: Record<string, unknown>) => {
      // What is older than the moment of the run is deleted: a file's time of change can't be set.
      host.automation = { ...(host.automation as object), warmSnapshotsKeptDays: 3, tempAfterDays: 0 };
    };
    await stack.configure(all(only("warm", "cold", "automation"), unverified, keeping));
    await stack.up();
    // The first run deletes nothing, whatever its clock.
    expect(await service()).toContain("nothing deleted in this run");
  });

  it("has what cleanup deletes, in the timer's sandbox, and it comes back", async () => {
    const file = `${WARM}/temp-processing/a job/model`;
    await on(`
      mkdir '${WARM}/temp-processing/a job'
      head --bytes=3M /dev/urandom >'${file}'
      chown 1234:4321 '${file}'
      chmod 640 '${file}'
      setfattr --name=user.origin --value=jts '${file}'
    `);
    const look = (path: string) =>
      on(`
        stat --format='%s %a %u:%g %.Y' '${path}'
        sha256sum <'${path}'
        getfattr --only-values --name=user.origin --absolute-names '${path}'
      `);
    const before = await look(file);
    const said = await service();
    expect(said).toContain("made the snapshot");
    expect(said).not.toMatch(/Permission denied|Operation not permitted|[Ff]ailed/);
    const [stamp = "", ...others] = await stamps();
    expect(others).toEqual([]);
    const kept = `${SNAPSHOTS}/${stamp}/temp-processing/a job/model`;
    expect(await on(`ls '${file}' 2>/dev/null || echo gone; stat --format='%U %a' ${SNAPSHOTS}`)).toBe(
      "gone\nroot 700",
    );
    expect(await on(`${BIN}/tiered-storage.sh where '${file}'`)).toContain(`"${kept}" is there`);
    expect(await on(`${BIN}/storage-health.sh | grep 'snapshots in'`)).toMatch(
      new RegExp(`^ok +warm +1 snapshots in ${SNAPSHOTS}, the oldest ${stamp}; they hold at most 3.0MiB`),
    );
    await on(`mkdir --parents '${WARM}/kept' && cp --reflink=auto --archive '${kept}' '${WARM}/kept/model'`);
    expect(await look(`${WARM}/kept/model`)).toBe(before);
  });

  it("stays as it is in a run that deletes nothing, and is no drift", async () => {
    const before = await stamps();
    await service();
    expect(await stamps()).toEqual(before);
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  });

  it("goes after its days, and only ours", async () => {
    const before = await stamps();
    await on(`
      btrfs subvolume snapshot -r ${WARM} ${SNAPSHOTS}/20200101T000000Z
      btrfs subvolume snapshot -r ${WARM} ${SNAPSHOTS}/before-the-upgrade
    `);
    expect(await service()).toMatch(/deleted 1 snapshots \(kept for 3 days\), \S+ became free: \S+20200101T000000Z/);
    expect(await stamps()).toEqual([...before, "before-the-upgrade"]);
    await on(`btrfs subvolume delete ${SNAPSHOTS}/before-the-upgrade`);
  });

  it("gives its room back under pressure, before files move to cold early", async () => {
    const used = async () =>
      Number(await on(`sync --file-system ${WARM}; df --block-size=1M --output=used ${WARM} | tail -1`));
    await on(`
      head --bytes=200M /dev/urandom >${WARM}/temp-processing/large
      head --bytes=1M /dev/urandom >${WARM}/daily-backups/old.tar
      touch -d '2 days ago' ${WARM}/daily-backups/old.tar
      sync --file-system ${WARM}
    `);
    const full = await used();
    await service();
    expect(full - (await used())).toBeLessThan(20);
    // Usage is in whole percents, rounded up, and warm is large: it is above any mark below 1.
    const { stdout, stderr } = await lab.run(
      "storage-host",
      `jq '.automation.warmHighPercent = 0.5 | .automation.warmLowPercent = 0' /etc/jts-storage/settings.json \\
         >/root/pressed.json
       chmod 600 /root/pressed.json
       ${BIN}/tiered-storage.sh migrate --json --settings /root/pressed.json`,
      { mayFail: true, timeoutSeconds: 300 },
    );
    const { snapshots, moves } = JSON.parse(stdout) as {
      snapshots: { deleted: { reason: string }[]; freedBytes: number };
      moves: { from: string }[];
    };
    expect(moves.map(({ from }) => from)).toEqual([`${WARM}/daily-backups/old.tar`]);
    expect(new Set(snapshots.deleted.map(({ reason }) => reason))).toEqual(
      new Set(["warm is above 0.5 %", "warm is above 0 %"]),
    );
    expect(snapshots.freedBytes).toBeGreaterThan(190 * 2 ** 20);
    expect(stderr.lastIndexOf("became free")).toBeLessThan(stderr.indexOf("old.tar"));
    expect(full - (await used())).toBeGreaterThan(190);
    expect(await stamps()).toEqual([]);
    await on("rm /root/pressed.json");
  });

  it("doesn't hold up a `destroy` that wipes", async () => {
    await on(`echo x >${WARM}/temp-processing/last`);
    await service();
    expect(await stamps()).toHaveLength(1);
    await stack.destroy();
    expect(await on("ls -d /var/lib/jts-storage 2>/dev/null || echo gone")).toBe("gone");
  });
});
