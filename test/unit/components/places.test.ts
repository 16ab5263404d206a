import { beforeAll, describe, expect, it, vi } from "vitest";
import { parseHosts } from "../../../config.ts";
import { declaredBy, type Declared } from "../../../setup/declared.ts";
import { StackOnHost } from "../../support/engine.ts";
import { blankMachine, FakeHost } from "../../support/fakeHost.ts";

const connection = { host: "192.0.2.1", hostKey: `ssh-ed25519 ${"A".repeat(68)}` };
const device = { path: "/dev/disk/by-id/nvme-1" };
const sda2 = { path: "/dev/sda2" };
const nas = { server: "nas", export: "/v" };
const wal = { size: "10GiB", mountPoint: "/var/lib/postgresql/wal", owner: "postgres", group: "postgres" };

/** Mounts in each other, in one tier and across all three, each declared before the one that it lies in. */
const nested = {
  connection,
  hot: {
    device,
    volumes: {
      wal,
      postgres: {},
      scratch: { size: "1GiB", mountPoint: "/data/warm-storage/scratch", owner: "app", group: "www" },
      cache: { size: "1GiB", mountPoint: "/srv/cache", mode: "755" },
    },
    tree: "/data/warm-storage/hot",
  },
  warm: { device: sda2, owner: "app", group: "www" },
  cold: { ...nas, mountPoint: "/srv/cache/nas", owner: "postgres" },
  tuning: false,
};

/** The problems of one host, as `key: message` lines. */
function problemsOf(host: Record<string, unknown>): string[] {
  return parseHosts({ trading: { connection, ...host } }).problems.map(({ key, message }) => `${key}: ${message}`);
}

beforeAll(() => {
  vi.spyOn(console, "log").mockImplementation(() => undefined);
});

describe("a mount inside another mount", () => {
  let graph: ReadonlyMap<string, Declared>;
  beforeAll(async () => {
    graph = await declaredBy({ hosts: { trading: nested } });
  });
  const dependenciesOf = (name: string) => graph.get(`trading-${name}`)!.dependencies;
  const named = (...names: string[]) => names.map((name) => `trading-${name}`);

  it("waits for all mounts and folders of the part that it lies in, in its own tier and in others", () => {
    expect(dependenciesOf("hot-wal-mount")).toEqual(
      expect.arrayContaining(named("hot-wal-fs", "hot-postgres-mount", "hot-postgres-folders", "hot-postgres-tree")),
    );
    const ofWarm = named("warm-mount", "warm-folders", "warm-also");
    expect(dependenciesOf("hot-scratch-mount")).toEqual(expect.arrayContaining(ofWarm));
    expect(dependenciesOf("hot-postgres-tree")).toEqual(expect.arrayContaining(ofWarm));
    expect(dependenciesOf("cold-mount")).toEqual(expect.arrayContaining(named("hot-cache-mount", "hot-cache-tree")));
  });

  it("waits for no other mount", () => {
    const mountsBefore = (name: string) => dependenciesOf(name).filter((one) => /-(mount|tree|also)$/.test(one));
    for (const name of ["hot-postgres-mount", "hot-cache-mount", "warm-mount"]) expect(mountsBefore(name)).toEqual([]);
  });

  it("folders wait for the accounts that another tier makes, and each account goes only after the mounts", () => {
    const accountsBefore = (name: string) => dependenciesOf(name).filter((one) => /-(user|group)-/.test(one));
    for (const name of ["hot-scratch-mount", "warm-mount", "warm-folders"])
      expect(accountsBefore(name), name).toEqual(named("hot-user-app-www"));
    for (const name of ["hot-postgres-mount", "hot-wal-mount", "cold-folders"])
      expect(accountsBefore(name), name).toEqual(named("hot-user-postgres"));
    expect(accountsBefore("hot-cache-mount")).toEqual([]);
  });

  it("is mounted after the outer one, and unmounted before it, whatever is ready first", async () => {
    for (const latency of [0, 3]) {
      const host = new FakeHost(blankMachine());
      host.latencyMilliseconds = latency;
      const stack = new StackOnHost(graph, host);
      expect(await stack.up()).toEqual([]);
      const targets = host.machine.mounts.map(({ target }) => target);
      const isAfter = (inner: string, outer: string) => targets.indexOf(inner) > targets.indexOf(outer);
      expect(isAfter("/var/lib/postgresql/wal", "/var/lib/postgresql")).toBe(true);
      expect(isAfter("/data/warm-storage/scratch", "/data/warm-storage")).toBe(true);
      expect(isAfter("/srv/cache/nas", "/srv/cache")).toBe(true);
      expect(await stack.destroy()).toEqual([]);
      expect(host.machine.mounts.map(({ target }) => target)).toEqual(["/"]);
    }
  });
});

describe("a volume whose key was changed while its mount point stays", () => {
  const volumesOf = (volumes: Record<string, unknown>) =>
    declaredBy({ hosts: { trading: { connection, tuning: false, hot: { device, volumes } } } });
  const volume = { size: "10GiB", mountPoint: "/var/lib/postgresql", owner: "postgres", group: "postgres" };

  it("is refused, and the old one stays mounted; with its old key again, the next up succeeds", async () => {
    const host = new FakeHost(blankMachine());
    const before = new StackOnHost(await volumesOf({ postgres: volume }), host);
    expect(await before.up()).toEqual([]);
    const [fstab, mounts] = [host.machine.files["/etc/fstab"], structuredClone(host.machine.mounts)];

    const renamed = new StackOnHost(await volumesOf({ pg16: volume }), host, before.state);
    const errors = await renamed.up();
    expect(errors.map((error) => (error as Error).message)).toEqual([
      expect.stringMatching(
        /\/var\/lib\/postgresql is already the mount point of another resource.*Nothing was written/s,
      ),
    ]);
    expect(renamed.state.has("trading-hot-pg16-mount")).toBe(false);
    expect([host.machine.files["/etc/fstab"], host.machine.mounts]).toEqual([fstab, mounts]);
    expect(await before.up()).toEqual([]);
  });

  it("may be mounted there once the old one left", async () => {
    const host = new FakeHost(blankMachine());
    const before = new StackOnHost(await volumesOf({ postgres: volume }), host);
    expect(await before.up()).toEqual([]);
    expect(await before.destroy()).toEqual([]);
    expect(await new StackOnHost(await volumesOf({ pg16: volume }), host).up()).toEqual([]);
    expect(host.machine.mounts.find(({ target }) => target === "/var/lib/postgresql")?.source).toBe(
      host.machine.links["/dev/vg_jts/lv_pg16"],
    );
  });
});

describe("an account of several services, by the rule to wipe", () => {
  const onHost = async (volumes: Record<string, object>) =>
    declaredBy({
      hosts: { trading: { connection, tuning: false, onDelete: "wipe", hot: { layout: "directories", volumes } } },
    });
  const a = { owner: "app", group: "app" };
  const accounts = ({ machine }: FakeHost) => machine.accounts.filter((name) => /app|www/.test(name)).sort();

  it("stays as long as one of them declares it, and goes with the last", async () => {
    const host = new FakeHost(blankMachine());
    const both = new StackOnHost(await onHost({ a, b: { owner: "app", group: "www" } }), host);
    expect(await both.up()).toEqual([]);
    expect(accounts(host)).toEqual(["group app", "group www", "user app"]);

    const first = new StackOnHost(await onHost({ a }), host, both.state);
    expect(await first.destroy()).toEqual([]);
    expect(accounts(host)).toEqual(["group app", "group www", "user app"]);

    const second = new StackOnHost(await onHost({ b: { owner: "app", group: "www" } }), host, both.state);
    expect(await second.destroy()).toEqual([]);
    expect(accounts(host)).toEqual([]);
    expect(host.machine.ledger).toEqual([]);
  });
});

describe("a place that can't be is refused with its key", () => {
  const hot = (volumes: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
    hot: { device, volumes, ...more },
  });
  const at = (mountPoint: string) => hot({ redis: { mountPoint } });

  it.each(["/", "/var", "/var/lib", "/etc", "/usr", "/usr/local", "/usr/local/lib", "/boot", "/root", "/var/lib/dpkg"])(
    "the mount point %s, which would hide what the host needs",
    (path) => {
      const key = "trading.hot.volumes.redis.mountPoint";
      expect(problemsOf(at(path))).toContainEqual(
        expect.stringMatching(new RegExp(`^${key}: ${path} is or holds /\\S+, which the host needs`)),
      );
    },
  );

  it.each(["/dev/shm/x", "/proc/x", "/sys/x", "/run/x"])("the mount point %s, where nothing stays", (path) => {
    const [, folder] = path.split("/");
    const why = `${path} is in /${folder}, of which nothing stays at a boot`;
    expect(problemsOf(at(path))).toEqual([`trading.hot.volumes.redis.mountPoint: ${why}`]);
    expect(problemsOf({ warm: { device: sda2, mountPoint: path } })).toEqual([`trading.warm.mountPoint: ${why}`]);
    expect(problemsOf({ warm: { device: sda2, alsoAt: path } })).toEqual([`trading.warm.alsoAt: ${why}`]);
    expect(problemsOf({ cold: { ...nas, mountPoint: path } })).toEqual([`trading.cold.mountPoint: ${why}`]);
    expect(problemsOf({ hot: { layout: "directories", volumes: { redis: {} }, tree: path } })).toEqual([
      `trading.hot.volumes.redis: ${path}/redis is in /${folder}, of which nothing stays at a boot`,
    ]);
  });

  it.each([
    ["/bin/x", "/bin", "/usr/bin", "write /usr/bin/x"],
    ["/lib/x", "/lib", "/usr/lib", "write /usr/lib/x"],
    ["/lib64/x", "/lib64", "/usr/lib64", "write /usr/lib64/x"],
    ["/sbin/x", "/sbin", "/usr/sbin", "write /usr/sbin/x"],
    ["/var/run/x", "/var/run", "/run", "and of /run nothing stays at a boot; choose another path"],
    ["/var/lock", "/var/lock", "/run/lock", "and of /run nothing stays at a boot; choose another path"],
  ])("the mount point %s, which a link of Debian leads elsewhere", (path, link, target, way) => {
    const why = `${path} is in ${link}, which Debian has as a link to ${target}; ${way}`.replace("; and", ", and");
    expect(problemsOf(at(path))).toEqual([`trading.hot.volumes.redis.mountPoint: ${why}`]);
    expect(problemsOf({ cold: { ...nas, mountPoint: path } })).toEqual([`trading.cold.mountPoint: ${why}`]);
  });

  it.each(["/binaries", "/library", "/var/running", "/var/locks/x"])("but not the mount point %s", (path) => {
    expect(problemsOf(at(path))).toEqual([]);
  });

  it("the root folder as the hot tree", () => {
    const problem = 'trading.hot.tree: "/": is the root folder; name a folder of its own, such as /data/jts/hot';
    expect(problemsOf(hot({ redis: {} }, { tree: "/" }))).toEqual([problem]);
    expect(problemsOf({ hot: { layout: "directories", volumes: { redis: {} }, tree: "/" } })).toEqual([problem]);
  });

  it.each(["/var/log", "/home", "/srv", "/opt/x", "/tmp", "/var/lib/x", "/usr/share/x", "/devices", "/runs"])(
    "but not the mount point %s",
    (path) => {
      expect(problemsOf(at(path))).toEqual([]);
    },
  );

  it("a mount that shows the part that it lies in, and two that lie in each other", () => {
    expect(problemsOf(hot({ redis: {} }, { tree: "/var/lib/redis/tree" }))).toEqual([
      "trading.hot.volumes.redis in tree: /var/lib/redis/tree/redis lies in /var/lib/redis, which shows the same: " +
        "neither could be first",
    ]);
    expect(problemsOf({ warm: { device: sda2, alsoAt: "/data/warm-storage/again" } })).toEqual([
      expect.stringMatching(/^trading\.warm\.alsoAt: .* which shows the same/),
    ]);
    expect(
      problemsOf({
        ...hot({ redis: { mountPoint: "/data/warm-storage/redis" } }),
        warm: { device: sda2, alsoAt: "/data/jts/hot/redis/warm" },
      }),
    ).toEqual([
      expect.stringMatching(/^trading\.hot\.volumes\.redis\.mountPoint: .* lies in \/data\/warm-storage, and warm/),
      expect.stringMatching(/^trading\.warm\.alsoAt: .*neither could be first/),
    ]);
  });

  it("a mount over folders of another service, unless it is one of them, of the same owner, group and mode", () => {
    const data = { ...wal, mountPoint: "/var/lib/postgresql/data" };
    expect(problemsOf(hot({ postgres: {}, data }))).toEqual([]);
    expect(problemsOf(hot({ postgres: {}, data: { ...data, owner: "app" } }))).toEqual([
      "trading.hot.volumes.data.mountPoint: /var/lib/postgresql/data is also a folder of hot.volumes.postgres, which " +
        "makes it postgres:postgres 750; declare the same owner, group and mode, or take it out there",
    ]);
    expect(problemsOf(hot({ postgres: { folders: ["data/base"] }, data }))).toEqual([
      "trading.hot.volumes.data.mountPoint: /var/lib/postgresql/data would hide /var/lib/postgresql/data/base, " +
        "a folder of hot.volumes.postgres",
    ]);
    expect(problemsOf({ ...hot({ redis: { mountPoint: "/mnt/synology/jts" } }), cold: nas })).toEqual([
      expect.stringMatching(
        /^trading\.hot\.volumes\.redis\.mountPoint: .* would hide \/mnt\/synology\/jts\/archives\/database, a folder of cold/,
      ),
    ]);
    expect(
      problemsOf({ ...hot({ redis: { mountPoint: "/data/warm-storage/logs" } }), warm: { device: sda2 } }),
    ).toEqual([expect.stringMatching(/logs is also a folder of warm\.mountPoint, which makes it root:root 755/)]);
  });

  describe("folders in those of another service", () => {
    const kafka = { mountPoint: "/var/lib/postgresql/kafka" };
    const refused = (who: string, whose: string, ways: string) => [
      `trading.hot.volumes.kafka.mountPoint: ${kafka.mountPoint} lies in /var/lib/postgresql, which is ${whose} by ` +
        `hot.volumes.postgres, and ${who} can't go through it; write ${ways}, or another mount point`,
    ];

    it("that the account can't go through", () => {
      const ways = 'owner: postgres here, or mode: "751" there';
      expect(problemsOf(hot({ postgres: null, kafka }))).toEqual(refused("kafka", "postgres:postgres 750", ways));
      expect(problemsOf(hot({ postgres: null, kafka: { ...kafka, owner: "analyst" } }))).toEqual(
        refused("analyst", "postgres:postgres 750", ways),
      );
      const closed = { mode: "1700" };
      expect(problemsOf(hot({ postgres: closed, kafka: { ...kafka, group: "postgres" } }))).toEqual(
        refused("kafka", "postgres:postgres 1700", 'owner: postgres here, or mode: "1710" there'),
      );
      // Of the group, its bit counts, and that of all others doesn't.
      expect(problemsOf(hot({ postgres: { mode: "705" }, kafka: { ...kafka, group: "postgres" } }))).toEqual(
        refused("kafka", "postgres:postgres 705", 'owner: postgres here, or mode: "715" there'),
      );
    });

    it.each<[string, object, object]>([
      ["of the same owner", {}, { owner: "postgres", group: "postgres" }],
      ["of the same owner with another group", {}, { owner: "postgres" }],
      ["of root", {}, { owner: "root" }],
      ["of the same group", {}, { group: "postgres" }],
      ["of anyone, where all may go through", { mode: "751" }, {}],
    ])("but not %s", (_what, postgres, own) => {
      expect(problemsOf(hot({ postgres, kafka: { ...kafka, ...own } }))).toEqual([]);
    });

    it("in the other folder that shows them too, and in another tier", () => {
      expect(problemsOf(hot({ postgres: {}, kafka: { mountPoint: "/data/jts/hot/postgresql/kafka" } }))).toEqual([
        expect.stringMatching(
          /kafka\.mountPoint: .* lies in \/data\/jts\/hot\/postgresql, which is postgres:postgres 750/,
        ),
      ]);
      const redis = { redis: { mountPoint: "/data/warm/redis" } };
      const warm = (mode: string) => ({ ...hot(redis), warm: { device: sda2, mode } });
      expect(problemsOf(warm("755"))).toEqual([]);
      expect(problemsOf(warm("750"))).toEqual([
        expect.stringMatching(/lies in \/data\/warm, which is root:root 750 by warm\.mountPoint, and redis can't/),
      ]);
      // Only jts is as declared there.
      const inNas = { ...hot({ redis: { mountPoint: "/mnt/synology/redis" } }), cold: { ...nas, mode: "700" } };
      expect(problemsOf(inNas)).toEqual([]);
      expect(
        problemsOf({
          hot: { layout: "directories", volumes: { redis: {} }, tree: "/data/warm/hot" },
          warm: warm("700").warm,
        }),
      ).toEqual([
        expect.stringMatching(/^trading\.hot\.volumes\.redis: \/data\/warm\/hot\/redis lies in \/data\/warm, /),
      ]);
    });
  });
});
