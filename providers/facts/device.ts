import { blockDevices, type BlockDevice } from "./lsblk.ts";
import type { Ask } from "./fact.ts";
import { realPath } from "./realPath.ts";

/** The block device at a path, links followed; undefined: there is none. */
export async function deviceAt(ask: Ask, path: string): Promise<BlockDevice | undefined> {
  const [real, devices] = await Promise.all([realPath(ask, path), ask(blockDevices, undefined)]);
  return real === undefined ? undefined : devices.get(real);
}
