import { describe, expect, it } from "vitest";
import { refusedCalendar } from "../../../../providers/values/calendar.ts";
import { fixture } from "../../../fixtures/fixture.ts";

/** What `systemd-analyze calendar` of Debian 12 says of each: that it elapses, that it never does, or an error. */
const rows = fixture("systemd-analyze-calendar-252.txt")
  .stdout.trim()
  .split("\n")
  .map((row) => [row.slice(0, row.indexOf(" ")), row.slice(row.indexOf(" ") + 1)] as const);

describe("refusedCalendar", () => {
  it.each(rows)("says that systemd %s %j", (said, text) => {
    const reason = refusedCalendar(text);
    expect(reason === undefined ? "elapses" : reason.startsWith("never elapses") ? "never" : "refused").toBe(said);
  });

  it.each([
    ["*/2:00", "for example 0/2:00 for every two hours"],
    ["*:*/15", "systemd takes no step after *"],
    ["*-*/3-01", "or *-*-1/2"],
    ["Fri..Mon 03:00", "for example Fri..Sun,Mon"],
    ["22..5:00", "or 22..23,0..5:00"],
    ["*:0/0", "a step must be above 0"],
    ["*-*-1/40", "lead from its first value to a second one"],
    ["*~26,1", "takes no second day before the 25th last"],
    ["03:00 GMT+1", "write for example Europe/Berlin, or Etc/GMT-1"],
    ["*-02-30", "none of its days is in a calendar"],
    ["dayly", "write for example daily"],
  ])("says what to write in place of %j", (text, words) => {
    expect(refusedCalendar(text)).toContain(words);
  });

  it.each(["*-*-* */4:00", "Fri..Mon 03:00", "03:00 GMT+1", "*:0/0", "3am"])(
    "begins with what %j is not, so that a key or the text may stand before it",
    (text) => {
      expect(refusedCalendar(text)).toMatch(/^is not a valid calendar[;:] /);
    },
  );

  it.each(["03:00 CEST", "03:00 +03", "Mon..Fri Mars/Crater"])(
    "accepts %j, whose time zone only the host can judge",
    (text) => {
      expect(refusedCalendar(text)).toBeUndefined();
    },
  );
});
