import { z } from "zod";
import { hostName, mountOption, nfsServer, path } from "./inputs.ts";
import { mountedEntry } from "./mountedEntry.ts";

const inputs = z.object({
  host: hostName,
  server: nfsServer,
  export: path,
  mountPoint: path,
  mountOverFiles: z.boolean().optional(),
  version: z.enum(["3", "4", "4.1", "4.2"]).default("4.2"),
  options: z.array(mountOption).default([]),
});
type Inputs = z.infer<typeof inputs>;

/** An export of an NFS server in fstab(5), see nfs(5), and its mount. */
export const nfsMount = mountedEntry<Inputs>({
  name: "NfsMount",
  inputs,
  entry: ({ server, export: folder, mountPoint, version, options }) => ({
    source: `${server}:${folder}`,
    mountPoint,
    type: "nfs",
    options: [`vers=${version}`, ...options],
    dump: 0,
    pass: 0,
  }),
  read({ source, options }) {
    const colon = source.indexOf(":/");
    const version = options.find((option) => option.startsWith("vers="))?.slice("vers=".length);
    return {
      server: source.slice(0, colon),
      export: source.slice(colon + 1),
      options: options.filter((option) => !option.startsWith("vers=")),
      ...(version === undefined ? {} : { version: version as Inputs["version"] }),
    };
  },
});
