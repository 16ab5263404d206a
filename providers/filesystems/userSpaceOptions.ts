/** An option that only programs in user space read, and that changes what we rely on: no kernel refuses it. */
interface UserSpaceRule {
  readonly matches: RegExp;
  /** Accepted on filesystems of a network. Left out: on none. */
  readonly isForNetwork?: true;
  /** It follows `OPTION on TYPE`, and ends in what to write instead. */
  readonly reason: string;
}

const RULES: readonly UserSpaceRule[] = [
  {
    matches: /^(x-systemd\.|comment=systemd\.)automount$/,
    isForNetwork: true,
    reason:
      "mounts it only at the first access, and services start before that; leave it out: with nofail, boot waits for no disk",
  },
  {
    matches: /^x-systemd\.makefs$/,
    reason: "lets systemd make a filesystem at boot on what it finds blank; leave it out",
  },
];

/** Of these options, those that are refused whatever the kernel says of them. */
export function refusedInUserSpace(type: string, options: readonly string[]): { option: string; reason: string }[] {
  const isNetwork = /^(nfs4?|cifs)$/.test(type);
  return options.flatMap((option) =>
    RULES.filter(({ matches, isForNetwork }) => matches.test(option) && !(isForNetwork && isNetwork)).map(
      ({ reason }) => ({ option, reason: `${option} on ${type} ${reason}` }),
    ),
  );
}
