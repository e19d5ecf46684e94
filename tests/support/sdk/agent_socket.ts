/**
 * An agent worker on a real socket: registers, and takes every job it is offered.
 *
 * @module
 */
import {
  AvailabilityResponse,
  type Job,
  type JobAssignment,
  type JobType,
  RegisterWorkerRequest,
  ServerMessage,
  WorkerMessage,
} from "@livekit/protocol";
import { AccessToken } from "livekit-server-sdk";
import { TEST_KEY, TEST_SECRET } from "../process/roomwire_process.ts";
import { until } from "../wire/until.ts";

/** A worker that takes every job and keeps its assignments, in order, for the test to read. */
export class SocketWorker {
  readonly #socket: WebSocket;
  /** In the order in which they came. */
  readonly assignments: JobAssignment[] = [];
  /** Ids of the jobs that it was told to end. */
  readonly terminated: string[] = [];
  #registered = false;
  #ended = false;

  private constructor(url: string) {
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) =>
      this.#read(ServerMessage.fromBinary(new Uint8Array(data)));
    this.#socket.onclose = () => void (this.#ended = true);
  }

  /**
   * A worker that is registered.
   *
   * @param url `ws://…` without a trailing slash.
   */
  static async register(
    url: string,
    registration: ConstructorParameters<typeof RegisterWorkerRequest>[0],
  ): Promise<SocketWorker> {
    const token = new AccessToken(TEST_KEY, TEST_SECRET, { identity: "" });
    token.addGrant({ agent: true });
    const worker = new SocketWorker(`${url}/agent?access_token=${await token.toJwt()}`);
    await new Promise((resolve) => worker.#socket.onopen = resolve);
    worker.send({ case: "register", value: new RegisterWorkerRequest(registration) });
    await until("the worker to be registered", () => worker.#registered);
    return worker;
  }

  /** Jobs of a type, assigned to this worker. */
  jobs(type: JobType): Job[] {
    return this.assignments.map(({ job }) => job!).filter((job) => job.type === type);
  }

  send(message: WorkerMessage["message"]): void {
    this.#socket.send(new WorkerMessage({ message }).toBinary());
  }

  /** The server has ended the connection. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Resolves when the connection is over. */
  async close(): Promise<void> {
    this.#socket.close();
    await until("the worker's socket to be closed", () => this.#ended);
  }

  #read({ message }: ServerMessage): void {
    if (message.case === "register") this.#registered = true;
    if (message.case === "assignment") this.assignments.push(message.value);
    if (message.case === "termination") this.terminated.push(message.value.jobId);
    if (message.case !== "availability") return;
    const { id } = message.value.job!;
    const participantIdentity = `agent-${id}`;
    const value = new AvailabilityResponse({ jobId: id, available: true, participantIdentity });
    this.send({ case: "availability", value });
  }
}
