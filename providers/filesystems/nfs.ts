import type { FilesystemType } from "./filesystemType.ts";
import { beside, flag, flags, number, OF_FILESYSTEM, oneOf, orNothing, partlyTried, text, untried } from "./options.ts";
import type { Example } from "./rules.ts";

const VERSION = oneOf("3", "4", "4.0", "4.1", "4.2");
const CONNECTIONS = oneOf(...Array.from({ length: 16 }, (_, index) => `${index + 1}`));

const onVersion3 = (option: string): Example => ({ options: ["vers=3", option] });

/** nfs(5). */
export const nfs: FilesystemType = {
  manual: "nfs(5)",
  pass: 0,
  packages: ["nfs-common"],
  canRemount: () => false,
  silentDefaults: ["rw", "acl", "ac", "cto", "lock", "rdirplus", "sharecache"],
  shownAs: (option) =>
    option
      .replace(/^(nfsvers|vers)=/, "vers=")
      .replace(/^tcp$/, "proto=tcp")
      .replace(/^udp$/, "proto=udp"),
  isGranted: (name, declared, shown) => {
    if (name === "rsize" || name === "wsize") return Number(shown) <= Number(declared);
    if (name === "vers" && declared === "4") return /^4\.\d$/.test(shown);
    return undefined;
  },

  options: {
    ...OF_FILESYSTEM,
    ...flags(`
      soft hard softerr softreval
      ac noac
      bg fg
      rdirplus nordirplus
      sharecache nosharecache
      resvport
      nofsc
      cto nocto
      acl noacl
      lock nolock
      migration nomigration
      sloppy
      tcp
      posix noposix
      trunkdiscovery notrunkdiscovery
      v3 v4 v4.0 v4.1 v4.2
    `),
    noresvport: untried("needs an export with `insecure`", flag),
    rdma: untried("needs RDMA", flag),
    fsc: orNothing(text("jts", "a name")),
    vers: VERSION,
    nfsvers: VERSION,
    minorversion: beside("vers=4", oneOf("0", "1", "2")),
    timeo: number(600, "tenths of a second"),
    retrans: number(2),
    rsize: number(65536, "bytes"),
    wsize: number(65536, "bytes"),
    bsize: number(4096, "bytes"),
    acregmin: number(3, "seconds"),
    acregmax: number(60, "seconds"),
    acdirmin: number(30, "seconds"),
    acdirmax: number(60, "seconds"),
    actimeo: number(30, "seconds"),
    retry: number(0, "minutes"),
    nconnect: CONNECTIONS,
    max_connect: CONNECTIONS,
    sec: partlyTried(
      ["=sys"],
      "needs Kerberos, or an export for anyone",
      oneOf("sys", "none", "krb5", "krb5i", "krb5p"),
    ),
    lookupcache: oneOf("all", "none", "pos", "positive"),
    local_lock: oneOf("all", "flock", "posix", "none"),
    write: oneOf("lazy", "eager", "wait"),
    proto: partlyTried(["=tcp"], "needs IPv6 or RDMA", oneOf("tcp", "tcp6", "rdma", "rdma6")),
    port: number(2049),
    mountport: untried("the server chooses it", number(0)),
    mountproto: beside("vers=3", oneOf("tcp", "udp")),
    mounthost: beside("vers=3", text("192.168.1.101", "a name or an address")),
    mountaddr: beside("vers=3", text("192.168.1.101", "an address")),
    addr: text("192.168.1.101", "an address"),
    mountvers: beside("vers=3", oneOf("3")),
    namlen: number(255, "bytes"),
    clientaddr: text("192.168.1.100", "an address"),
  },

  refused: [
    {
      matches: /^(no)?intr$/,
      reason: "is ignored since Linux 2.6.25 (nfs(5)); leave it out",
      examples: ["intr", "nointr"].map(onVersion3),
      outcome: "is ignored",
    },
    {
      matches: /^(proto=udp6?|udp)$/,
      reason:
        "does not mount: Debian builds the kernel without NFS over UDP, off by default since Linux 5.6; write proto=tcp",
      examples: ["proto=udp", "udp"].map(onVersion3),
      outcome: "does not mount",
    },
  ],
};
