import { cmd } from "../host/command.ts";
import type { Fact } from "./fact.ts";

/** The text of /etc/fstab, every byte of it. */
export const fstab: Fact<undefined, string> = {
  name: "/etc/fstab",
  about: ["fstab"],
  command: () => cmd`cat /etc/fstab`,
  parse: ({ stdout }) => stdout,
};
