/**
 * The command line: LiveKit's flags, environment variables and subcommands (1.13.5,
 * `cmd/server/main.go`). Parses and calls one action; what the actions do is `main.ts`'s to say.
 *
 * @module
 */
import { Command, CommanderError, Option } from "commander";
import {
  type CommandLineValues,
  type ConfigSources,
  generatedFlags,
} from "./config/config_loading.ts";
import type { ConfigOverride } from "./config/config_parsing.ts";
import type { JoinTokenRequest } from "./join_token.ts";
import type { TopRequest } from "./top/top_command.ts";
import { explainUsage } from "./usage_error.ts";
import { buildIdentity, identityText } from "./build_identity.ts";
import { PROGRAM } from "./version.ts";

/** One function per subcommand; without a subcommand the server runs. */
export interface CommandLineActions {
  serve(values: CommandLineValues): Promise<void>;
  ports(values: CommandLineValues): void;
  /** @returns The exit status. */
  check(values: CommandLineValues, options: { readonly json: boolean }): Promise<number>;
  report(values: CommandLineValues, url: string | undefined): Promise<void>;
  capturePackets(values: CommandLineValues, request: CapturePacketsRequest): Promise<void>;
  generateKeys(): void;
  createAdminToken(values: CommandLineValues, validFor: string | undefined): Promise<void>;
  top(request: TopRequest): Promise<void>;
  createJoinToken(values: CommandLineValues, request: JoinTokenRequest): Promise<void>;
}

/** Whose packets, for how long. */
export interface CapturePacketsRequest {
  readonly room: string;
  readonly identity: string;
  /** Whole seconds, as somebody wrote them; as long as is allowed if absent. */
  readonly seconds: string | undefined;
  readonly url: string | undefined;
}

/** Flags that set one configuration key, beside those generated from the key's own name. */
const NAMED_FLAGS: readonly {
  readonly flag: string;
  readonly path: string;
  readonly env?: string;
  readonly argument: string;
  readonly description: string;
  readonly read?: (text: string) => unknown;
}[] = [
  { flag: "port", path: "port", argument: "<port>", description: "HTTP and WebSocket port" },
  {
    flag: "key-file",
    path: "key_file",
    argument: "<file>",
    description: "YAML file of API keys, not readable by others",
  },
  {
    flag: "region",
    path: "region",
    env: "LIVEKIT_REGION",
    argument: "<name>",
    description: "region of this node",
  },
  {
    flag: "node-ip",
    path: "rtc.node_ip",
    env: "NODE_IP",
    argument: "<address>",
    description: "address that clients send media to",
  },
  {
    flag: "workers",
    path: "workers",
    argument: "<auto|number>",
    description: "threads of the media engine, each with a UDP port",
  },
  {
    flag: "native",
    path: "native",
    argument: "<auto|off|require>",
    description: "whether media uses the system's sockets and ciphers directly",
  },
  {
    flag: "udp-port",
    path: "rtc.udp_port",
    env: "UDP_PORT",
    argument: "<port>",
    description: "UDP port of all media, or a range of one for each worker",
  },
  {
    flag: "tcp-port",
    path: "rtc.tcp_port",
    argument: "<port>",
    description: "TCP port of media where UDP is blocked, 0 for none",
  },
  {
    flag: "drain-timeout",
    path: "drain_timeout",
    argument: "<duration>",
    description: "how long participants may stay after a stop signal; until they leave if unset",
  },
  {
    flag: "redis-host",
    path: "redis.address",
    env: "REDIS_HOST",
    argument: "<host:port>",
    description: "Redis server",
  },
  {
    flag: "redis-password",
    path: "redis.password",
    env: "REDIS_PASSWORD",
    argument: "<password>",
    description: "Redis password",
  },
  {
    flag: "turn-cert",
    path: "turn.cert_file",
    env: "LIVEKIT_TURN_CERT",
    argument: "<file>",
    description: "TLS certificate of the TURN server",
  },
  {
    flag: "turn-key",
    path: "turn.key_file",
    env: "LIVEKIT_TURN_KEY",
    argument: "<file>",
    description: "TLS key of the TURN server",
  },
];

const VALID_FOR = "--valid-for <duration>";

/** What a command line asks for, to be done when it has been read. */
type Chosen = () => void | Promise<void>;

/**
 * Parses `args` and runs the action.
 *
 * @param write Takes finished lines for standard output or standard error.
 * @returns Exit status for help, version, usage errors and `check`; `undefined` after what else was
 *   done.
 */
export async function runCommandLine(
  args: readonly string[],
  actions: CommandLineActions,
  sources: ConfigSources,
  write: CommandLineOutput,
): Promise<number | undefined> {
  // A server runs for long, and is not to hold what only reading the flags needed.
  let status: number | undefined;
  const chosen = readCommandLine(args, actions, sources, write, (exit) => status = exit);
  if (typeof chosen === "number") return chosen;
  await chosen();
  return status;
}

/** Where finished lines go. */
interface CommandLineOutput {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** The action with its values, or an exit status. */
function readCommandLine(
  args: readonly string[],
  actions: CommandLineActions,
  sources: ConfigSources,
  write: CommandLineOutput,
  exit: (status: number) => void,
): Chosen | number {
  let chosen: Chosen = () => {};
  const program: Command = new Command(PROGRAM)
    .description("WebRTC SFU that speaks the LiveKit protocol. Without a command: run the server.")
    .option("-V, --version", "print the version and the commit it was made from")
    .on("option:version", () => {
      write.out(`${identityText(buildIdentity())}\n`);
      throw new CommanderError(0, "commander.version", "");
    })
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureOutput({
      writeOut: write.out,
      writeErr: write.err,
      outputError: (message) => write.err(explain(program, args, message)),
    })
    .enablePositionalOptions();
  const values = (command: Command) => readValues(command.optsWithGlobals(), sources);
  addServerOptions(program).action(() => void (chosen = serving(actions, values(program))));
  program.command("generate-keys").description("print a new API key and secret")
    .action(() => void (chosen = actions.generateKeys));
  const ports = program.command("ports").description("print the ports this configuration uses");
  addServerOptions(ports).action(() => void (chosen = () => actions.ports(values(ports))));
  const check = program.command("check")
    .description("look for what is in the way of calls, and say what to do about it");
  addServerOptions(check).option("--json", "for programs").action(({ json }: { json?: true }) => {
    chosen = async () => exit(await actions.check(values(check), { json: json === true }));
  });
  addServerQuestions(program, actions, values, (asked) => chosen = asked);
  const token = program.command("create-join-token").description("print a token to join a room");
  addTokenOptions(token).action((options: Record<string, string>) => {
    const { room, identity } = options;
    // Commander would ask for these before it says that a flag is misspelt.
    if (!room) return token.error("error: required option '--room <name>' not specified");
    if (!identity) return token.error("error: required option '--identity <name>' not specified");
    chosen = () => actions.createJoinToken(values(token), tokenRequest(room, identity, options));
  });
  const admin = program.command("create-admin-token").description("print a token for operators");
  addServerOptions(admin).option(VALID_FOR, "life of the token, 12h if unset")
    .action(({ validFor }: { validFor?: string }) => {
      chosen = () => actions.createAdminToken(values(admin), validFor);
    });
  addTopCommand(program, (request) => chosen = () => actions.top(request));
  program.command("help-verbose").description("help with every generated flag")
    .action(() => void (chosen = async () => write.out(await verboseHelp(program))));
  try {
    program.parse(withSwitchesOn(args), { from: "user" });
    return chosen;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    throw error;
  }
}

/** Apart, so that nothing of what was parsed is held with it. */
function serving(actions: CommandLineActions, values: CommandLineValues): Chosen {
  return () => actions.serve(values);
}

/** It is a client: the server's own options are none of its. */
function addTopCommand(program: Command, choose: (request: TopRequest) => void): void {
  program.command("top")
    .description("show what a server does now, in this terminal")
    .option("--url <url>", "the server, http://localhost:7880 if unset [LIVEKIT_URL]")
    .option("--api-key <key>", "key that signs a token [LIVEKIT_API_KEY]")
    .option("--api-secret <secret>", "its secret [LIVEKIT_API_SECRET]")
    .option("--token <token>", "an operator's token, in place of both [LIVEKIT_TOKEN]")
    .option("--dev", "the keys of development mode")
    .option("--room <name>", "begin with this room")
    .option("--sort <column>", "by which column, such as people")
    .option("--json", "say it once, for programs")
    .action(({ dev = false, json = false, ...given }: Partial<TopRequest>) => {
      choose({ ...given, dev, json });
    });
}

/** Commands that ask a server that runs. */
function addServerQuestions(
  program: Command,
  actions: CommandLineActions,
  values: (command: Command) => CommandLineValues,
  choose: (chosen: Chosen) => void,
): void {
  const url = ["--url <url>", "where the server runs, if not here"] as const;
  const report = program.command("report")
    .description("print all that says how a running server is, without secrets, as JSON");
  addServerOptions(report).option(...url).action(({ url }: { url?: string }) => {
    choose(() => actions.report(values(report), url));
  });
  const capture = program.command("capture-packets")
    .description("write what one participant sends and receives to standard output, as pcapng");
  addServerOptions(capture).option(...url)
    .option("--room <name>", "where the participant is (required)")
    .option("--identity <name>", "who it is (required)")
    .option("--seconds <number>", "for how long; as long as is allowed if unset")
    .action(({ room, identity, seconds, url }: Record<string, string | undefined>) => {
      if (!room) return capture.error("error: required option '--room <name>' not specified");
      if (!identity) {
        return capture.error("error: required option '--identity <name>' not specified");
      }
      choose(() => actions.capturePackets(values(capture), { room, identity, seconds, url }));
    });
}

function addTokenOptions(command: Command): Command {
  return addServerOptions(command)
    .option("--room <name>", "room to join (required)")
    .option("--identity <name>", "identity of the participant (required)")
    .option("--recorder", "hidden, may not publish")
    .option("--name <text>", "name that others see")
    .option(VALID_FOR, "life of the token, such as 30m or 24h; a month if unset")
    .option(
      "--grant <json>",
      'more or fewer rights, such as {"canPublish":false,"roomAdmin":true}',
    );
}

function tokenRequest(
  room: string,
  identity: string,
  { recorder, name, validFor, grant }: Record<string, string>,
): JoinTokenRequest {
  return {
    room,
    identity,
    recorder: Boolean(recorder),
    ...(name === undefined ? {} : { name }),
    ...(validFor === undefined ? {} : { validFor }),
    ...(grant === undefined ? {} : { grant }),
  };
}

/** A switch that is named without a value is on, as in Go: `--rtc.ecn` is `--rtc.ecn=true`. */
function withSwitchesOn(args: readonly string[]): string[] {
  const switches = generatedFlags().filter(({ read }) => read("true") === true);
  return args.map((arg, index) => {
    const found = switches.find(({ path }) => arg === `--${path}`);
    const hasValue = typeof found?.read(args[index + 1] ?? "") === "boolean";
    return found === undefined || hasValue ? arg : `${arg}=true`;
  });
}

/** With the names that the called command knows. */
function explain(program: Command, args: readonly string[], message: string): string {
  const called = program.commands.find((command) => args.includes(command.name())) ?? program;
  const flags = called.options.map(({ long }) => long?.replace(/^--/, "") ?? "");
  return explainUsage(message, flags, program.commands.map((command) => command.name()));
}

function addServerOptions(command: Command): Command {
  const repeat = (value: string, previous: readonly string[] = []) => [...previous, value];
  command
    .option("--config <file>", "configuration file (YAML)")
    .option("--config-body <yaml>", "configuration text [LIVEKIT_CONFIG]")
    .option("--keys <map>", 'API keys, "key: secret" on each line [LIVEKIT_KEYS]')
    .addOption(new Option("--bind <address>", "address to listen on, repeatable").argParser(repeat))
    .option("--dev", "development mode: key devkey, secret secret, this machine only")
    .addOption(new Option("--disable-strict-config").hideHelp())
    .addOption(new Option("--cpuprofile <file>").hideHelp())
    .addOption(new Option("--memprofile <file>").hideHelp());
  for (const { flag, argument, description, env } of NAMED_FLAGS) {
    command.option(`--${flag} ${argument}`, description + (env ? ` [${env}]` : ""));
  }
  for (const { path } of generatedFlags()) {
    if (NAMED_FLAGS.some(({ flag }) => flag === path)) continue;
    command.addOption(new Option(`--${path} <value>`).hideHelp());
  }
  return command;
}

function readValues(options: Record<string, unknown>, sources: ConfigSources): CommandLineValues {
  const overrides: ConfigOverride[] = [];
  const generated = generatedFlags();
  for (const { path, read } of generated) {
    const text = options[optionKey(path)];
    if (typeof text === "string") overrides.push({ path, value: read(text), origin: `--${path}` });
  }
  for (const { flag, path, env } of NAMED_FLAGS) {
    const given = options[optionKey(flag)];
    const text = typeof given === "string" ? given : env ? sources.env(env) : undefined;
    if (text === undefined || text === "") continue;
    const read = generated.find((candidate) => candidate.path === path)?.read;
    const origin = typeof given === "string" ? `--${flag}` : env!;
    replace(overrides, { path, value: read === undefined ? text : read(text), origin });
  }
  if (Array.isArray(options.bind)) {
    replace(overrides, { path: "bind_addresses", value: options.bind, origin: "--bind" });
  }
  const text = (name: string) => typeof options[name] === "string" ? options[name] as string : "";
  return {
    config: text("config"),
    configBody: text("configBody"),
    keys: text("keys"),
    dev: options.dev === true,
    disableStrictConfig: options.disableStrictConfig === true,
    overrides,
  };
}

/** Later beats earlier, and only the one that won is named in a problem. */
function replace(overrides: ConfigOverride[], override: ConfigOverride): void {
  const at = overrides.findIndex(({ path }) => path === override.path);
  if (at >= 0) overrides.splice(at, 1);
  overrides.push(override);
}

/** The name under which commander keeps a flag: words after a dash begin with a capital. */
function optionKey(flag: string): string {
  return flag.split("-").map((word, index) =>
    index === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1)
  ).join("");
}

async function verboseHelp(program: Command): Promise<string> {
  // A whole server is composed for it.
  const { keysInEffect } = await import("./keys_in_effect.ts");
  const inEffect = keysInEffect();
  const lines = generatedFlags().map(({ path, name }) =>
    `  --${path}  [${name}]${inEffect.has(path) ? "" : "  (no effect yet)"}`
  );
  return `${program.helpInformation()}\nGenerated options:\n${lines.join("\n")}\n`;
}
