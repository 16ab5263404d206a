/** What the engine shows of a stack, in the words of this project. It imports nothing, so that the pack can be sent. */

/** A resource as the engine shows it to a policy: as it would be after the operation. */
export interface Resource {
  readonly type: string;
  readonly name: string;
  readonly urn: string;
  readonly props: Readonly<Record<string, unknown>>;
}

/** How a host is reached, by whom. */
export interface Connection {
  /** The host's name, or its address where a resource has no more than that. */
  readonly host: string;
  readonly user: string;
  readonly hostKey: string | undefined;
  /** Whether another host between has no key; only of @pulumi/command, since ssh(1) has its own for that. */
  readonly hasUncheckedJump: boolean;
}

/** What the scripts on a host read, as far as policies are about it. */
export interface ScriptSettings {
  readonly hot: { readonly volumeGroup: string | null } | null;
  readonly automation: {
    /** The names of logical volumes, and the bytes of a snapshot. */
    readonly backupVolumes: Readonly<Record<string, number>>;
    readonly backupsKeptDays: number;
    readonly notify: string | null;
  };
}

const KIND = /^pulumi-nodejs:dynamic\/jts-storage:(\w+)$/;
const SETTINGS_FILE = "/etc/jts-storage/settings.json";

/** `LogicalVolume` of this project's; undefined: another's resource. */
export function kindOf({ type }: Pick<Resource, "type">): string | undefined {
  return KIND.exec(type)?.[1];
}

/** `prod` of any of its resources. */
export function stackOf(urn: string): string {
  return /^urn:pulumi:(.*?)::/.exec(urn)?.[1] ?? "";
}

export function ofKind(resources: readonly Resource[], ...kinds: readonly string[]): Resource[] {
  return resources.filter((resource) => kinds.includes(kindOf(resource) ?? ""));
}

/** The resources of each host. */
export function byHost(resources: readonly Resource[]): ReadonlyMap<string, readonly Resource[]> {
  const hosts = new Map<string, Resource[]>();
  for (const resource of resources) {
    const host = text(resource.props.host);
    if (kindOf(resource) !== undefined) hosts.set(host, [...(hosts.get(host) ?? []), resource]);
  }
  return hosts;
}

export function hasTimer(resources: readonly Resource[], name: string): boolean {
  return ofKind(resources, "SystemdTimer").some(({ props }) => props.name === name);
}

/** Of one host; undefined: it has no automation. */
export function settingsOf(resources: readonly Resource[]): ScriptSettings | undefined {
  const file = ofKind(resources, "ConfigFile").find(({ props }) => props.path === SETTINGS_FILE);
  return file === undefined ? undefined : (JSON.parse(text(file.props.content)) as ScriptSettings);
}

/**
 * All connections, each once: of the stack's configuration, and of resources that hold one.
 * @param hosts the configuration's `hosts`; another program, which uses the package, has none
 */
export function connectionsOf(resources: readonly Resource[], hosts: Readonly<Record<string, unknown>>): Connection[] {
  const configured = Object.entries(hosts).flatMap(([host, section]) => read(record(section).connection, host));
  const known = new Set(Object.values(hosts).map((section) => keyOf(record(record(section).connection))));
  const held = resources.flatMap(({ props }) => {
    const connection = record(props.connection);
    const key = keyOf(connection);
    if (props.connection === undefined || known.has(key)) return [];
    known.add(key);
    return read(connection, text(props.host) || text(connection.host));
  });
  return [...configured, ...held];
}

function keyOf({ host, port = 22, user = "root", hostKey, proxy }: Readonly<Record<string, unknown>>): string {
  return JSON.stringify([host, port, user, hostKey, record(proxy).host !== undefined && !record(proxy).hostKey]);
}

function read(connection: unknown, host: string): Connection[] {
  if (connection === undefined) return [];
  const { user = "root", hostKey, proxy } = record(connection);
  return [
    {
      host,
      user: text(user),
      hostKey: typeof hostKey === "string" && hostKey !== "" ? hostKey : undefined,
      hasUncheckedJump: proxy !== undefined && text(record(proxy).hostKey) === "",
    },
  ];
}

export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}
