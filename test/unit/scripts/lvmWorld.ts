import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SCRIPTS, test as plain, type Ended, type Settings, type World } from "./world.ts";

export const FAKE_LVM = join(import.meta.dirname, "fakeLvm.sh");
export const GIB = 2 ** 30;
export const DAY = 86400;
export const NOW = Date.UTC(2026, 5, 30, 12) / 1000;
export const stampOf = (seconds: number) => new Date(seconds * 1000).toISOString().replaceAll(/[-:]|\.000/g, "");

export const test = plain.extend<{ readonly world: World }>({
  world: async ({ world }, use) => {
    fillWorld(world);
    await use(world);
  },
});

export function fillWorld(world: World) {
  for (const name of ["vgs", "lvs", "lvcreate", "lvremove", "lvchange", "blkid", "mkfs.ext4", "mkfs.xfs", "mount"])
    world.program(name, `source ${FAKE_LVM} ${world.path}/vg "\${0##*/}" "$@"`);
  volume(world, "lv_postgres", "ext4");
  volume(world, "lv_kafka", "xfs");
  mkdirSync(world.at(join(world.warm, "daily-backups")));
  mkdirSync(world.at(join(world.cold, "jts/archives/database")), { recursive: true });
}

export function volume(world: World, name: string, type: string, facts: Readonly<Record<string, unknown>> = {}) {
  mkdirSync(join(world.path, "vg", name, "data/a b"), { recursive: true });
  writeFileSync(
    join(world.path, "vg", name, "known.json"),
    JSON.stringify({ origin: "", bytes: GIB, tags: "", type, ...facts }),
  );
  writeFileSync(join(world.path, "vg", name, "data/a b/-file\nof two lines"), `content of ${name}`, { mode: 0o640 });
}

export type Change = (settings: Settings) => unknown;
export const settings = (world: World, change: Change = () => undefined) =>
  world.settings((settings) => {
    settings.hot!.volumeGroup = "vg_jts";
    settings.automation.backupVolumes = { lv_postgres: 2 ** 20, lv_kafka: 2 ** 21 };
    change(settings);
  });
export const argumentsOf = (world: World, options: readonly string[], change?: Change) => [
  join(SCRIPTS, "lvm-backup.sh"),
  ...options,
  "--settings",
  settings(world, change),
  "--lock",
  join(world.path, "lock"),
  ...(options.includes("--now") ? [] : ["--now", `@${NOW}`]),
];
export const backup = (world: World, options: readonly string[], change?: Change): Promise<Ended> =>
  world.run(argumentsOf(world, options, change));
export const volumes = (world: World) =>
  readdirSync(join(world.path, "vg"))
    .filter((name) => name !== ".room")
    .sort();
export const archived = async (world: World) =>
  (await world.files())
    .filter((path) => path.startsWith("warm/"))
    .map((path) => path.slice("warm/daily-backups/".length));

/** Runs the scripts' Python with some of its functions changed, by the statements of `change`. */
export function changePython(world: World, change: string) {
  const before = ["import os, runpy, signal, sys", change, "sys.argv = sys.argv[1:]"];
  const program = [...before, 'runpy.run_path(sys.argv[0], run_name="__main__")'].join("\n");
  world.program("python3", `exec /usr/bin/python3 "$1" "$2" -c '${program}' "\${@:3}"`);
}

/** What cleanup accepts as a good archive. */
export function putArchive(world: World, name: string, folder = join(world.warm, "daily-backups")) {
  world.put(join(folder, name), name);
  world.put(join(folder, `${name}.sha256`), `0  ${name}\n`);
}
