/**
 * Who may import what, for dependency-cruiser, types included. docs/architecture.md shows the same table, and a test
 * compares the two. A row: files, what they may import besides their own folder, and which npm packages. A path that
 * ends in a slash is a folder with all below it. Nothing imports in a circle.
 */

/** @typedef {{ files: readonly string[], may: readonly string[], npm?: readonly string[] }} Layer */

/** What the parts of a host share. */
export const SHARED = ["arguments", "fields", "mounts", "places", "problem", "remote", "rows", "tier"].map(
  (file) => `components/${file}.ts`,
);
const RESOURCES = ["providers/index.ts", "providers/filesystems/", "providers/values/"];

/** From the top floor down. @type {readonly Layer[]} */
export const LAYERS = [
  { files: ["commands/", "bench/"], may: ["lab/", "setup/", "config.ts", "components/", "providers/"] },
  {
    files: [
      ...["setup/adopt/", "setup/doctor/", "setup/drift/", "setup/explain/", "setup/fleet/", "setup/map/"],
      ...["setup/options/", "setup/preview/", "setup/stackFile.ts"],
    ],
    may: ["setup/", "config.ts", "components/", "providers/"],
  },
  { files: ["lab/"], may: ["setup/", "providers/values/"] },
  { files: ["setup/"], may: ["providers/values/"] },

  // Sent as a package of its own: it imports nothing else of the checkout.
  { files: ["policy/"], may: [], npm: ["@pulumi/policy", "@pulumi/pulumi"] },
  { files: ["index.ts"], may: ["config.ts", "components/"] },
  { files: ["config.ts"], may: ["components/", "providers/values/"], npm: ["@pulumi/pulumi", "zod"] },
  { files: ["components/index.ts"], may: ["components/", "providers/index.ts"] },
  {
    files: ["components/verification.ts"],
    may: ["components/automation/", "components/tiers.ts", ...SHARED, "providers/values/"],
    npm: ["@pulumi/command", "@pulumi/pulumi"],
  },
  { files: ["components/hostPackages.ts"], may: [...SHARED, "providers/index.ts"], npm: ["@pulumi/pulumi"] },
  {
    files: ["components/automation/"],
    may: ["components/tiers.ts", "components/hot/", "components/warm/", "components/cold/", ...SHARED, ...RESOURCES],
    npm: ["@pulumi/command", "@pulumi/pulumi", "zod"],
  },
  {
    files: ["components/tuning/"],
    may: ["components/hot/", ...SHARED, ...RESOURCES],
    npm: ["@pulumi/pulumi", "zod"],
  },
  {
    files: ["components/tiers.ts"],
    may: ["components/hot/", "components/warm/", "components/cold/", ...SHARED],
    npm: ["@pulumi/pulumi", "zod"],
  },
  { files: ["components/hot/"], may: [...SHARED, ...RESOURCES], npm: ["@pulumi/pulumi", "zod"] },
  { files: ["components/warm/"], may: [...SHARED, ...RESOURCES], npm: ["@pulumi/pulumi", "zod"] },
  { files: ["components/cold/"], may: [...SHARED, ...RESOURCES], npm: ["@pulumi/pulumi", "zod"] },
  { files: SHARED, may: RESOURCES, npm: ["@pulumi/command", "@pulumi/pulumi", "zod"] },

  { files: ["providers/entry.ts"], may: ["providers/kinds.ts", "providers/engine/"], npm: ["@pulumi/pulumi"] },
  // Only types of the kinds: see TYPES_ONLY.
  { files: ["providers/index.ts"], may: ["providers/kinds.ts", "providers/values/"], npm: ["@pulumi/pulumi", "zod"] },
  { files: ["providers/kinds.ts"], may: ["providers/resources/"] },
  {
    files: ["providers/resources/"],
    may: ["engine/", "facts/", "programs/", "host/", "filesystems/", "values/"].map((folder) => `providers/${folder}`),
    npm: ["zod"],
  },
  {
    files: ["providers/engine/"],
    may: ["providers/facts/", "providers/host/", "providers/values/", "providers/errors.ts"],
    npm: ["@pulumi/pulumi", "zod"],
  },
  { files: ["providers/facts/"], may: ["providers/programs/", "providers/host/", "providers/values/"], npm: ["zod"] },
  { files: ["providers/programs/"], may: ["providers/host/"] },
  { files: ["providers/host/"], may: ["providers/values/", "providers/errors.ts"], npm: ["execa"] },
  { files: ["providers/filesystems/"], may: ["providers/values/"] },
  { files: ["providers/values/"], may: [], npm: ["zod"] },
  { files: ["providers/errors.ts"], may: [] },
];

/** Folders of tools, and of tests, use any npm package that is installed. */
const TOOLS = ["commands/", "bench/", "setup/", "lab/"];
/** A program loads no kind: all that it knows of one is its name, and the types of its args. */
const TYPES_ONLY = { from: "providers/index.ts", to: "providers/kinds.ts" };

const escaped = (/** @type {string} */ path) => path.replaceAll(".", "\\.");
const pattern = (/** @type {string} */ path) => `^${escaped(path)}${path.endsWith("/") ? "" : "$"}`;
const all = LAYERS.flatMap(({ files }) => files);

export default {
  forbidden: [
    { name: "no-circle", severity: "error", from: {}, to: { circular: true } },
    {
      name: "in-no-layer",
      comment: "A new file or folder needs a row in imports.config.js.",
      severity: "error",
      from: {
        pathNot: [...all.map(pattern), "^test/", "^node_modules/", "^examples/", "\\.(js|mjs)$", "^vitest\\.config"],
      },
      to: {},
    },
    {
      name: "kinds-by-type-only",
      severity: "error",
      from: { path: pattern(TYPES_ONLY.from) },
      to: { path: pattern(TYPES_ONLY.to), dependencyTypesNot: ["type-only"] },
    },
    ...LAYERS.flatMap(({ files, may, npm = [] }) =>
      files.map((file) => ({
        name: `imports-of-${file}`,
        severity: "error",
        // A more special row comes before.
        from: {
          path: pattern(file),
          pathNot: all.filter((other) => other !== file && other.startsWith(file)).map(pattern),
        },
        to: {
          pathNot: [
            ...[...(files.length > 1 ? files : [file]), ...may].map(pattern),
            ...(TOOLS.some((folder) => file.startsWith(folder))
              ? ["^node_modules/"]
              : npm.map((name) => `^node_modules/${name}/`)),
          ],
          dependencyTypesNot: ["core"],
        },
      })),
    ),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
  },
};
