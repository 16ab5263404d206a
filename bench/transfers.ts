/** What streams and connections bring on a link with delay, between the lab's machines. */
import { run } from "../lab/ssh.ts";

/** Files of each kind, which are copied from the warm tier. */
const KINDS = {
  small: { count: 2000, kib: 64 },
  large: { count: 4, kib: 128 * 1024 },
} as const;
const DELAYS_MS = [1, 10] as const;
const CONNECTIONS = [1, 4] as const;
const STREAMS = [4, 2, 1] as const;
/** No copy begins after this, so that all of it takes at most 15 minutes. */
const LAST_BEGINS_SECONDS = 12 * 60;
const SOURCE = "/data/warm-storage/bench";
const MOUNT = "/mnt/bench";
const EXPORTED = "/volume1/cocodev";
/** The private link's address at the NAS's end. */
const LINK = "link=$(ip -oneline -4 address show to 192.168.1.101 | awk '{ print $2 }')";

type Kind = keyof typeof KINDS;

/**
 * Copies files from the warm tier, which must be mounted, to the NAS, with the mover in /run/bench; prints a table. The
 * NAS's export must not be mounted: mounts of one server share their connections.
 */
export async function measureTransfers(): Promise<void> {
  const began = performance.now();
  const rows: string[] = [];
  try {
    await on("storage-host", makeFiles());
    for (const delay of DELAYS_MS) {
      await on("nas", `${LINK}; tc qdisc replace dev "$link" root netem delay ${delay}ms limit 100000`);
      for (const connections of CONNECTIONS) {
        await on("storage-host", mount(connections));
        for (const streams of STREAMS) {
          const cells: string[] = [];
          for (const kind of ["small", "large"] as const) {
            const isLate = (performance.now() - began) / 1000 > LAST_BEGINS_SECONDS;
            const cell = isLate ? "not run" : describe(kind, await copy(kind, streams));
            console.log(`  ${delay} ms, nconnect ${connections}, ${streams} streams, ${kind}: ${cell}`);
            cells.push(cell);
          }
          rows.push(`| ${[`${delay} ms`, connections, streams, ...cells].join(" | ")} |`);
        }
      }
    }
  } finally {
    // One that fails must not keep the other from being taken back.
    await Promise.allSettled([
      on("nas", `${LINK}; tc qdisc del dev "$link" root; rm --recursive --force ${EXPORTED}/bench-*`),
      on("storage-host", `umount --lazy ${MOUNT}; rm --recursive --force ${SOURCE} ${MOUNT}`),
    ]);
  }
  const titles = Object.values(KINDS).map(({ count, kib }) => `${count} files of ${size(kib)}`);
  console.log(`\n| delay | nconnect | streams | ${titles.join(" | ")} |\n|---|---|---|---|---|`);
  console.log(rows.join("\n"));
}

const on = async (machine: "storage-host" | "nas", script: string): Promise<string> =>
  (await run(machine, "bash -s", { stdin: `set -e\n${script}\n`, timeoutSeconds: 900 })).stdout;

/** What doesn't compress, as the warm tier would. */
const makeFiles = () =>
  Object.entries(KINDS)
    .map(
      ([kind, { count, kib }]) => `
        mkdir --parents ${SOURCE}/${kind}
        head --bytes=${count * kib}K /dev/urandom |
          split --bytes=${kib}K --suffix-length=4 - ${SOURCE}/${kind}/`,
    )
    .join("\n");

const mount = (connections: number) => `
  mkdir --parents ${MOUNT}
  ! mountpoint --quiet ${MOUNT} || umount ${MOUNT}
  mount --types nfs --options vers=3,hard,proto=tcp,rsize=1048576,wsize=1048576,nconnect=${connections} \\
    192.168.1.101:${EXPORTED} ${MOUNT}
  # Where another mount of the server had its connections, these would be shared.
  ${connections === 1 ? "!" : ""} grep --quiet ' ${MOUNT} nfs .*,nconnect=[2-9]' /proc/self/mounts`;

let copies = 0;

/** Copies all files of a kind, with nothing cached at first and all flushed in the end; returns the seconds. */
async function copy(kind: Kind, streams: number): Promise<number> {
  const destination = `${MOUNT}/bench-${kind}-${++copies}`;
  const printed = await on(
    "storage-host",
    `
      sync; echo 3 >/proc/sys/vm/drop_caches
      began=$EPOCHREALTIME
      python3 -I -B /run/bench/jts_storage move --source ${SOURCE}/${kind} --destination ${destination} \\
        --destination-mount ${MOUNT} --older-than-days 0 --keep --workers ${streams} --lock /run/bench/lock \\
        >/run/bench/summary 2>/run/bench/log || { cat /run/bench/log >&2; exit 1; }
      echo "$began $EPOCHREALTIME"
      # Looking would ask the NAS for each.
      grep --quiet 'moved ${KINDS[kind].count} files' /run/bench/summary
    `,
  );
  await on("nas", `rm --recursive --force ${EXPORTED}/bench-*`);
  const [from = Number.NaN, to = Number.NaN] = printed.trim().split(" ").map(Number);
  return to - from;
}

function describe(kind: Kind, seconds: number): string {
  const { count, kib } = KINDS[kind];
  return `${seconds.toFixed(1)} s, ${((count * kib) / 1024 / seconds).toFixed(1)} MiB/s`;
}

const size = (kib: number) => (kib < 1024 ? `${kib} KiB` : `${kib / 1024} MiB`);
