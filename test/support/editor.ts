import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect } from "vitest";
import { ROOT } from "../../setup/project.ts";

/**
 * What an editor shows at places in a program, by TypeScript's language service; `¦` stands before each place.
 *
 * @param folder where the program is, which its imports start from
 */
export function documentationIn(text: string, folder: string): string[] {
  const file = join(folder, "a-program.ts");
  const parts = text.split("¦");
  const places = parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("").length);
  const config = JSON.parse(readFileSync(join(ROOT, "tsconfig.json"), "utf8")) as unknown;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const service = ts.createLanguageService({
    ...ts.sys,
    useCaseSensitiveFileNames: () => true,
    getScriptFileNames: () => [file],
    getScriptVersion: () => "1",
    getScriptSnapshot(path) {
      const content = path === file ? parts.join("") : ts.sys.readFile(path);
      return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content);
    },
    getCurrentDirectory: () => ROOT,
    getCompilationSettings: () => options,
    getDefaultLibFileName: (options) => ts.getDefaultLibFilePath(options),
  });
  expect(service.getSemanticDiagnostics(file).map(({ messageText }) => messageText)).toEqual([]);
  return places.map((place) => ts.displayPartsToString(service.getQuickInfoAtPosition(file, place)?.documentation));
}
