import { normalize } from "node:path/posix";

/** The fields of fstab(5), unescaped. */
export interface FstabEntry {
  /** fs_spec: a device, `LABEL=…`, `UUID=…`, `server:/export`, or a folder to bind. */
  readonly source: string;
  /** fs_file */
  readonly mountPoint: string;
  /** fs_vfstype */
  readonly type: string;
  /** fs_mntops */
  readonly options: readonly string[];
  /** fs_freq: for dump(8). */
  readonly dump: number;
  /** fs_passno: the order of fsck(8) at boot; 0 is never. */
  readonly pass: number;
}

/**
 * The option by which our lines are known. Options that start with `x-` are comments for programs in user space
 * (mount(8), "x-*"): neither the kernel nor a mount helper sees them.
 */
export const OURS = "x-jts-storage";

/** An entry, without {@link OURS}, and whether the line has it. */
export interface FoundEntry {
  readonly entry: FstabEntry;
  readonly isOurs: boolean;
}

/** Where a mount point that a line names really is, links followed. Default: there. */
export type Resolve = (mountPoint: string) => string;

/**
 * Every line that means a mount point, however it spells it, the first one first: that is the one that mount(8) and
 * systemd-fstab-generator(8) take.
 */
export function findEntries(text: string, mountPoint: string, resolve: Resolve = plainPath): FoundEntry[] {
  return lines(text).flatMap((line) => {
    const entry = parseLine(line);
    return entry === undefined || !means(entry, mountPoint, resolve) ? [] : [found(entry)];
  });
}

/** Every line that isn't empty or a comment, in the file's order. */
export function allEntries(text: string): FoundEntry[] {
  return lines(text).flatMap((line) => {
    const entry = parseLine(line);
    return entry === undefined ? [] : [found(entry)];
  });
}

const found = (entry: FstabEntry): FoundEntry => ({
  entry: { ...entry, options: entry.options.filter((option) => option !== OURS) },
  isOurs: entry.options.includes(OURS),
});

/** The first line that means a mount point. */
export function findEntry(text: string, mountPoint: string): FoundEntry | undefined {
  return findEntries(text, mountPoint)[0];
}

/** The mount points of lines that aren't ours, in their shortest spelling; swap and the like have none. */
export function foreignMountPoints(text: string): string[] {
  return lines(text).flatMap((line) => {
    const entry = parseLine(line);
    return entry?.mountPoint.startsWith("/") === true && !entry.options.includes(OURS)
      ? [plainPath(entry.mountPoint)]
      : [];
  });
}

/**
 * The text with this entry, as a line of ours, in place of the first one that means its mount point. Every other byte
 * stays as it is.
 */
export function putEntry(text: string, entry: FstabEntry, resolve: Resolve = plainPath): string {
  const all = lines(text);
  const line = `${printEntry({ ...entry, options: [...entry.options, OURS] })}\n`;
  const at = all.findIndex((one) => means(parseLine(one), entry.mountPoint, resolve));
  if (at >= 0) return all.map((one, index) => (index === at ? line : one)).join("");
  // A last line without its line end stays the last: taking ours out must leave the file as it was.
  const last = all.at(-1);
  const end = last === undefined || last.endsWith("\n") ? all.length : all.length - 1;
  return [...all.slice(0, end), line, ...all.slice(end)].join("");
}

/** The text without our line for the mount point; foreign lines stay. */
export function removeEntry(text: string, mountPoint: string): string {
  return lines(text)
    .filter((one) => {
      const entry = parseLine(one);
      return !(means(entry, mountPoint, plainPath) && entry?.options.includes(OURS));
    })
    .join("");
}

function means(entry: FstabEntry | undefined, mountPoint: string, resolve: Resolve): boolean {
  if (entry?.mountPoint.startsWith("/") !== true) return false;
  return [plainPath(entry.mountPoint), resolve(entry.mountPoint)].includes(plainPath(mountPoint));
}

/** A path without `.`, `..`, doubled and final slashes. */
export function plainPath(path: string): string {
  const plain = normalize(path);
  return plain === "/" ? plain : plain.replace(/\/$/, "");
}

/**
 * A source in one of its spellings, so that two can be compared: a tag without its quotes, a path in its shortest form,
 * and an NFS server in lower case.
 */
export function plainSource(source: string): string {
  const [, tag, value] = /^([A-Z]+)="(.*)"$/.exec(source) ?? [];
  if (tag !== undefined) return `${tag}=${value}`;
  const [, server, folder] = /^([^/=]+:|(?!\/\/))(\/.*)$/.exec(source) ?? [];
  return folder === undefined ? source : `${server?.toLowerCase()}${plainPath(folder)}`;
}

/** One line of fstab(5), without its line end. */
export function printEntry({ source, mountPoint, type, options, dump, pass }: FstabEntry): string {
  return [escape(source), escape(mountPoint), type, options.map(escape).join(","), dump, pass].join(" ");
}

function lines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

function parseLine(line: string): FstabEntry | undefined {
  const fields = line
    .replace(/\r?\n$/, "")
    .replaceAll(/^[ \t]+|[ \t]+$/g, "")
    .split(/[ \t]+/);
  const [source, mountPoint, type, options = "defaults", dump = "0", pass = "0"] = fields;
  if (source === undefined || source === "" || source.startsWith("#") || mountPoint === undefined || type === undefined)
    return undefined;
  return {
    source: unescape(source),
    mountPoint: unescape(mountPoint),
    type,
    options: options.split(",").map(unescape),
    dump: Number.parseInt(dump) || 0,
    pass: Number.parseInt(pass) || 0,
  };
}

/** As getmntent(3) has it: what would end a field is written in octal. */
function escape(field: string): string {
  if (field.includes("\0")) throw new Error("A field of fstab can't hold a NUL.");
  return field.replaceAll(
    /[ \t\n\r\\]|^#/g,
    (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
}

/** As libmount reads it: any byte may be written in octal, also those of one character of UTF-8. */
function unescape(field: string): string {
  return field.replaceAll(/(?:\\[0-7]{3})+/g, (run) =>
    Buffer.from(
      run
        .split("\\")
        .slice(1)
        .map((octal) => Number.parseInt(octal, 8)),
    ).toString("utf8"),
  );
}
