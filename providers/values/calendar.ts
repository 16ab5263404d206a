/** Calendars of systemd.time(7): pure. */

const CALENDAR_WORD = /^(minutely|hourly|daily|weekly|monthly|quarterly|(semi|bi)-?annually|ann?ually|yearly)$/i;
const DAY = "(mon(day)?|tue(sday)?|wed(nesday)?|thu(rsday)?|fri(day)?|sat(urday)?|sun(day)?)";
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const WEEKDAYS = new RegExp(`^${DAY}((\\.\\.|-)${DAY})?(,${DAY}((\\.\\.|-)${DAY})?)*,?$`, "i");

const NOT_VALID = "is not a valid calendar";
const EXAMPLES = 'write for example daily, "03:00", "Mon *-*-* 03:00" or "*-*-01 02:30 UTC"';
const STEP_OF_ANY =
  "systemd takes no step after *; write the first value in its place, for example 0/2:00 for every two hours, *:0/15, or *-*-1/2";
const NO_STEP =
  "a step must be above 0, and lead from its first value to a second one before the end; write a smaller one, or leave it out";
const DESCENDS =
  "a range ascends, and a week ends on Sunday; write it in two parts, for example Fri..Sun,Mon or 22..23,0..5:00";
const TOO_FAR_FROM_END =
  "of a list from the end of the month, systemd takes no second day before the 25th last, and so on; count from the begin";
const NO_ZONE =
  "systemd knows no such time zone; write for example Europe/Berlin, or Etc/GMT-1 for an hour ahead of UTC";
const NEVER =
  "never elapses: its years are past, or none of its days is in a calendar; write other days, or * for them";

/** There is no clock here: the years before this one are past whenever this is read. */
const FIRST_YEAR = 2026;
/** systemd looks no further. */
const LAST_YEAR = 2199;

/** The values from the first to the last one, which is smaller where days are counted from the end of a month. */
interface Span {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

interface Dates {
  readonly years: readonly Span[];
  readonly months: readonly Span[];
  readonly days: readonly Span[];
  /** Whether its days are counted from the end of the month, from 1. */
  readonly isFromEnd: boolean;
  /** From Monday on, which is 0. */
  readonly weekdays: readonly Span[];
}

/** Why systemd doesn't take it, or why it never elapses, with what to write instead; undefined: neither is known. */
export function refusedCalendar(text: string): string | undefined {
  // Refused already, in words of its own.
  if (/[\p{Cc}\\]/u.test(text)) return undefined;
  try {
    return elapses(readCalendar(text.trim())) ? undefined : NEVER;
  } catch (error) {
    return (error as Error).message;
  }
}

const wrong = (reason?: string) => new Error(reason ? `${NOT_VALID}: ${reason}` : `${NOT_VALID}; ${EXAMPLES}`);

/** @throws {Error} that says what would be right. */
function readCalendar(text: string): Dates {
  const words = withoutZone(text);
  if (CALENDAR_WORD.test(words)) return datesOf("*", "*-*");
  if (words.includes("*/")) throw wrong(STEP_OF_ANY);
  const [, weekdays, date, time] = /^(?:([a-z]\S*)(?: +|$))?(?:([^ :]+)(?: +|$))?(\S+)?$/i.exec(words) ?? [];
  const seconds = /^@(\d+)$/.exec(date ?? "")?.[1];
  if (!(weekdays ?? date ?? time) || (seconds !== undefined && time !== undefined)) throw wrong();
  const [, hour, minute, second = "0"] = /^([^:]+):([^:]+)(?::([^:]+))?$/.exec(time ?? "0:0") ?? [];
  if (hour === undefined || minute === undefined) throw wrong();
  readPart(hour, 0, 23);
  readPart(minute, 0, 59);
  readPart(second, 0, 59.999_999);
  return datesOf(weekdays ?? "*", seconds === undefined ? (date ?? "*-*") : dayOf(Number(seconds)));
}

/** Without the time zone at its end, which only the host knows: it may be a name that is used there, such as CEST. */
function withoutZone(text: string): string {
  const [, words, zone] = /^(.*) ([a-z][\w+-]*(?:\/[\w+-]+)*|[+-]\d+)$/i.exec(text) ?? [];
  if (words === undefined || zone === undefined || CALENDAR_WORD.test(zone) || WEEKDAYS.test(zone)) return text;
  if (/[a-z].*[+-]\d/i.test(zone) && !/^((posix|right)\/)?(Etc\/GMT[+-]\d\d?|GMT[+-]0)$/.test(zone))
    throw wrong(NO_ZONE);
  return words;
}

function datesOf(weekdays: string, date: string): Dates {
  const [, year = "*", month, separator, day] = /^(?:([^~-]+)-)?([^~-]+)([~-])([^~-]+)$/.exec(date) ?? [];
  if (month === undefined || day === undefined) throw wrong();
  const isFromEnd = separator === "~";
  // Each month has 28 days to count from its end.
  const days = readPart(day, 1, isFromEnd ? 28 : 31, isFromEnd);
  if (isFromEnd && day !== "*" && isTooFarFromEnd(days)) throw wrong(TOO_FAR_FROM_END);
  return {
    years: readPart(wholeYears(year), 1970, LAST_YEAR),
    months: readPart(month, 1, 12),
    days,
    isFromEnd,
    weekdays: weekdays === "*" ? readPart("*", 0, 6) : readWeekdays(weekdays),
  };
}

/** Of a list, systemd takes each further day from the end only if it is three nearer than it takes the one before. */
function isTooFarFromEnd(days: readonly Span[]): boolean {
  const farthest = new Set(days.map(({ first, last }) => Math.max(first, last)));
  return [...farthest].sort((one, other) => one - other).some((day, index) => day > 28 - 3 * index);
}

/** The day of so many seconds since 1970. */
function dayOf(seconds: number): string {
  if (seconds >= Date.UTC(LAST_YEAR + 1, 0) / 1000) throw wrong();
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}

/** Two digits are a year from 1970 to 2069. */
const wholeYears = (part: string): string =>
  part.replaceAll(/(^|,|\.\.)0*(\d\d?)(?!\d)/g, (_all, before: string, digits: string) => {
    return `${before}${Number(digits) + (Number(digits) < 70 ? 2000 : 1900)}`;
  });

/** Numbers, ranges and lists of one part of a date or time, each maybe with a step. */
function readPart(part: string, least: number, most: number, isFromEnd = false): Span[] {
  if (part === "*") return [{ first: isFromEnd ? most : least, last: isFromEnd ? least : most, step: 1 }];
  const isSeconds = !Number.isInteger(most);
  const number = isSeconds ? "\\d+(?:\\.\\d+)?" : "\\d+";
  const written = new RegExp(`^(${number})(?:\\.\\.(${number}))?(?:/(${number}))?$`);
  return part.split(",").map((one): Span => {
    const [first, end, step] = (written.exec(one) ?? [])
      .slice(1)
      .map((digits) => (digits === undefined ? undefined : Number(Number(digits).toFixed(6))));
    if (first === undefined || first < least || first > most) throw wrong();
    if (step === 0) throw wrong(NO_STEP);
    if (end !== undefined) {
      if (end < first) throw wrong(DESCENDS);
      const last = end - ((end - first) % (step ?? 1));
      if (last > most || (isSeconds && step === undefined && end - first < 1)) throw wrong();
      return { first: isFromEnd ? last : first, last: isFromEnd ? first : last, step: step ?? 1 };
    }
    if (step === undefined) return { first, last: first, step: 1 };
    if (isFromEnd ? first - step < least : first + step > most) throw wrong(NO_STEP);
    return { first, last: isFromEnd ? least : most, step };
  });
}

function readWeekdays(words: string): Span[] {
  if (!WEEKDAYS.test(words)) throw wrong();
  return words
    .replace(/,$/, "")
    .split(",")
    .map((one) => {
      const [first = 0, last = first] = one.split(/\.\.|-/).map((name) => DAYS.indexOf(name.slice(0, 3).toLowerCase()));
      if (last < first) throw wrong(DESCENDS);
      return { first, last, step: 1 };
    });
}

const has = (spans: readonly Span[], value: number): boolean =>
  spans.some(
    ({ first, last, step }) =>
      value >= Math.min(first, last) && value <= Math.max(first, last) && (value - first) % step === 0,
  );

function elapses({ years, months, days, isFromEnd, weekdays }: Dates): boolean {
  for (let year = FIRST_YEAR; year <= LAST_YEAR; year++) {
    if (!has(years, year)) continue;
    for (let month = 1; month <= 12; month++) {
      if (!has(months, month)) continue;
      const length = new Date(Date.UTC(year, month, 0)).getUTCDate();
      for (let day = 1; day <= length; day++) {
        const weekday = (new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 6) % 7;
        if (has(days, isFromEnd ? length + 1 - day : day) && has(weekdays, weekday)) return true;
      }
    }
  }
  return false;
}
