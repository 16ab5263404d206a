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

/**
 * The entry for a mount point, and whether the line is ours. The first one counts where several are, as for mount(8).
 */
export function findEntry(
  text: string,
  mountPoint: string,
): { readonly entry: FstabEntry; readonly isOurs: boolean } | undefined {
  const line = lines(text).find((one) => parseLine(one)?.mountPoint === mountPoint);
  const entry = line === undefined ? undefined : parseLine(line);
  return (
    entry && {
      entry: { ...entry, options: entry.options.filter((option) => option !== OURS) },
      isOurs: entry.options.includes(OURS),
    }
  );
}

/**
 * The text with this entry, as a line of ours, in place of the first one for its mount point. Every other byte stays as
 * it is.
 */
export function putEntry(text: string, entry: FstabEntry): string {
  const all = lines(text);
  const line = `${printEntry({ ...entry, options: [...entry.options, OURS] })}\n`;
  const at = all.findIndex((one) => parseLine(one)?.mountPoint === entry.mountPoint);
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
      return !(entry?.mountPoint === mountPoint && entry.options.includes(OURS));
    })
    .join("");
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

function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
