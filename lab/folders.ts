import { join } from "node:path";
import { MADE } from "../setup/project.ts";

/** Everything of the lab: keys, image, machines, stack states. QEMU and ssh run in it, so that their sockets' paths stay short. */
export const LAB = join(MADE, "lab");
export const KEYS = join(LAB, "keys");
export const IMAGE = join(LAB, "image");
