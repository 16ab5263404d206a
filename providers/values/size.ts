/** A size as people write it: so many bytes, or a share of a volume group. */
export type Size = { readonly bytes: number } | { readonly percentOfVg: number };

const UNITS = ["", "K", "M", "G", "T", "P"] as const;

/**
 * Reads a size: bytes (`1048576`), binary units (`800GiB`), decimal units (`800GB`), or a share (`50%VG`). A bare
 * letter (`800G`, `800g`) is binary, as LVM has it (lvm(8), "Size[m|UNIT]"). Fractions are allowed: `1.5TiB`.
 * @throws {Error} that says what would be right.
 */
export function parseSize(text: string | number): Size {
  const [, digits, percent, letter = "", suffix = ""] =
    /^(\d+(?:\.\d+)?)\s*(?:(%VG)|([KMGTP])(iB|B)?|B)?$/i.exec(String(text).trim()) ?? [];
  const wrong = () =>
    new Error(`"${text}" is not a size; write for example 800GiB, 800GB, 1.5TiB, 50%VG or a number of bytes`);
  if (digits === undefined) throw wrong();
  const amount = Number(digits);
  if (percent !== undefined) {
    if (amount <= 0 || amount > 100) throw new Error(`"${text}" is not between 0 and 100 %`);
    return { percentOfVg: amount };
  }
  const base = suffix.toLowerCase() === "b" ? 1000 : 1024;
  const bytes = amount * base ** UNITS.indexOf(letter.toUpperCase() as (typeof UNITS)[number]);
  if (bytes < 1) throw wrong();
  if (!Number.isSafeInteger(Math.round(bytes)))
    throw new Error(`"${text}" is more than can be counted in bytes exactly`);
  return { bytes: Math.round(bytes) };
}

/** Bytes in the largest binary unit that leaves at most two decimals to round: `800 GiB`, `3726.02 GiB`. */
export function formatBytes(bytes: number): string {
  let power = 0;
  while (power < 3 && bytes / 1024 ** (power + 1) >= 1) power++;
  const amount = bytes / 1024 ** power;
  return `${Number.isInteger(amount) ? amount : amount.toFixed(2)} ${["bytes", "KiB", "MiB", "GiB"][power]}`;
}
