/** Directives of one section, as systemd.syntax(7) names them; a list writes the directive once for each value. */
export type Section = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** Where unit files of a host's own are, see systemd.unit(5). */
export const UNITS = "/etc/systemd/system";

/** The files of a timer and of its service. */
export function unitFiles(name: string): readonly [timer: string, service: string] {
  return [`${UNITS}/${name}.timer`, `${UNITS}/${name}.service`];
}

/** A path, without quotes and specifiers in it, as one word of a directive's value. */
export function unitWord(path: string): string {
  return path.includes(" ") ? `"${path}"` : path;
}

/**
 * A unit file of sections in the order given.
 * @throws {Error} on a line end in a value, which would start another directive, or a final backslash, which would
 * swallow the next one.
 */
export function printUnit(sections: Readonly<Record<string, Section>>): string {
  return Object.entries(sections)
    .filter(([, directives]) => Object.keys(directives).length > 0)
    .map(([section, directives]) => {
      const lines = Object.entries(directives).flatMap(([name, value]) =>
        (typeof value === "object" ? value : [value]).map((one) => {
          const text = typeof one === "boolean" ? (one ? "yes" : "no") : String(one);
          if (/[\n\0]|\\$/.test(text))
            throw new Error(`${name}= can't hold a line end or NUL, nor end with a backslash`);
          return `${name}=${text}\n`;
        }),
      );
      return `[${section}]\n${lines.join("")}`;
    })
    .join("\n");
}
