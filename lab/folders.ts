import { join } from "node:path";
import { LAB_DEBIAN, MADE } from "../setup/project.ts";

/**
 * Holds everything of the lab: keys, image, machines, states of stacks. Each release of Debian has a lab of its own.
 * QEMU and ssh run in this folder, so that the paths of their sockets stay short.
 */
export const LAB = join(MADE, LAB_DEBIAN === 12 ? "lab" : `lab-debian-${LAB_DEBIAN}`);
export const KEYS = join(LAB, "keys");
export const IMAGE = join(LAB, "image");
