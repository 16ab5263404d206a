import { program } from "../programs/program.ts";
import type { Ask, Fact } from "./fact.ts";
import { blockDevices, type BlockDevice } from "./lsblk.ts";
import { linksFor, realPath } from "./realPath.ts";

/** What findfs(8) says of an fstab source. */
const foundSource: Fact<string, string | undefined> = {
  name: "the device of the source",
  about: ["block", "contents", "lvm"],
  command: (source) => ({ ...program("print-source-device", source), okExitCodes: [0, 1] }),
  parse: ({ stdout, exitCode }) => (exitCode === 0 ? stdout.trimEnd() : undefined),
};

/** The links that udev makes for these, where it has nothing to escape. */
const LINKED = /^(LABEL|UUID|PARTLABEL|PARTUUID)=([\w#+.:=@-]+)$/;

/** The device that an fstab source names by path, LABEL=, UUID=, …; undefined: there is none now. */
export async function sourceDevice(ask: Ask, source: string): Promise<BlockDevice | undefined> {
  const [, tag = "", value] = LINKED.exec(source) ?? [];
  const link = source.startsWith("/") ? source : `/dev/disk/by-${tag.toLowerCase()}/${value}`;
  const [links, devices] = await Promise.all([linksFor(ask, link), ask(blockDevices, undefined)]);
  const real = source.startsWith("/") || links.has(link) ? await realPath(ask, link) : await ask(foundSource, source);
  return real === undefined ? undefined : devices.get(real);
}
