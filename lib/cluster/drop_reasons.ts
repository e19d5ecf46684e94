/**
 * What happens between nodes that nobody may have wanted.
 *
 * @module
 */
import type { DropReasons } from "../base/drop_counters.ts";

/** By counter name. */
export const CLUSTER_DROPS = {
  // Getting to know each other
  link_token_unreadable:
    "somebody without the cluster's secret asked for a link, or for another node's",
  link_token_stale: "a token of a node is too old, or clocks differ by more than 30 s",
  link_token_replayed: "a token of a node was shown again",
  link_refused_busy: "too many links are being made",
  link_proof_wrong: "the other end of a link could not prove that it knows the cluster's secret",
  link_version_refused: "two nodes have no version of their language in common",
  // Links
  link_frame_unreadable: "a message on a link makes no sense, and the link was begun anew",
  link_frame_unknown: "a newer node said something that this one does not know",
  link_dead: "nothing came over a link for 2 s",
  link_too_slow: "a link was 8 MB behind for 5 s and was begun anew",
  link_datagram_shed: "a slow link had no room for levels, quality, lossy data or media",
  link_datagram_stale: "levels, quality, lossy data or media waited too long for a slow link",
  link_change_gap: "a change of a room is missing on a link, and the room was asked for anew",
  link_data_repeated: "reliable data came again after a reconnect",
  link_data_lost: "reliable data is missing after a reconnect",
  link_data_unwanted: "data came over a link for a room that is not here",
  link_message_unsendable: "a bug of ours made a message that a link does not carry",
  link_observer_bug: "a bug of ours kept what came over a link from having its effect",
  // Carried requests
  carry_unreachable:
    "a client's or an operator's request could not be carried to a node that did not welcome it",
  carry_unanswered:
    "a node did not answer a request of a client or an operator that was carried to it",
  carried_body_silent:
    "nothing came for 15 s of what a node sends as it comes, such as a packet capture",
  carried_message_unknown:
    "a newer node said something of a carried request that this one does not know",
  carried_message_unreadable: "what a node says of a carried request makes no sense",
  // Rooms
  mirror_data_lost: "reliable data for a node that is too far behind to take any more",
  mirror_message_unknown: "a newer node said something of a room that this one does not know",
  mirror_message_unreadable: "what a node says of a room that it shares makes no sense",
} as const satisfies DropReasons;

/** One of {@linkcode CLUSTER_DROPS}. */
export type ClusterDrop = keyof typeof CLUSTER_DROPS;
