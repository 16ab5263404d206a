/** Calendars of systemd.time(7): pure. */

const CALENDAR_WORD =
  /^(minutely|hourly|daily|weekly|monthly|quarterly|semi-?annually|bi-?annually|annually|yearly|@\d+)$/i;
const DAY = "(mon(day)?|tue(sday)?|wed(nesday)?|thu(rsday)?|fri(day)?|sat(urday)?|sun(day)?)";
const DAYS = new RegExp(`^${DAY}((\\.\\.|-|,)${DAY})*,?$`, "i");
/** Numbers, ranges and lists of one part of a date or time, each maybe with a repetition. */
const PART = /^(\*|[\d.]+(\.\.[\d.]+)?)(\/[\d.]+)?(,[\d.]+(\.\.[\d.]+)?(\/[\d.]+)?)*$/;

/** Whether systemd may take it: what passes is not surely right, what fails is surely wrong. */
export function mayBeCalendar(text: string): boolean {
  // Refused already, in words of its own.
  if (/[\p{Cc}\\]/u.test(text)) return true;
  const words = text.trim().split(/\s+/);
  // At the end may be a time zone, which only the host knows.
  const last = words.at(-1)!;
  if (words.length > 1 && /^[A-Z][\w+-]*(\/[\w+-]+)*$/i.test(last) && !DAYS.test(last)) words.pop();
  if (words.length === 1 && CALENDAR_WORD.test(words[0]!)) return true;
  if (words.length > 1 && DAYS.test(words[0]!)) words.shift();
  else if (words.length === 1 && DAYS.test(words[0]!)) return true;
  const [date, time] = words[0]?.includes(":") ? ["*-*", words[0]] : [words[0], words[1] ?? "0:0"];
  if (date === undefined || words.length > (date === "*-*" && words[0] === time ? 1 : 2)) return false;
  const days = date.split(/[-~]/);
  const times = time.split(":");
  return (
    (days.length === 2 || days.length === 3) &&
    (times.length === 2 || times.length === 3) &&
    [...days, ...times].every((part) => PART.test(part)) &&
    isWithin(days.at(-2)!, 1, 12) &&
    isWithin(days.at(-1)!, 1, 31) &&
    isWithin(times[0]!, 0, 23) &&
    times.slice(1).every((part) => isWithin(part, 0, 59.999_999))
  );
}

function isWithin(part: string, least: number, most: number): boolean {
  const numbers = part.split(",").flatMap((one) => one.replace(/\/.*/, "").split(".."));
  return numbers.every((one) => one === "*" || (Number(one) >= least && Number(one) <= most));
}

export const NOT_A_CALENDAR =
  'is not a valid calendar; write for example daily, "03:00", "Mon *-*-* 03:00" or "*-*-01 02:30 UTC"';
