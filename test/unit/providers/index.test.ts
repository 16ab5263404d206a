import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as resources from "../../../providers/index.ts";
import { kinds } from "../../../providers/kinds.ts";
import { ROOT } from "../../../setup/project.ts";
import { documentationIn } from "../../support/editor.ts";

const MODULE = join(ROOT, "providers/index.ts");
const NAMES = Object.keys(kinds);

describe("the public classes", () => {
  it("are those of the kinds: one for each, by its name", () => {
    const classes = Object.entries(resources).filter(([, one]) => /^class /.test(String(one)));
    expect(classes.map(([name]) => name).sort()).toEqual(NAMES.toSorted());
    expect(Object.values(kinds).map(({ name }) => name)).toEqual(NAMES);
  });

  it("load nothing but Pulumi into a program's process, and no kind", () => {
    const code = stripTypeScriptTypes(readFileSync(MODULE, "utf8"));
    expect(
      [...code.matchAll(/\bfrom "([^"]+)"|\bimport\("([^"]+)"/g)].map(([, from, dynamic]) => from ?? dynamic),
    ).toEqual(["@pulumi/pulumi"]);
  });
});

describe("the text that names a provider", () => {
  it("is a file of the checkout where the program is TypeScript", () => {
    expect(resources.providerText("Directory")).toBe(
      'exports.handler = () => require("./providers/entry.ts").v1.Directory()',
    );
  });

  it("is the package's own where the program is JavaScript, as after a build", () => {
    const built = "file:///srv/other/node_modules/jts-storage/dist/providers/index.js";
    expect(resources.providerText("Directory", built)).toBe(
      'exports.handler = () => require("jts-storage/provider").v1.Directory()',
    );
  });
});

describe("an editor", () => {
  it("shows the documentation of what each resource has besides its args", () => {
    const outputs = [
      ...NAMES.map((name) => [name, "drift"]),
      ...["PhysicalVolume", "VolumeGroup", "LogicalVolume", "Filesystem"].map((name) => [name, "uuid"]),
      ...["FstabEntry", "NfsMount"].map((name) => [name, "fstabLine"]),
      ["LogicalVolume", "path"],
      ["LogicalVolume", "sizeBytes"],
    ] as const;
    const program = [
      'import * as resources from "../../../providers/index.ts";',
      ...outputs.map(([name, output]) => `({} as resources.${name}).¦${output};`),
    ];
    const shown = documentationIn(program.join("\n"), import.meta.dirname);
    expect(outputs.filter((_, index) => shown[index] === "")).toEqual([]);
    expect(shown.at(-2)).toBe("/dev/VG/LV, known in previews.");
  });
});
