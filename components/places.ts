/** Where the parts of a host are: which lies in which, what therefore waits for what, and what can't be. */
import type * as pulumi from "@pulumi/pulumi";
import type { Problem } from "./problem.ts";

/** A path, and the key below the tier's section that it is declared by. */
export interface Place {
  readonly key: string;
  readonly path: string;
}

/** A path where a mount, or a service's folder, is. */
export interface MountPlace extends Place {
  /** The key of what is there. Several mounts of one part show the same. */
  readonly part: string;
  /** Whether nothing can be made there. Default: no. */
  readonly isReadOnly?: boolean;
}

/** A folder, those below it, and who may write there. */
export interface FolderTree {
  readonly path: string;
  readonly owner: string;
  readonly group: string;
  /** Octal digits, as chmod(1) takes them. */
  readonly mode: string;
  /** Paths below it, of the same owner, group and mode. */
  readonly folders: readonly string[];
}

/** What a part of a host has of paths, and who owns them. */
export interface Placed {
  /** Paths that only one thing on a host can have. */
  readonly mountPoints: readonly MountPlace[];
  /** Accounts that it makes, as `user NAME` and `group NAME`. */
  readonly accounts?: readonly string[];
  readonly folders: readonly FolderTree[];
}

/** Whether a path is a folder or lies in it. */
export const isIn = (path: string, folder: string): boolean =>
  folder === "/" || path === folder || path.startsWith(`${folder}/`);

/** The one of these that a path is, or lies in, which lies in all others of that kind. */
export function innermost<One extends Pick<Place, "path">>(path: string, places: readonly One[]): One | undefined {
  const around = places.filter((place) => isIn(path, place.path));
  return around.sort((one, other) => other.path.length - one.path.length)[0];
}

/**
 * What the resources of a host wait for of each other, whichever is declared first: a mount, or a folder, for the mount
 * that it lies in, and folders for the account that they belong to.
 */
export class Order {
  readonly #places: readonly Place[];
  readonly #accounts: ReadonlySet<string>;
  readonly #made = new Map<string, PromiseWithResolvers<readonly pulumi.Resource[]>>();

  /** @param layouts of all tiers that are declared together */
  constructor(layouts: readonly Placed[]) {
    this.#places = layouts.flatMap(({ mountPoints }) => mountPoints);
    this.#accounts = new Set(layouts.flatMap(({ accounts = [] }) => accounts));
  }

  /**
   * What a mount or folder at a path waits for: these, all that is at the innermost mount that it lies in, and the
   * accounts of its owner and group, where a tier makes them. An account goes only after what bears its number.
   */
  before(
    path: string,
    resources: readonly pulumi.Resource[],
    { owner, group }: { readonly owner?: string; readonly group?: string } = {},
  ): pulumi.Input<pulumi.Resource[]> {
    const around = innermost(
      path,
      this.#places.filter((place) => place.path !== path),
    );
    const accounts = [`user ${owner}`, `group ${group}`].filter((name) => this.#accounts.has(name));
    const names = [...(around === undefined ? [] : [around.path]), ...accounts];
    // Without a promise, what is registered stays as it was.
    if (names.length === 0) return [...resources];
    return Promise.all(names.map((name) => this.#promised(name).promise)).then((others) => [
      ...new Set([...resources, ...others.flat()]),
    ]);
  }

  /** What makes each mount point, or account, of a layout: all of its mounts and folders. */
  made(names: readonly string[], ...resources: readonly pulumi.Resource[]): void {
    for (const name of names) this.#promised(name).resolve(resources);
  }

  #promised(name: string): PromiseWithResolvers<readonly pulumi.Resource[]> {
    const promised = this.#made.get(name) ?? Promise.withResolvers<readonly pulumi.Resource[]>();
    this.#made.set(name, promised);
    return promised;
  }
}

/** Kept by the kernel, or emptied at each boot. */
const VOLATILE = ["/dev", "/proc", "/run", "/sys"];
/** A mount through one is refused on the host. */
const LINKS = {
  "/bin": "/usr/bin",
  "/lib": "/usr/lib",
  "/lib64": "/usr/lib64",
  "/sbin": "/usr/sbin",
  "/var/lock": "/run/lock",
  "/var/run": "/run",
};
/** What Debian and this program need to be where it is: no mount may hide it. */
const NEEDED = [
  ...["/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys"],
  ...["/usr/bin", "/usr/lib", "/usr/sbin", "/usr/local/bin", "/usr/local/lib/jts-storage"],
  ...["/var/lib/apt", "/var/lib/dpkg", "/var/lib/jts-storage", "/var/lib/systemd"],
];

/** What can't be where it is declared, by the keys of the layouts, each below its tier's, if that has one. */
export function findPlaceProblems(layouts: readonly (readonly [tier: string, layout: Placed])[]): Problem[] {
  const below = (tier: string, key: string) => [tier, key].filter((part) => part !== "").join(".");
  const places = layouts.flatMap(([tier, { mountPoints }]) =>
    mountPoints.map((place) => ({ ...place, key: below(tier, place.key), part: below(tier, place.part) })),
  );
  const trees = layouts.flatMap(([tier, { folders, mountPoints }]) =>
    folders.map((tree) => ({ ...tree, part: below(tier, innermost(tree.path, mountPoints)?.part ?? "") })),
  );
  return [
    ...places.flatMap(findHidden),
    ...findShared(places),
    ...findCircles(places),
    ...findReadOnly(places),
    ...findCovered(places, trees),
    ...findUnreachable(places, trees),
  ];
}

function findHidden({ key, path }: MountPlace): Problem[] {
  const needed = NEEDED.find((one) => isIn(one, path));
  if (needed !== undefined)
    return [{ key, message: `${path} is or holds ${needed}, which the host needs; choose a folder of its own` }];
  const [link, target] = Object.entries(LINKS).find(([one]) => isIn(path, one)) ?? [];
  if (link !== undefined && target !== undefined) {
    const way = isIn(target, "/run")
      ? ", and of /run nothing stays at a boot; choose another path"
      : `; write ${target}${path.slice(link.length)}`;
    return [{ key, message: `${path} is in ${link}, which Debian has as a link to ${target}${way}` }];
  }
  const kept = VOLATILE.find((one) => isIn(path, one));
  return kept === undefined ? [] : [{ key, message: `${path} is in ${kept}, of which nothing stays at a boot` }];
}

function findShared(places: readonly MountPlace[]): Problem[] {
  return places.flatMap(({ key, path }, index) => {
    const other = places.slice(0, index).find((earlier) => earlier.path === path);
    return other === undefined ? [] : [{ key, message: `${path} is already the mount point of ${other.key}` }];
  });
}

/** A mount that lies in what waits for it: it shows itself, or each of two lies in the other. */
function findCircles(places: readonly MountPlace[]): Problem[] {
  const edges = places.flatMap((inner) =>
    places
      .filter((outer) => outer.path !== inner.path && isIn(inner.path, outer.path))
      .map((outer) => ({ inner, outer })),
  );
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
    from === to ||
    edges.some(({ inner, outer }) => {
      if (inner.part !== from || seen.has(outer.part)) return false;
      seen.add(outer.part);
      return reaches(outer.part, to, seen);
    });
  const found = edges.filter(({ inner, outer }) => reaches(outer.part, inner.part));
  // Of the mounts of one part, one problem says it.
  return [...Map.groupBy(found, ({ inner }) => inner.part).values()].map(([edge]) => {
    const { inner, outer } = edge!;
    const why = inner.part === outer.part ? "which shows the same" : `and ${outer.part} has a mount in ${inner.part}`;
    return { key: inner.key, message: `${inner.path} lies in ${outer.path}, ${why}: neither could be first` };
  });
}

/** A mount point that could not be made. */
function findReadOnly(places: readonly MountPlace[]): Problem[] {
  return places.flatMap(({ key, path, part }) => {
    const outer = places.find((one) => one.isReadOnly && one.part !== part && isIn(path, one.path));
    if (outer === undefined) return [];
    return [
      { key, message: `${path} lies in ${outer.path}, which is read-only; choose another path, or leave out ro` },
    ];
  });
}

type OwnTree = FolderTree & { readonly part: string };

/** A mount over folders that another part declares: they could not be made, or would be hidden. */
function findCovered(places: readonly MountPlace[], trees: readonly OwnTree[]): Problem[] {
  return places.flatMap(({ key, path, part }) => {
    const own = trees.find((tree) => tree.part === part);
    const isPlaceOf = (tree: OwnTree) => places.some((place) => place.part === tree.part && place.path === path);
    return trees.flatMap((tree): Problem[] => {
      if (tree.part === part || !isIn(path, tree.path) || isPlaceOf(tree)) return [];
      const folders = [tree.path, ...tree.folders.map((folder) => `${tree.path}/${folder}`)];
      const hidden = folders.find((folder) => isIn(folder, path) && folder !== path);
      if (hidden !== undefined) return [{ key, message: `${path} would hide ${hidden}, a folder of ${tree.part}` }];
      if (!folders.includes(path) || (own !== undefined && whose(own) === whose(tree))) return [];
      const message =
        `${path} is also a folder of ${tree.part}, which makes it ${whose(tree)}; ` +
        `${own === undefined ? "choose another path" : `declare the same owner, group and mode, or take it out there`}`;
      return [{ key, message }];
    });
  });
}

/** Folders that their own account can't go to, since they lie in another part's. */
function findUnreachable(places: readonly MountPlace[], trees: readonly OwnTree[]): Problem[] {
  return trees.flatMap((inner) => {
    if (inner.owner === "root") return [];
    // Of the group, the bit of all others doesn't count: path_resolution(7). A user is made with the declared group.
    const bitOf = ({ group }: OwnTree) => (group === inner.group ? 0o010 : 0o001);
    const closed = trees
      .filter((outer) => outer.part !== inner.part && outer.owner !== inner.owner)
      .filter((outer) => (parseInt(outer.mode, 8) & bitOf(outer)) === 0)
      .flatMap((outer) => pathsOf(outer, places).map((path) => ({ ...outer, path })))
      .find(({ path }) => isIn(inner.path, path));
    if (closed === undefined) return [];
    const own = places.filter(({ part }) => part === inner.part);
    const open = (parseInt(closed.mode, 8) | bitOf(closed)).toString(8);
    const message =
      `${inner.path} lies in ${closed.path}, which is ${whose(closed)} by ${closed.part}, and ${inner.owner} can't go ` +
      `through it; write owner: ${closed.owner} here, or mode: "${open}" there, or another mount point`;
    return [{ key: innermost(inner.path, own)?.key ?? inner.part, message }];
  });
}

/** Where a tree is shown: by each mount of its part, unless it lies deeper in it. */
function pathsOf({ path, part }: OwnTree, places: readonly MountPlace[]): string[] {
  const own = places.filter((place) => place.part === part).map((place) => place.path);
  return own.includes(path) ? own : [path];
}

function whose({ owner, group, mode }: FolderTree): string {
  return `${owner}:${group} ${mode}`;
}
