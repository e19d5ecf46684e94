/**
 * Ingresses as they are kept: what each of them is, by id and by stream key, and what was last said
 * of who publishes by it.
 *
 * Contract: what is found by a key has that key. The state of an ingress is that of the resource
 * which began last, whatever an earlier one still says.
 *
 * @module
 */
import { IngressInfo, IngressState } from "@livekit/protocol";
import type { NodeId } from "../base/ids.ts";
import { type JsonFields, unknownFields } from "../base/unknown_fields.ts";
import type { TextShelf } from "./text_shelf.ts";

/** What was said of an ingress, and by which node. */
export interface StoredState {
  readonly node: NodeId;
  /** Where its participant is, which its definition may have left by now. */
  readonly room: string;
  readonly identity: string;
  readonly state: IngressState;
}

const READ = { ignoreUnknownFields: true } as const;
/** With this every text of an ingress begins. */
const JSON_START = "{";

/** Ingresses on a {@linkcode TextShelf}; those found have no state. */
export class IngressStore {
  constructor(readonly shelf: TextShelf) {}

  async all(): Promise<IngressInfo[]> {
    const texts = await this.shelf.all("ingress");
    return [...texts.values()].map((text) => IngressInfo.fromJsonString(text, READ));
  }

  async find(id: string): Promise<IngressInfo | undefined> {
    const text = await this.shelf.get("ingress", id);
    return text === undefined ? undefined : IngressInfo.fromJsonString(text, READ);
  }

  async byKey(key: string): Promise<IngressInfo | undefined> {
    const id = await this.shelf.get("ingress-key", key);
    const found = id === undefined ? undefined : await this.find(id);
    return found?.streamKey === key ? found : undefined;
  }

  /** Keeps a new ingress. @returns False if there are too many. */
  async put(info: IngressInfo): Promise<boolean> {
    const { ingressId, streamKey } = info;
    if (!await this.shelf.put("ingress", ingressId, keptText(info))) return false;
    return await this.shelf.put("ingress-key", streamKey, ingressId);
  }

  /**
   * Keeps what has become of one, whose key stays, and what a newer node has written of it.
   *
   * @returns False if it is not there any more.
   */
  async change(info: IngressInfo): Promise<boolean> {
    const before = await this.shelf.get("ingress", info.ingressId);
    if (before === undefined) return false;
    const newer = unknownFields(IngressInfo, JSON.parse(before));
    return await this.shelf.put("ingress", info.ingressId, keptText(info, newer), JSON_START);
  }

  async remove({ ingressId, streamKey }: IngressInfo): Promise<boolean> {
    await this.shelf.remove("ingress-key", streamKey);
    await this.shelf.remove("ingress-state", ingressId);
    return await this.shelf.remove("ingress", ingressId);
  }

  async states(): Promise<ReadonlyMap<string, StoredState>> {
    const texts = await this.shelf.all("ingress-state");
    return new Map([...texts].map(([id, text]) => [id, readState(text)]));
  }

  async state(id: string): Promise<StoredState | undefined> {
    const text = await this.shelf.get("ingress-state", id);
    return text === undefined ? undefined : readState(text);
  }

  /** @param isNew A resource begins; else the state is that of the one that began last, or none. */
  async setState(
    { ingressId, roomName, participantIdentity }: IngressInfo,
    node: NodeId,
    state: IngressState,
    isNew: boolean,
  ): Promise<void> {
    const head = `${state.resourceId}\n`;
    const place = JSON.stringify([roomName, participantIdentity]);
    const text = `${head}${node}\n${place}\n${state.toJsonString()}`;
    await this.shelf.put("ingress-state", ingressId, text, isNew ? undefined : head);
  }
}

function keptText(info: IngressInfo, newer: JsonFields = {}): string {
  const { state: _, ...kept } = info.clone();
  return JSON.stringify({ ...newer, ...new IngressInfo(kept).toJson() as JsonFields });
}

function readState(text: string): StoredState {
  const [, node, place = "", ...json] = text.split("\n");
  const [room, identity] = JSON.parse(place) as [string, string];
  const state = IngressState.fromJsonString(json.join("\n"), READ);
  return { node: node as NodeId, room, identity, state };
}
