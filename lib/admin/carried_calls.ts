/**
 * Calls of the server API that other nodes ask this one to carry out.
 *
 * @module
 */
import type { AnyMessage } from "@bufbuild/protobuf";
import type { CarriedCall, CarriedReply } from "../room/context/node_ports.ts";
import { answerCarried } from "./call_carrier.ts";
import type { RoomAdmin } from "./room_admin.ts";
import { ROOM_CALLS, type RoomCall, type RoomCallName } from "./room_calls.ts";

/** Does what another node asks for; `undefined` if that is nothing that can be asked. */
export async function answerCall(
  admin: RoomAdmin,
  { name, bytes, hops }: CarriedCall,
): Promise<CarriedReply | undefined> {
  if (!Object.hasOwn(ROOM_CALLS, name)) return undefined;
  // Each takes the messages that it reads itself.
  const call = ROOM_CALLS[name as RoomCallName] as unknown as RoomCall<AnyMessage, AnyMessage>;
  return await answerCarried(
    bytes,
    call.input,
    (request) => call.run(admin.carried(hops), request),
  );
}
