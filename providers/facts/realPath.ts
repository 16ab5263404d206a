import { posix } from "node:path";
import { cmd } from "../host/command.ts";
import type { Ask, Fact } from "./fact.ts";
import { blockDevices } from "./lsblk.ts";

/**
 * Every symbolic link below /dev but those of {@link contentLinks}, by its path: what it says. udev makes them by
 * serial number, volume, …
 */
export const deviceLinks: Fact<undefined, Links> = {
  name: "the links to devices",
  about: ["block", "lvm"],
  // Not those in /dev/shm, which is a mount of its own.
  command: () => cmd`find /dev -ignore_readdir_race -xdev -type l -printf ${"%p\\t%l\\n"}`,
  parse: ({ stdout }) => new Map(linksOf(stdout).filter(([path]) => !CONTENT.test(path))),
};

/** udev's links by what is on a device, which come and go with each filesystem. */
export const contentLinks: Fact<undefined, Links> = {
  name: "the links to devices by what is on them",
  about: ["block", "lvm", "contents"],
  command: () =>
    cmd`find /dev -ignore_readdir_race -xdev -type l ( -path ${"/dev/disk/by-label/*"} -o -path ${"/dev/disk/by-uuid/*"} ) -printf ${"%p\\t%l\\n"}`,
  parse: ({ stdout }) => new Map(linksOf(stdout).filter(([path]) => CONTENT.test(path))),
};
const CONTENT = /^\/dev\/disk\/by-(label|uuid)\//;

type Links = ReadonlyMap<string, string>;

/** The links among which a path would be. */
export function linksFor(ask: Ask, path: string): Promise<Links> {
  return ask(CONTENT.test(path) ? contentLinks : deviceLinks, undefined);
}

function linksOf(stdout: string): (readonly [string, string])[] {
  return stdout.split("\n").flatMap((line) => {
    const [path = "", target] = line.split("\t");
    return target === undefined ? [] : [[path, target] as const];
  });
}

/** What readlink(1) says of a path. */
const canonicalPath: Fact<string, string | undefined> = {
  name: "the path",
  about: ["block"],
  command: (path) => ({ ...cmd`readlink --canonicalize-existing -- ${path}`, okExitCodes: [0, 1] }),
  parse: ({ stdout, exitCode }) => (exitCode === 0 ? stdout.replace(/\n$/, "") : undefined),
};

/** As ELOOP of path_resolution(7). */
const MAX_LINKS = 40;

/** Where a path of a device leads, links followed; undefined: it leads nowhere. */
export async function realPath(ask: Ask, path: string): Promise<string | undefined> {
  const [links, devices] = await Promise.all([linksFor(ask, path), ask(blockDevices, undefined)]);
  let at = path;
  for (let count = 0; count < MAX_LINKS; count++) {
    if (devices.has(at)) return at;
    const target = links.get(at);
    if (target === undefined) break;
    at = posix.resolve(posix.dirname(at), target);
  }
  // No device's name, or one by a way that isn't below /dev.
  return ask(canonicalPath, path);
}
