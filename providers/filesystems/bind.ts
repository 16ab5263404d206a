import type { FilesystemType } from "./filesystemType.ts";
import { called, flag, OF_ANY_MOUNT, unshown } from "./options.ts";

/** A bind mount, "none" in fstab(5): mount(8), "bind mount operation". */
export const bind: FilesystemType = {
  manual: "mount(8)",
  pass: 0,
  packages: [],
  takesOverFlags: true,

  options: { ...OF_ANY_MOUNT, ...called("bind rbind", unshown("it is what is mounted", flag)) },

  refused: [
    {
      matches: /^(sync|dirsync|lazytime)$/,
      reason: "is ignored by a bind mount; write it for the filesystem itself",
      examples: ["sync", "dirsync", "lazytime"].map((option) => ({ options: ["bind", option] })),
      outcome: "is ignored",
    },
  ],
};
