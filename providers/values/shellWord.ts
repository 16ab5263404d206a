/**
 * One word of POSIX shell that expands to exactly `text`.
 * @throws {TypeError} on NUL, which no argument can hold.
 */
export function quote(text: string): string {
  if (text.includes("\0")) throw new TypeError("A NUL character can't be passed to a command.");
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
