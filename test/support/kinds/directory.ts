import fc from "fast-check";
import { directory } from "../../../providers/resources/directory.ts";
import { exampleOf } from "../example.ts";
import { ledgerOf, mode, path, word } from "../generators.ts";

export const example = exampleOf(directory, {
  least: {
    declared: { path: "/data/jts", mode: "0750" },
    added: { owner: "root", group: "root", mode: "750", folders: [] },
  },
  declared: { path: "/data/jts/hot", mode: "750", folders: ["redis/data", "redis/logs"] },
  drift: ({ files }) => void (files["/data/jts/hot/redis/logs"]!.mode = "777"),
  drifted: { folders: ["redis/data"] },
  takesAnyText: ["path", "folders"],

  inputs: fc.record({
    host: word,
    path,
    owner: word,
    group: word,
    mode,
    folders: fc.uniqueArray(
      fc.array(word, { minLength: 1, maxLength: 3 }).map((names) => names.join("/")),
      { maxLength: 4 },
    ),
  }),
  converged({ path: root, owner, group, mode, folders }) {
    const below = folders.flatMap((folder) =>
      folder.split("/").map((_, index, names) => `${root}/${names.slice(0, index + 1).join("/")}`),
    );
    return {
      paths: new Map([root, ...below].map((one) => [one, { type: "directory", owner, group, mode }])),
      made: new Set([`directory ${root}`]),
    };
  },
  any({ path: root, folders }) {
    const all = [root, ...folders.map((folder) => `${root}/${folder}`)];
    const status = fc.record({
      type: fc.constantFrom("directory", "regular file", "symbolic link"),
      owner: word,
      group: word,
      mode,
    });
    return fc.record({
      paths: fc.array(fc.tuple(fc.constantFrom(...all), status)).map((entries) => new Map(entries)),
      made: ledgerOf([...all, `${root}/other`].map((one) => `directory ${one}`)),
    });
  },
});
