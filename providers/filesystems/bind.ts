import type { FilesystemType } from "./filesystemType.ts";
import { flags, OF_ANY_MOUNT } from "./options.ts";

/** A bind mount, "none" in fstab(5): mount(8), "bind mount operation". */
export const bind: FilesystemType = {
  manual: "mount(8)",
  pass: 0,
  packages: [],
  canRemount: () => true,
  takesOverFlags: true,

  options: { ...OF_ANY_MOUNT, ...flags("bind rbind") },

  refused: [
    {
      matches: /^(sync|dirsync|lazytime)$/,
      reason: "is ignored by a bind mount; write it for the filesystem itself",
      examples: ["sync", "dirsync", "lazytime"].map((option) => ({ options: ["bind", option] })),
      outcome: "is ignored",
    },
  ],
};
