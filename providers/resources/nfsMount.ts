import { z } from "zod";
import { exportPath, mountOption, nfsServer, path } from "../values/fields.ts";
import { kindInputs } from "./inputs.ts";
import { mountedEntry } from "./mountedEntry.ts";

const inputs = kindInputs({
  /** Name or address of the NFS server. */
  server: nfsServer,
  /** The exported folder on the server. */
  export: exportPath,
  /**
   * fs_file. Made where it is absent, and immutable while nothing is mounted on it. A change makes another resource.
   */
  mountPoint: path,
  /** Mounts over a folder that isn't empty: what is in it is kept, and hidden. Default: false, that is refused. */
  mountOverFiles: z.boolean().optional(),
  /**
   * A line that is there already, and asks for the same mount, stays as it is written, and a removal leaves it and its
   * mount. Default: false.
   */
  keepsLine: z.boolean().optional(),
  /** The protocol's version, see nfs(5). Default: 4.2. */
  version: z.enum(["3", "4", "4.1", "4.2"]).default("4.2"),
  /** Further mount options, one each. A server may grant smaller rsize and wsize: that is not drift. Default: none. */
  options: z.array(mountOption).default([]),
});

/** An export of an NFS server in fstab(5), see nfs(5), and its mount. */
export const nfsMount = mountedEntry({
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
      ...(version === undefined ? {} : { version: version as z.output<typeof inputs>["version"] }),
    };
  },
});
