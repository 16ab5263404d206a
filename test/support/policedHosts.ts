/** Configurations of a host, for policies. */

/** Of no host; it looks like any other key. */
const HOST_KEY = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${"q7Zr0".repeat(9).slice(0, 43)}`;

/** What every policy agrees to. */
export const GOOD = {
  trading: {
    connection: { host: "192.0.2.10", user: "storage", hostKey: HOST_KEY },
    onDelete: "retain",
    hot: { device: { path: "/dev/disk/by-id/nvme-x", size: 4_000_787_030_016 } },
    warm: { device: { path: "/dev/disk/by-id/ata-y-part2" } },
    cold: {
      server: "192.0.2.11",
      export: "/volume1/x",
      options: ["rw", "hard", "proto=tcp", "timeo=600", "nosuid", "nodev"],
    },
    automation: {
      backupVolumes: { postgres: "5GiB", clickhouse: "10GiB", mongodb: "2GiB", redis: "1GiB" },
      notify: "https://alerts.example/storage",
    },
  },
};

/** What most policies have something against; no resource of it holds the connection. */
export const BAD = {
  trading: {
    connection: { host: "192.0.2.10", hostKey: `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${"A".repeat(43)}` },
    onDelete: "wipe",
    hot: { device: { path: "/dev/nvme0n1", size: 4_000_787_030_016 } },
    warm: { device: { path: "/dev/sda2" } },
    cold: { server: "192.0.2.11", export: "/volume1/x", options: ["rw", "soft", "proto=tcp"] },
  },
};
