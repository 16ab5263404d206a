/** What of the system itself may stand in the way of an `up`. */
import { type Ask, orError } from "../../providers/facts/fact.ts";
import { fstab } from "../../providers/facts/fstab.ts";
import { mountOf, mounts } from "../../providers/facts/mounts.ts";
import { kernelRelease } from "../../providers/facts/packages.ts";
import { HOST_LOCK } from "../../providers/host/host.ts";
import { formatBytes } from "../../providers/values/size.ts";
import {
  age,
  attributes,
  clock,
  dpkgAudit,
  failedUnits,
  fstabErrors,
  init,
  isDpkgInterrupted,
  isSynchronized,
  locks,
  mountNamespaces,
  osRelease,
  room,
  simulatedInstallation,
  systemState,
  type Room,
} from "./questions.ts";
import { advice, failed, ok, reasonOf, unasked, type Row } from "./row.ts";

/** The oldest Debian whose tools are new enough, see providers/values/versions.ts. */
const LEAST_DEBIAN = 12;

export async function release(ask: Ask): Promise<Row[]> {
  const [os, kernel] = await Promise.all([ask(osRelease, undefined), ask(kernelRelease, undefined)]);
  const [id = "unknown", version = "", like = ""] = ["ID", "VERSION_ID", "ID_LIKE"].map((key) => os.get(key));
  const found = `${os.get("PRETTY_NAME") ?? id}, Linux ${kernel}`;
  const next = `use a host with Debian ${LEAST_DEBIAN} or newer`;
  if (id === "debian" && (version === "" || Number.parseInt(version) >= LEAST_DEBIAN)) return [ok("release", found)];
  if (id !== "debian" && like.split(" ").includes("debian"))
    return [advice("release", `${found}: made of Debian, but not tried`, next)];
  return [failed("release", found, next)];
}

export async function systemd(ask: Ask): Promise<Row[]> {
  const first = await ask(init, undefined);
  if (first !== "systemd") {
    const next = "use a machine, or a container with an init, that systemd starts";
    return [failed("systemd", `process 1 is ${first}`, next)];
  }
  const [state, namespaces] = await Promise.all([ask(systemState, undefined), ask(mountNamespaces, undefined)]);
  return [await stateRow(ask, state), ...namespaceRows(namespaces)];
}

async function stateRow(ask: Ask, state: string): Promise<Row> {
  if (state === "running") return ok("systemd", "runs");
  if (state === "degraded") {
    const units = await orError(ask(failedUnits, undefined));
    const which = units instanceof Error || units.length === 0 ? "units that failed" : `failed: ${units.join(", ")}`;
    return advice(
      "systemd",
      `runs; ${which}`,
      "systemctl status UNIT on the host; systemctl reset-failed UNIT clears it",
    );
  }
  if (["initializing", "starting"].includes(state))
    return advice("systemd", `the host still boots (${state})`, "systemctl list-jobs on the host; wait for its end");
  return failed(
    "systemd",
    `its state is ${state}`,
    "systemctl status; systemctl list-jobs on the host, which must run first",
  );
}

function namespaceRows([ofSystemd, ours]: readonly string[]): Row[] {
  if (ofSystemd === ours) return [];
  return [
    failed(
      "SSH session",
      "has mounts of its own: no service would see what is mounted by SSH",
      'on the host: systemctl cat ssh.service; see "this SSH session has mounts of its own" in docs/troubleshooting.md',
    ),
  ];
}

export async function otherWriter(ask: Ask): Promise<Row[]> {
  const holder = (await ask(locks, undefined)).find(({ path }) => path === HOST_LOCK);
  if (holder === undefined) return [ok("other writers", "none")];
  const found = `${holder.command} (process ${holder.pid}) holds ${HOST_LOCK}: another \`up\` is at work`;
  return [advice("other writers", found, "wait for its end")];
}

/** Less difference is of no importance to anybody here. */
const SKEW_MILLISECONDS = 2000;
/** With more, apt takes lists for lists of the future, and what moves by its age moves at the wrong time. */
const MOST_SKEW_MILLISECONDS = 3600_000;

export async function time(ask: Ask): Promise<Row[]> {
  const before = Date.now();
  const there = await ask(clock, undefined);
  const after = Date.now();
  const skew = there < before ? there - before : Math.max(0, there - after);
  const synchronized = await orError(ask(isSynchronized, undefined));
  const next =
    "timedatectl on the host; apt-get install systemd-timesyncd, or another client of NTP; or set this machine's clock";
  const rows: Row[] = [];
  const amount = `${Math.round(Math.abs(skew) / 1000)} s ${skew < 0 ? "behind" : "ahead of"} this machine`;
  if (Math.abs(skew) > MOST_SKEW_MILLISECONDS) rows.push(failed("clock", amount, next));
  else if (Math.abs(skew) > SKEW_MILLISECONDS) rows.push(advice("clock", amount, next));
  if (synchronized instanceof Error)
    rows.push(advice("clock", `whether it is synchronized can't be told: ${reasonOf(synchronized)}`, next));
  else if (!synchronized) rows.push(advice("clock", "not synchronized", next));
  return rows.length > 0 ? rows : [ok("clock", "synchronized, as this machine's")];
}

/** With less, an installation of packages, or a file of ours, may not fit. */
const LEAST_BYTES = 200 * 1024 ** 2;
const FEW_BYTES = 1024 ** 3;
const LEAST_INODES = 1000;

export async function rootDisk(ask: Ask): Promise<Row[]> {
  const [rooms, all] = await Promise.all([ask(room, ["/", "/var", "/run"]), ask(mounts, undefined)]);
  return rooms.map((one): Row => {
    const mount = mountOf(all, one.target);
    if (one.target !== "/run" && [mount?.mountOptions, mount?.filesystemOptions].some((flags) => flags?.includes("ro")))
      return failed(
        `room on ${one.target}`,
        "it is read-only",
        `on the host: dmesg --level=err,crit; where its disk is sound: mount -o remount,rw ${one.target}`,
      );
    return roomRow(one);
  });
}

function roomRow({ target, sizeBytes, freeBytes, freeInodes = Number.POSITIVE_INFINITY }: Room): Row {
  const subject = `room on ${target}`;
  const found = `${formatBytes(freeBytes)} of ${formatBytes(sizeBytes)} free`;
  const next = `on the host: du --one-file-system --human-readable --max-depth=2 ${target} | sort --human-numeric-sort | tail`;
  if (freeInodes < LEAST_INODES)
    return failed(
      subject,
      `${freeInodes} inodes free`,
      `on the host: du --inodes --one-file-system ${target} | sort -n | tail`,
    );
  // Only our own few kilobytes lie in /run.
  const [least, few] = target === "/run" ? [1024 ** 2, 8 * 1024 ** 2] : [LEAST_BYTES, FEW_BYTES];
  if (freeBytes < least) return failed(subject, found, next);
  if (freeBytes < few) return advice(subject, found, next);
  return ok(subject, found);
}

export async function fstabFile(ask: Ask): Promise<Row[]> {
  const [text, flags, errors] = await Promise.all([
    orError(ask(fstab, undefined)),
    ask(attributes, "/etc/fstab"),
    orError(ask(fstabErrors, undefined)),
  ]);
  if (text instanceof Error) return [unasked("fstab", text)];
  if (flags?.includes("i") === true)
    return [failed("fstab", "is immutable", "look why, and then on the host: chattr -i /etc/fstab")];
  if (errors instanceof Error) return [unasked("fstab", errors)];
  if (errors.length > 0) {
    const next =
      "findmnt --verify on the host; correct these lines, which may keep the host from booting. An `up` judges only its own";
    return [advice("fstab", errors.join("; "), next)];
  }
  const lines = text.split("\n").filter((line) => /^\s*[^#\s]/.test(line)).length;
  return [ok("fstab", `readable, ${lines} ${lines === 1 ? "entry" : "entries"}`)];
}

const APT_LOCKS = /^\/var\/(lib\/dpkg\/lock(-frontend)?|lib\/apt\/lists\/lock|cache\/apt\/archives\/lock)$/;
/** As long as an `up` waits for apt's lock. */
const PATIENCE_SECONDS = 600;

/** @param missing the packages that an `up` would install */
export async function apt(ask: Ask, missing: readonly string[]): Promise<Row[]> {
  const [held, audit, isInterrupted, installation] = await Promise.all([
    ask(locks, undefined),
    ask(dpkgAudit, undefined),
    ask(isDpkgInterrupted, undefined),
    missing.length === 0 ? undefined : ask(simulatedInstallation, missing),
  ]);
  // Without work for apt, nothing of it stands in the way.
  const serious = missing.length === 0 ? advice : failed;
  const rows: Row[] = [];
  const holder = held.find(({ path }) => APT_LOCKS.test(path));
  if (holder !== undefined) {
    const seconds = await ask(age, holder.pid);
    const found = `${holder.command} (process ${holder.pid}) holds ${holder.path}, and runs for ${seconds ?? 0} s`;
    rows.push(
      (seconds ?? 0) > PATIENCE_SECONDS
        ? serious("apt", found, `ps -fp ${holder.pid} on the host: what does it wait for?`)
        : advice("apt", found, "wait for its end; an `up` waits for 10 minutes"),
    );
  }
  if (isInterrupted) rows.push(serious("dpkg", "an installation was cut", "on the host: dpkg --configure -a"));
  if (audit !== "") {
    const names = [...audit.matchAll(/^ (\S+)/gm)].map(([, name]) => name);
    const found = `packages that are not whole: ${names.join(", ") || audit.split("\n", 1)[0]}`;
    rows.push(serious("dpkg", found, "on the host: dpkg --audit; dpkg --configure -a; apt-get --fix-broken install"));
  }
  if (installation?.refused !== undefined) rows.push(refusal(missing, installation.refused));
  if (rows.length > 0) return rows;
  return [
    ok("apt", installation === undefined ? "nothing to install" : `would install ${installation.count} packages`),
  ];
}

function refusal(missing: readonly string[], said: string): Row {
  // An `up` reads the lists anew before it installs.
  if (/Unable to locate package|no installation candidate/.test(said))
    return advice(
      "apt",
      said,
      `an \`up\` reads its lists first; to try it, on the host: apt-get update; apt-cache policy ${missing.join(" ")}`,
    );
  return failed(
    "apt",
    said,
    `on the host: apt-mark showhold; apt-get install ${missing.join(" ")}, which says what is in the way, and asks`,
  );
}
