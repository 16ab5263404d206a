/** What a `destroy` comes to, by what the kinds say of themselves: nothing of a host is known here. Pure. */
import { riskOf } from "../../providers/engine/risk.ts";
import type { AnyKind, CommonInputs, Properties } from "../../providers/engine/resource.ts";
import type { HostResource } from "../stackFile.ts";

/** What becomes of resources of one kind. */
export interface Fate {
  /** `refused`: Pulumi refuses the whole destroy as long as they are protected. */
  readonly outcome: "stays" | "refused" | "wiped" | "removed";
  /** `7 logical volumes`. */
  readonly what: string;
  /** By their names in the stack, without the host's. */
  readonly subjects: readonly string[];
  /** What that means, where it isn't obvious. */
  readonly words: string;
  /** Whoever uses them is cut off: what runs is stopped, what is mounted is unmounted. */
  readonly interrupts: boolean;
}

interface Words {
  readonly one: string;
  readonly many: string;
  /** What removing them comes to. */
  readonly removed?: string;
  /** What staying means. */
  readonly stays?: string;
}

const DATA = "with what is on it; the next `up` adopts it";
const KINDS: Readonly<Record<string, Words>> = {
  LogicalVolume: { one: "logical volume", many: "logical volumes", stays: DATA },
  VolumeGroup: { one: "volume group", many: "volume groups", stays: DATA },
  PhysicalVolume: { one: "physical volume", many: "physical volumes", stays: DATA },
  Filesystem: { one: "filesystem", many: "filesystems", stays: DATA },
  SystemUser: {
    one: "account",
    many: "accounts",
    stays: "files that stay bear their numbers",
    removed: "only what was made here, and what no folder of this program belongs to any more",
  },
  FstabEntry: mount("mount with its line in fstab", "mounts with their lines in fstab"),
  NfsCache: {
    one: "cache of reads over NFS",
    many: "caches of reads over NFS",
    removed: "with all that is cached; its package stays",
  },
  NfsMount: mount("NFS mount with its line in fstab", "NFS mounts with their lines in fstab"),
  Directory: {
    one: "tree of folders",
    many: "trees of folders",
    removed: "only folders that were made here, and that are empty; what is in one keeps it",
  },
  ConfigFile: {
    one: "file of settings",
    many: "files of settings",
    removed: "the kernel gets back the values that it had before",
  },
  Scripts: { one: "folder of scripts", many: "folders of scripts", removed: "with the link to it" },
  SystemdTimer: {
    one: "timer with its service",
    many: "timers with their services",
    removed: "a run under way may finish",
  },
  Packages: { one: "list of Debian packages", many: "lists of Debian packages", stays: "others may need them by now" },
};

function mount(one: string, many: string): Words {
  const removed = "unmounted first; one in use stays, and `destroy` fails and names who uses it";
  return { one, many, removed };
}

const ORDER = ["refused", "wiped", "removed", "stays"];

/** Of a host's resources, by outcome and kind; the gravest first. */
export function fatesOf(resources: readonly HostResource[]): Fate[] {
  const groups = Map.groupBy(resources, (one) => `${outcomeOf(one)} ${one.kind.name}`);
  return [...groups.values()]
    .map((all): Fate => {
      const [first] = all as [HostResource];
      const { name } = first.kind;
      const { one, many, stays = "", removed = "" } = KINDS[name] ?? { one: name, many: `${name}s` };
      const outcome = outcomeOf(first);
      const words = { stays, removed, refused: stays, wiped: "back to blank, each after its UUID was compared" };
      return {
        outcome,
        what: all.length === 1 ? `1 ${one}` : `${all.length} ${many}`,
        subjects: all.map(({ subject }) => subject).sort(),
        words: words[outcome],
        interrupts: all.some(({ kind, inputs }) => riskOf(kind, inputs, undefined) === "interrupts-service"),
      };
    })
    .sort((one, other) => ORDER.indexOf(one.outcome) - ORDER.indexOf(other.outcome));
}

function outcomeOf({ kind, inputs, protect }: HostResource): Fate["outcome"] {
  if (protect) return "refused";
  if (leaves(kind, inputs)) return "stays";
  return kind.holdsData === true ? "wiped" : "removed";
}

function leaves(kind: AnyKind, inputs: Properties): boolean {
  return kind.leaves?.(inputs as Properties & CommonInputs) === true;
}
