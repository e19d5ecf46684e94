/**
 * What a room's codecs leave for one client: to publish in, and to receive.
 *
 * @module
 */
import { type CodecPolicy, codecPolicy } from "../../negotiation/codec_catalog.ts";
import type { ClientTraits } from "../context/client_traits.ts";
import type { RoomContext } from "../context/room_context.ts";
import type { RoomOptions } from "../context/room_options.ts";

/**
 * What a room's codecs leave for publishing.
 *
 * @param publisher What it cannot send is left out, too.
 */
export function publishableCodecs<C extends { readonly mime: string; readonly fmtpLine: string }>(
  enabled: readonly C[],
  publisher?: Pick<ClientTraits, "disabledCodecs" | "disabledPublishCodecs">,
): { readonly mime: string; readonly fmtp: string }[] {
  const disabled = new Set<string>();
  for (const { mime } of publisher?.disabledCodecs ?? []) disabled.add(mime.toLowerCase());
  for (const { mime } of publisher?.disabledPublishCodecs ?? []) disabled.add(mime.toLowerCase());
  return enabled.filter(({ mime }) => !disabled.has(mime.toLowerCase()))
    .map(({ mime, fmtpLine }) => ({ mime, fmtp: fmtpLine }));
}

/** By a room's codecs, for clients with which everything works: most of them. */
const policies = new WeakMap<RoomOptions["enabledCodecs"], CodecPolicy>();

function policyOf(enabled: RoomOptions["enabledCodecs"]): CodecPolicy {
  let policy = policies.get(enabled);
  if (policy === undefined) {
    policy = codecPolicy(publishableCodecs(enabled));
    policies.set(enabled, policy);
  }
  return policy;
}

/** By which a client's offers to publish are answered. */
export function publishPolicy(
  { options: { enabledCodecs } }: Pick<RoomContext, "options">,
  traits: ClientTraits,
): CodecPolicy {
  return traits.disabledCodecs.length + traits.disabledPublishCodecs.length === 0
    ? policyOf(enabledCodecs)
    : codecPolicy(publishableCodecs(enabledCodecs, traits));
}

/** By which a client is offered tracks. */
export function receivePolicy(
  { options: { enabledCodecs } }: Pick<RoomContext, "options">,
  { disabledCodecs, disabledReceiveCodecs }: ClientTraits,
): CodecPolicy {
  if (disabledCodecs.length + disabledReceiveCodecs.length === 0) return policyOf(enabledCodecs);
  return codecPolicy(
    publishableCodecs(enabledCodecs),
    [...disabledCodecs, ...disabledReceiveCodecs],
  );
}
