import type { Fact } from "./fact.ts";
import { ledger } from "./ledger.ts";
import { blockDevices } from "./lsblk.ts";
import { lvm } from "./lvm.ts";
import { deviceLinks } from "./realPath.ts";

/** Facts that most resources need: asked along with the very first question, so that a refresh is one batched read. */
export const HOST_WIDE: readonly Fact<undefined, unknown>[] = [blockDevices, deviceLinks, lvm, ledger];
