/**
 * A UDP mux and ICE agents on virtual time, with checks as a client's ICE agent (werift's writer)
 * sends them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { classes, Message, methods, parseMessage } from "werift";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { IceCredentials } from "../../../../lib/base/media_vocabulary.ts";
import {
  type Datagrams,
  MAX_SEND_BYTES,
  type RemoteAddress,
} from "../../../../lib/transport/datagrams/datagrams.ts";
import { IceDirectory, type StunOrigin } from "../../../../lib/transport/ice/ice_directory.ts";
import { IceLiteAgent } from "../../../../lib/transport/ice/ice_lite.ts";
import type {
  NetworkPath,
  PathOwner,
  PathValidator,
} from "../../../../lib/transport/ice/network_path.ts";
import { UdpMux } from "../../../../lib/transport/ice/udp_mux.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

/** {@linkcode Datagrams} whose network is two arrays. */
export class MemoryDatagrams implements Datagrams {
  readonly localAddress = { hostname: "192.0.2.2", port: 7882 };
  readonly counters = { received: 0, receivedBytes: 0, sent: 0, sentBytes: 0 };
  readonly closed = Promise.resolve();
  readonly sent: { readonly bytes: Uint8Array; readonly remote: RemoteAddress }[] = [];
  readonly slab = new ArrayBuffer(MAX_SEND_BYTES);
  readonly #slot = new Uint8Array(this.slab);
  flushes = 0;
  onDatagram: Datagrams["onDatagram"] = () => {};
  onBatchEnd: Datagrams["onBatchEnd"] = () => {};
  onFlushed?: () => void;

  reserve(): Uint8Array {
    return this.#slot;
  }
  commit(length: number, remote: RemoteAddress): void {
    this.sent.push({ bytes: this.#slot.slice(0, length), remote: { ...remote } });
  }
  send(bytes: Uint8Array, length: number, remote: RemoteAddress): void {
    this.#slot.set(bytes.subarray(0, length));
    this.commit(length, remote);
  }
  flush(): void {
    this.flushes++;
  }
  close(): void {}

  /** As if one datagram had come in a batch of its own. */
  arrive(bytes: Uint8Array, remote: RemoteAddress): void {
    this.onDatagram(bytes.slice(), bytes.length, { ...remote });
    this.onBatchEnd();
  }
}

/** A connection whose network is an array; a path as soon as an agent has it. */
export class MemoryStreamPath implements NetworkPath, StunOrigin {
  readonly protocol = "tcp";
  readonly sent: Uint8Array[] = [];
  owner: PathOwner | undefined;
  validator: PathValidator | undefined;
  readonly #slot = new Uint8Array(MAX_SEND_BYTES);

  constructor(readonly remote: RemoteAddress) {}

  get path(): NetworkPath | undefined {
    return this.validator === undefined ? undefined : this;
  }
  openPath(): NetworkPath {
    return this;
  }
  reply(bytes: Uint8Array, length: number): void {
    this.send(bytes, length);
  }
  send(bytes: Uint8Array, length: number): boolean {
    this.sent.push(bytes.slice(0, length));
    return true;
  }
  reserve(): Uint8Array {
    return this.#slot;
  }
  commit(length: number): void {
    this.send(this.#slot, length);
  }
  close(): void {}
}

export function udp(hostname: string, port: number): RemoteAddress {
  return { transport: "udp", hostname, port };
}

/** What a check says besides who it is for. */
export interface CheckOptions {
  readonly remoteUfrag?: string;
  readonly pwd?: string;
  readonly useCandidate?: boolean;
  readonly priority?: number;
  readonly role?: "controlling" | "controlled";
  /** Adds CHANGE-REQUEST (RFC 5780), which no ICE agent has to know. */
  readonly unknownAttribute?: boolean;
  /** For a retransmission: the bytes of the id of the first try. */
  readonly transactionId?: Buffer;
}

/** A connectivity check for `local`, written by werift. */
export function check(local: IceCredentials, options: CheckOptions = {}): Uint8Array {
  const message = new Message(methods.BINDING, classes.REQUEST, options.transactionId);
  message
    .setAttribute("USERNAME", `${local.ufrag}:${options.remoteUfrag ?? "client"}`)
    .setAttribute("PRIORITY", options.priority ?? 1_853_824_767);
  const role = options.role === "controlled" ? "ICE-CONTROLLED" : "ICE-CONTROLLING";
  message.setAttribute(role, 0x1122334455667788n);
  if (options.useCandidate === true) message.setAttribute("USE-CANDIDATE", null);
  if (options.unknownAttribute === true) message.setAttribute("CHANGE-REQUEST", 0);
  message.addMessageIntegrity(Buffer.from(options.pwd ?? local.pwd)).addFingerprint();
  return Uint8Array.from(message.bytes);
}

/**
 * A check of the agent's own, as werift reads it, with its integrity checked under the client's
 * password.
 */
export function readCheck(bytes: Uint8Array, client: IceCredentials) {
  const message = parseMessage(Buffer.from(bytes), Buffer.from(client.pwd));
  if (message?.messageClass !== classes.REQUEST) return undefined;
  return {
    username: message.getAttributeValue("USERNAME") as string,
    transactionId: message.transactionId,
    isControlled: message.getAttributeValue("ICE-CONTROLLED") !== undefined,
    nominates: message.attributesKeys.includes("USE-CANDIDATE"),
  };
}

/** What a client answers to a check with this id, written by werift. */
export function answer(transactionId: Buffer, client: IceCredentials, isError = false): Uint8Array {
  const message = new Message(
    methods.BINDING,
    isError ? classes.ERROR : classes.RESPONSE,
    transactionId,
  );
  if (isError) message.setAttribute("ERROR-CODE", [487, "Role Conflict"]);
  else message.setAttribute("XOR-MAPPED-ADDRESS", ["192.0.2.2", 7882]);
  message.addMessageIntegrity(Buffer.from(client.pwd)).addFingerprint();
  return Uint8Array.from(message.bytes);
}

/** An answer as werift reads it, with its integrity checked. */
export function readAnswer(bytes: Uint8Array, local: IceCredentials) {
  const message = parseMessage(Buffer.from(bytes), Buffer.from(local.pwd));
  if (message === undefined) throw new Error("werift cannot read this answer");
  return {
    isSuccess: message.messageClass === classes.RESPONSE,
    mapped: message.getAttributeValue("XOR-MAPPED-ADDRESS") as [string, number] | undefined,
    error: message.getAttributeValue("ERROR-CODE") as [number, string] | undefined,
    transactionId: message.transactionIdHex,
  };
}

/** One mux, one directory, and agents whose every call outwards is written down. */
export class IceWorld {
  readonly platform = new VirtualPlatform(8445);
  readonly drops = new DropCounters();
  readonly directory = new IceDirectory(this.drops);
  readonly datagrams = new MemoryDatagrams();
  readonly mux = new UdpMux({
    datagrams: this.datagrams,
    directory: this.directory,
    clock: this.platform.clock,
    drops: this.drops,
    log: this.platform.log,
  });

  /** How many answers were sent. */
  get answers(): number {
    return this.datagrams.sent.filter(({ bytes }) => bytes[0] === 1).length;
  }

  get now(): number {
    return this.platform.clock.now();
  }

  /** Media came by a path of the agent's; whether it is the client's is for who overrides this. */
  protected mediaCame(_agent: IceLiteAgent, _path: NetworkPath): void {}

  /** An agent with `name` as its ufrag. */
  agent(name: string) {
    const local = credentials(name);
    const events: string[] = [];
    const received: string[] = [];
    const roundTrips: number[] = [];
    const agent: IceLiteAgent = new IceLiteAgent({
      directory: this.directory,
      local,
      owner: {
        receive: (kind, bytes, length, path) => {
          received.push(`${kind} ${bytes[length - 1]} ${path.remote.hostname}:${path.remote.port}`);
          if (kind !== "dtls") this.mediaCame(agent, path);
        },
      },
      listener: {
        onPathSelected: ({ protocol, remote }) => {
          events.push(`selected ${protocol} ${remote.hostname}:${remote.port}`);
        },
        onRoundTrip: (rttMs) => void roundTrips.push(rttMs),
        onTimed: () => {},
        onInterrupted: () => void events.push("interrupted"),
        onLost: () => void events.push("lost"),
        onResumed: () => void events.push("resumed"),
        onFailed: () => void events.push("failed"),
      },
      drops: this.drops,
      random: this.platform.random,
      now: this.now,
    });
    return { agent, local, events, received, roundTrips };
  }

  /** Moves time by `ms` in the agent's own steps: it is woken exactly when it asked to be. */
  advance(agent: IceLiteAgent, ms: number): void {
    const end = this.now + ms;
    while (agent.nextWakeAt() <= end) {
      this.platform.advance(Math.max(0, agent.nextWakeAt() - this.now));
      agent.tick(this.now);
    }
    this.platform.advance(end - this.now);
  }
}

/** Credentials with a ufrag to recognise and a password of legal length. */
export function credentials(ufrag: string): IceCredentials {
  return { ufrag, pwd: `${ufrag}-password-of-24-or-more` };
}

/** The smallest packets of each kind, ending in `mark`. */
export const packets = {
  rtp: (mark: number) => Uint8Array.of(0x80, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, mark),
  rtcp: (mark: number) => Uint8Array.of(0x80, 201, 0, 1, 0, 0, 0, mark),
  dtls: (mark: number) => Uint8Array.of(22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, mark),
};
