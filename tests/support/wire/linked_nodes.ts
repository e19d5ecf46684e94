/**
 * Nodes on loopback whose links are real WebSockets over the process's own HTTP listener.
 *
 * @module
 */
import type { Socket } from "node:net";
import { denoPlatform } from "../../../lib/base/deno_platform.ts";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import type { NodeId } from "../../../lib/base/ids.ts";
import { silentLog } from "../../../lib/base/platform.ts";
import { ClusterLinks } from "../../../lib/cluster/link/cluster_links.ts";
import type { ProtocolRange } from "../../../lib/cluster/link/link_handshake.ts";
import { MAX_SOCKET_MESSAGE_BYTES } from "../../../lib/cluster/link/outgoing_queue.ts";
import {
  httpConnectionLimits,
  HttpConnections,
} from "../../../lib/server/http/http_connections.ts";
import { type HttpListener, openHttpFront } from "../../../lib/server/http/http_front.ts";
import { type NodeDialling, nodeDialling } from "../../../lib/server/http/node_dialling.ts";
import { SocketLives } from "../../../lib/server/http/socket_lives.ts";
import { upgradeWebSocket } from "../../../lib/server/http/web_socket_upgrade.ts";
import { clusterRoute } from "../../../routes/cluster.ts";
import { adaptWebSocket } from "../../../routes/web_socket.ts";

const HOST = "127.0.0.1";
const SECRET = new TextEncoder().encode("one secret for all nodes of a test");

/** The certificate of a node, and of whom others trust. */
export interface NodeCertificate {
  readonly cert: string;
  readonly key: string;
}

/** A node that listens, and dials. */
export class LinkedNode implements AsyncDisposable {
  readonly id: NodeId;
  readonly counters = new DropCounters();
  readonly events: string[] = [];
  readonly datagrams: number[] = [];
  readonly links: ClusterLinks;

  private constructor(
    name: string,
    readonly address: string,
    readonly dialling: NodeDialling,
    readonly shutdown: () => Promise<void>,
    protocol?: ProtocolRange,
  ) {
    this.id = `ND_${name}` as NodeId;
    this.links = new ClusterLinks({
      platform,
      counters: this.counters,
      node: this.id,
      address: () => address,
      secret: SECRET,
      dial: dialling.dial,
      ...(protocol === undefined ? {} : { protocol }),
      observer: {
        onUp: (peer) => void this.events.push(`up ${peer}`),
        onDown: (peer) => void this.events.push(`down ${peer}`),
        onDatagram: (_peer, _kind, bytes) => void this.datagrams.push(bytes.length),
      },
    });
  }

  /**
   * @param tls Listens for `wss://` with this, in the runtime's own server; trusts it, too.
   * @param protocol What it speaks, if not what this version does.
   */
  static async open(
    name: string,
    tls?: NodeCertificate,
    protocol?: ProtocolRange,
  ): Promise<LinkedNode> {
    const handler = (request: Request) => {
      const route = clusterRoute({ links: node.links, upgrade });
      const url = new URL(request.url);
      const rest = { token: undefined, receivedAt: 0, socketAddress: HOST };
      return Promise.resolve(route({ request, url, path: url.pathname, ...rest }));
    };
    const dialling = nodeDialling(tls === undefined ? [] : [tls.cert]);
    const { front, address } = tls === undefined
      ? await listen(handler)
      : listenSecurely(handler, tls);
    const shutdown = () => front.shutdown();
    const node = new LinkedNode(name, address, dialling, shutdown, protocol);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.links.close();
    await this.shutdown();
    this.dialling[Symbol.dispose]();
  }
}

const platform = denoPlatform(silentLog);
const lives = new SocketLives(20, platform.timers);

function upgrade(request: Request) {
  const rules = { lives, maxMessageBytes: MAX_SOCKET_MESSAGE_BYTES };
  const { socket, response } = upgradeWebSocket(request, rules);
  return { response, socket: adaptWebSocket(socket, MAX_SOCKET_MESSAGE_BYTES) };
}

type Handler = (request: Request) => Promise<Response>;

async function listen(handler: Handler): Promise<{ front: HttpListener; address: string }> {
  const front = await openHttpFront({
    hostname: HOST,
    port: 0,
    handler,
    connections: new HttpConnections<Socket>(httpConnectionLimits(4_096)),
    counters: new DropCounters(),
    platform,
  });
  return { front, address: `ws://${HOST}:${front.port}/cluster` };
}

function listenSecurely(handler: Handler, { cert, key }: NodeCertificate) {
  const options = { hostname: HOST, port: 0, cert, key, onListen() {} };
  const front = Deno.serve(options, handler);
  return { front, address: `wss://localhost:${front.addr.port}/cluster` };
}
