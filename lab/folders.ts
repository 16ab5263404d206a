import { join } from "node:path";
import { MADE } from "../setup/project.ts";

/**
 * Holds everything of the lab: keys, image, machines, states of stacks. QEMU and ssh run in this folder, so that the
 * paths of their sockets stay short.
 */
export const LAB = join(MADE, "lab");
export const KEYS = join(LAB, "keys");
export const IMAGE = join(LAB, "image");
