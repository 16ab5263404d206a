/** Which files of end-to-end tests a changed file can affect: what they import, and what they run. */
import { matchesGlob } from "node:path";

/** The files that bring up a stack: all but those on options and on the loss of power, which need none. */
const STACKS = [
  ...["adoption", "backup", "boot", "cache", "colds", "commands", "library", "mounts", "mover", "operations"],
  ...["records", "safety", "secrets", "survival", "tiers", "volumes", "warmSnapshots"],
];
const ALL = [...STACKS, "options", "powerLoss"];
/** Too long for what a change reaches: `npm run test:all` runs it. */
const DRILL = "drill";
const NONE: readonly string[] = [];
/** The files that bring up a stack with the cold tier, with tuning, with automation, with verification. */
const COLD = [
  "adoption",
  "backup",
  "boot",
  "cache",
  "colds",
  "commands",
  "library",
  "mounts",
  "mover",
  "operations",
  "records",
  "survival",
  "tiers",
  "warmSnapshots",
];
const TUNING = ["commands", "operations", "survival", "tiers"];
const AUTOMATION = [
  ...["backup", "boot", "cache", "colds", "commands", "mover", "operations", "records", "secrets", "survival"],
  ...["tiers", "warmSnapshots"],
];
const VERIFICATION = ["backup", "colds", "mover", "operations", "records", "secrets", "tiers"];

/** The first row that matches a path decides. Patterns are those of path.matchesGlob. */
export const REACH: readonly (readonly [pattern: string, files: readonly string[]])[] = [
  // The tests.
  ...ALL.map((file) => [`test/e2e/${file}.test.ts`, [file]] as const),
  [`{test/e2e/${DRILL}.test.ts,test/support/${DRILL}.sh}`, [DRILL]],
  ["test/e2e/**", ALL],
  ["test/support/labStack.ts", STACKS],
  ["test/support/tried.ts", ["options"]],
  ["test/support/installedExample.ts", ["library"]],
  ["test/support/moverTorture.py", ["mover"]],
  ["test/support/powerLoss.py", ["powerLoss"]],
  ["{test/support/{handMadeHost,hostOfRoles}.sh,test/support/hostOfAnsible.yaml}", ["adoption"]],
  ["test/{unit,contract,fixtures,support}/**", NONE],

  // The package.
  ["{examples/**,tsconfig.build.json,commands/build.ts}", ["library"]],

  // What stays on the host.
  ["scripts/jts_storage/verify.py", VERIFICATION],
  ["scripts/jts_storage/{archives,backup,postgresql,unpacking}.py", ["backup", "colds", "operations", "records"]],
  [
    "scripts/jts_storage/{archival,archival_run,clickhouse,cold_archives,folders,inventory,restores}.py",
    ["backup", "colds", "operations", "records"],
  ],
  ["scripts/jts_storage/copies.py", ["backup", "operations"]],
  ["scripts/jts_storage/{record_archives,records,session}.py", ["records"]],
  ["scripts/jts_storage/health.py", ["cache", "colds", "commands", "operations", "tiers", "warmSnapshots"]],
  ["scripts/jts_storage/{performance,measurements,picture,monitor}.py", ["operations"]],
  ["scripts/jts_storage/**", [...AUTOMATION, "powerLoss"]],
  ["scripts/tiered-storage.sh", ["backup", "boot", "colds", "mover", "operations", "tiers", "warmSnapshots"]],
  ["scripts/{lvm-backup,nas-archival}.sh", ["backup", "colds", "operations", "records"]],
  ["scripts/clickhouse/**", ["backup"]],
  ["scripts/storage-health.sh", ["colds", "operations", "tiers", "warmSnapshots"]],
  ["scripts/{performance-test,jts-storage-monitor}.sh", ["operations"]],
  ["scripts/verify-tiers.py", VERIFICATION],

  // The program.
  ["{providers/{resources/nfsCache,facts/cacheFile,values/nfsCache}.ts,providers/programs/*nfs-cache*.sh}", ["cache"]],
  ["providers/values/bytes.ts", ALL],
  ["providers/values/sha256.ts", ALL],
  ["providers/{filesystems/*,values/size,values/versions}.ts", [...STACKS, "options"]],
  ["{components/cold/**,providers/resources/nfsMount.ts}", COLD],
  ["{components/tuning/**,providers/facts/kernelValues.ts}", TUNING],
  ["providers/programs/{activate-sysctl,activate-udev,restore-kernel-values}.sh", TUNING],
  ["components/automation/**", AUTOMATION],
  ["components/deploy/remove-written.sh", AUTOMATION],
  ["providers/{resources,facts}/scripts.ts", AUTOMATION],
  ["providers/programs/{install,print,remove}-scripts.sh", AUTOMATION],
  ["providers/{resources/systemdTimer,resources/configFile,facts/unit,values/unitFile}.ts", AUTOMATION],
  ["providers/programs/{install,remove}-timer.sh", AUTOMATION],
  ["components/verification.ts", VERIFICATION],
  ["components/deploy/verify.sh", VERIFICATION],
  ["providers/programs/take-out-physical-volume.sh", ["volumes"]],
  ["{providers,components}/**", STACKS],
  ["{index,config}.ts", STACKS],
  ["Pulumi{,.dev}.yaml", STACKS],
  ["Pulumi.prod.yaml", NONE],

  // What they run on and with.
  ["lab/**", ALL],
  ["setup/{project,progress,debian,initStack}.ts", ALL],
  ["setup/{cli,languageHost}/**", STACKS],
  ["setup/{tools,go}.ts", STACKS],
  ["{commands/adopt.ts,setup/adopt/**}", ["adoption"]],
  ["{commands/{doctor,drift,explain,map}.ts,setup/{doctor,drift,explain,map}/**}", ["commands"]],
  ["commands/verify.ts", ["operations"]],
  ["setup/stackFile.ts", ["adoption", "commands", "operations"]],
  ["commands/**", NONE],
  ["setup/**", NONE],
  ["{package,package-lock}.json", ALL],
  [".npmrc", ALL],
  ["vitest.config.ts", ALL],

  ["policy/**", NONE],

  // What is only read. Texts for operators are compared with the host.
  ["docs/{STORAGE_SETUP.md,storage-health.schema.json}", ["operations"]],
  ["docs/**", NONE],
  ["{bench,monitoring}/**", NONE],
  ["{.ci,.github}/**", NONE],
  ["{tsconfig.json,eslint.config.js,imports.config.js,pyproject.toml,LICENSE}", NONE],
  ["*.md", NONE],
  [".*", NONE],
];

/** The names of the files of end-to-end tests that a path reaches. A path without a row may reach all of them. */
export function reachOf(path: string): readonly string[] {
  return rowOf(path)?.[1] ?? ALL;
}

/** The row that decides on a path. */
export function rowOf(path: string): (typeof REACH)[number] | undefined {
  // Matching is slow, and the same paths are asked for again and again.
  if (!rows.has(path))
    rows.set(
      path,
      REACH.find(([pattern]) => matchesGlob(path, pattern)),
    );
  return rows.get(path);
}

const rows = new Map<string, (typeof REACH)[number] | undefined>();

/** For each file of end-to-end tests, the changed files that reach it. */
export function reachedBy(changed: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const reached = new Map<string, string[]>();
  for (const path of changed) for (const file of reachOf(path)) reached.set(file, [...(reached.get(file) ?? []), path]);
  return reached;
}
