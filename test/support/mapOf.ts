/** Stacks' hosts for tests of the map, and what may be seen there. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Look, Seen } from "../../setup/map/hostMap.ts";
import { readStack, type StackHost } from "../../setup/stackFile.ts";

export const CONNECTION = {
  host: "192.0.2.1",
  hostKey: `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${"A".repeat(43)}`,
};

/** The hosts of a stack with these sections. */
export async function hostsOf(sections: object): Promise<readonly StackHost[]> {
  const folder = await mkdtemp(join(tmpdir(), "jts-map-"));
  try {
    const file = join(folder, "Pulumi.test.yaml");
    await writeFile(file, JSON.stringify({ config: { "jts-storage:hosts": sections } }));
    return await readStack(file, []);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const GIB = 2 ** 30;
const fill = (percent: number, gib: number) => ({
  usedBytes: Math.round((percent * gib * GIB) / 100),
  wholeBytes: gib * GIB,
  percent,
});

/** A host with the JTS tiers on which something differs, and something isn't well. */
export const SEEN: Seen = {
  differences: new Map([
    ["hot-kafka-mount", ["mount /var/lib/kafka with logbsize=256k"]],
    ["automation-scripts", ["write 2 scripts"]],
  ]),
  fills: new Map([
    ["/var/lib/postgresql", fill(41, 787)],
    ["/var/lib/clickhouse", fill(83, 1476)],
    ["/var/lib/kafka", fill(12, 599)],
    ["/var/lib/mongodb", fill(1, 196)],
    ["/var/lib/redis", fill(0, 49)],
    ["/var/lib/docker-jts", fill(55, 295)],
    ["/data/local-backup", fill(97, 147)],
    ["/data/warm-storage", fill(62, 3700)],
    ["/mnt/synology", fill(35, 22000)],
  ]),
  groups: new Map([
    [
      "vg_jts",
      {
        wholeBytes: 953860 * 4 * 2 ** 20,
        freeBytes: 121 * GIB,
        volumes: [
          { name: "lv_postgres", bytes: 800 * GIB, origin: undefined, dataPercent: undefined },
          { name: "snap_postgres", bytes: 5 * GIB, origin: "lv_postgres", dataPercent: 37.2 },
        ],
      },
    ],
  ]),
  health: {
    level: "warning",
    at: "2026-03-01T10:07:12Z",
    findings: [{ level: "warning", subject: "hot", fact: "/data/local-backup is 97 % full" }],
  },
};

export const LOOKS: readonly Look[] = [
  { outcome: "not asked" },
  { outcome: "not reached", reason: "ssh: connect to host 192.0.2.1 port 22: Connection timed out" },
  { outcome: "seen", seen: SEEN },
  { outcome: "seen", seen: { differences: new Map(), fills: new Map(), groups: new Map(), health: undefined } },
];
