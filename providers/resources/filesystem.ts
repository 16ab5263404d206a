import { z } from "zod";
import { CONVERGED, refuseAll, step, toDo, type Plan } from "../engine/plan.ts";
import type { InputsOf, ResourceKind } from "../engine/resource.ts";
import { contents, type Contents, type Signature } from "../facts/contents.ts";
import { deviceAt } from "../facts/device.ts";
import type { BlockDevice } from "../facts/lsblk.ts";
import { orError } from "../facts/fact.ts";
import { labelled as filesystemLabels, type Labelled } from "../facts/labelled.ts";
import { signsOfUse } from "../facts/signsOfUse.ts";
import { MADE_FILESYSTEMS, MADE_TYPES, type MadeType } from "../filesystems/index.ts";
import { refusedSize } from "../filesystems/mkfsSize.ts";
import { refusedOptions } from "../filesystems/mountOptions.ts";
import { cmd } from "../host/command.ts";
import { program, recordsProgram } from "../programs/program.ts";
import { bytes, line, mkfsOption, onDelete, path, serial } from "../values/fields.ts";
import { formatBytes } from "../values/size.ts";
import { labelled, list, word, words } from "../values/words.ts";
import { dataHolder } from "./dataHolder.ts";
import { notBlank, refuseNoDevice, wrongDevice } from "./device.ts";
import { kindInputs } from "./inputs.ts";

const inputs = kindInputs({
  /**
   * The device's path, any that leads to it; /dev/disk/by-id/… stays the same over boots. The device must be proved
   * blank, or already hold exactly what is declared. It can't change.
   */
  device: path,
  /** The device's size in bytes, checked on the host. Default: any. */
  sizeBytes: bytes.optional(),
  /** The serial number of the device, or of its disk, checked on the host. Default: any. */
  serial: serial.optional(),
  /** It can't change: see docs/runbooks/change-a-filesystem.md. */
  type: z.enum(MADE_TYPES),
  /** At most 16 bytes for ext4, 12 for xfs, 255 for btrfs. Default: none. It can't change. */
  label: line.optional(),
  /**
   * Arguments for mkfs.ext4(8), mkfs.xfs(8) or mkfs.btrfs(8), one each; only a new filesystem gets them. Default: none.
   */
  mkfsOptions: z.array(mkfsOption).default([]),
  /** Default: retain. */
  onDelete,
});
type Inputs = InputsOf<typeof inputs>;

export interface Seen {
  readonly device: BlockDevice | undefined;
  readonly filesystem:
    (Signature & Pick<Contents, "unusableBytes" | "devices"> & { readonly bytes: number }) | undefined;
  /** Asked only where the declared filesystem isn't. */
  readonly signs: readonly string[];
  /** Filesystems of the declared label on other devices. Asked only where the declared filesystem isn't. */
  readonly namesakes: readonly Labelled[];
}

/**
 * Filesystems leave less than this unused at their device's end, unless they say otherwise; extents are smaller steps
 * than anybody grows by.
 */
const SLACK_BYTES = 16 * 1024 * 1024;

/** The label until all of the filesystem is on the disk: see programs/make-filesystem.sh. */
const MAKING = "jts-making";

/** A filesystem on a device, made by mkfs(8) where the device is proved blank. */
export const filesystem: ResourceKind<typeof inputs, Seen> = {
  name: "Filesystem",
  inputs,
  identity: [],
  changes: ["contents"],
  turn: { device: ({ device }) => device },
  id: ({ host, device }) => `${host}:${device}`,
  describe: ({ type, device, label, mkfsOptions }) =>
    list(`${word(type)} on ${word(device)}`, labelled("label", word(label)), words(mkfsOptions)),
  refuse: ({ type, label = "", mkfsOptions, sizeBytes }) => [
    // The device is no fstab source: its name is used now, not at boot.
    ...refusedOptions({ type, source: "", options: [], pass: 0, mkfsOptions }).map(({ reason }) => ({
      property: "mkfsOptions",
      reason,
    })),
    ...(sizeBytes === undefined ? [] : refusedSize(type, sizeBytes, mkfsOptions)).map((reason) => ({
      property: "sizeBytes",
      reason: `${type} of ${formatBytes(sizeBytes ?? 0)} ${reason}`,
    })),
    ...labelProblems(type, label).map((reason) => ({ property: "label", reason })),
  ],
  refuseChange: (olds, news) =>
    (["device", "type", "label"] as const)
      .filter((property) => olds[property] !== news[property])
      .map((property) => {
        const change = `from ${olds[property] ?? "none"} to ${news[property] ?? "none"}`;
        const runbook = property === "device" ? "move-to-a-new-disk" : "change-a-filesystem";
        const reason = `the ${property} of the filesystem on ${olds.device} can't change ${change}; see docs/runbooks/${runbook}.md`;
        return { property, reason };
      }),

  async observe(ask, { device: path, type, label }) {
    // Together, so that they travel together; of a path that leads nowhere nothing can be read.
    const [device, found] = await Promise.all([deviceAt(ask, path), orError(ask(contents, { device: path, type }))]);
    if (device === undefined) return { device, filesystem: undefined, signs: [], namesakes: [] };
    if (found instanceof Error) throw found;
    const { signatures, bytes, unusableBytes, devices } = found;
    const match = signatures.every((one) => one.type === type && one.label !== MAKING) ? signatures[0] : undefined;
    if (match !== undefined && bytes !== undefined)
      return { device, filesystem: { ...match, bytes, unusableBytes, devices }, signs: [], namesakes: [] };
    const seemsBlank = signatures.length === 0 && !device.isInUse;
    const [signs, labels] = await Promise.all([
      seemsBlank ? [] : ask(signsOfUse, path),
      label === undefined ? [] : ask(filesystemLabels, undefined),
    ]);
    const namesakes = labels.filter((one) => one.label === label && one.number !== device.number);
    return { device, filesystem: undefined, signs, namesakes };
  },
  isAbsent: (_inputs, { device, filesystem, signs }) =>
    device !== undefined && filesystem === undefined && signs.length === 0,

  isProvedAbsent: async (ask, { device }) => (await ask(signsOfUse, device)).length === 0,

  plan(desired, { device, filesystem, signs, namesakes }) {
    const { device: path, type, label } = desired;
    if (device === undefined) return refuseNoDevice(path);
    const refusals = wrongDevice(desired, device);
    if (filesystem === undefined) refusals.push(...notBlank(device, path, signs));
    else if (label !== undefined && filesystem.label !== label) {
      refusals.push({
        found: `the ${type} on ${path} has the label ${filesystem.label ?? "none"} instead of ${label}`,
        next: "declare that label, which adopts it; or give it yours by docs/runbooks/change-a-filesystem.md; or only where nobody needs what is on it, empty it by docs/runbooks/clear-a-device.md.",
      });
    }
    for (const { device: other } of namesakes) {
      refusals.push({
        found: `the filesystem on ${other} has the label ${label}, too, by which a boot may mount it in place of the one on ${path}`,
        next: `declare ${other}, where that is the filesystem that you want, which adopts it; or another label; or disconnect the disk that doesn't belong here.`,
      });
    }
    if (filesystem !== undefined && filesystem.devices > 1) {
      refusals.push({
        found: `the ${type} on ${path} lies on ${filesystem.devices} devices`,
        next: "declare another device; or take the other devices out of it, which moves what is on them: btrfs-balance(8) with -dconvert=single -mconvert=dup, then btrfs device remove.",
      });
    }
    if (refusals.length > 0) return refuseAll(refusals);
    if (filesystem === undefined) return makeFilesystem(desired, device);
    if (device.sizeBytes - filesystem.bytes < Math.max(SLACK_BYTES, filesystem.unusableBytes)) return CONVERGED;
    return toDo(
      step(
        `grow the ${type} on ${path} from ${formatBytes(filesystem.bytes)} to ${formatBytes(device.sizeBytes)}`,
        program("grow-filesystem", type, path),
      ),
    );
  },

  ...dataHolder<Inputs, Seen>(
    ({ device: path, type }, { filesystem }) =>
      filesystem && {
        type: "filesystem",
        at: path,
        uuid: filesystem.uuid,
        is: `${path} holds the ${type}`,
        shownBy: `blkid ${path}`,
        remove: { summary: `wipe the ${type} on ${path}`, command: recordsProgram("wipe-filesystem", [path]) },
      },
  ),

  report: ({ label }, { filesystem }) => ({
    inputs: filesystem === undefined || label === undefined ? {} : { label: filesystem.label ?? "" },
    outputs: filesystem?.uuid === undefined ? {} : { uuid: filesystem.uuid },
  }),
};

function labelProblems(type: MadeType, label: string): string[] {
  const { maxBytes, refused } = MADE_FILESYSTEMS[type].label;
  const bytes = Buffer.byteLength(label);
  return [
    ...(bytes > maxBytes ? [`the label ${label} has ${bytes} bytes, and ${type} takes ${maxBytes}`] : []),
    ...(refused?.pattern.test(label) ? [`the label ${label} has ${refused.words}`] : []),
    ...(label === MAKING ? [`the label ${MAKING} marks filesystems that are not finished yet`] : []),
  ];
}

function makeFilesystem({ device, type, label, mkfsOptions }: Inputs, seen: BlockDevice): Plan {
  return toDo(
    step(`format ${device} as ${type}`, program("make-filesystem", type, label ?? "", device, ...mkfsOptions), {
      guard: program("find-signs-of-use", device, String(seen.sizeBytes), seen.serial ?? ""),
    }),
    // By itself udev overlooks what is closed while it still reads what was closed before, and has links by an old
    // label, or none.
    step("let udev see it", cmd`udevadm trigger --action=change --settle -- ${device}`),
  );
}
