/**
 * Why an engine does not use what came. Its transport's reasons are counted with them.
 *
 * @module
 */
import type { DropReasons } from "../base/drop_counters.ts";
import type { MediaDrop } from "../media/layer/drop_reason.ts";
import type { TransportDrop } from "../transport/drop_reasons.ts";

/** By counter name. */
export const ENGINE_DROPS = {
  // Packets
  rtp_unknown_ssrc: "a media packet is of no stream that was described",
  rtp_stream_unsettled: "a layer changed its stream or codec too often",
  source_malformed: "a packet that this server made of an encoder's stream cannot be read",
  rtcp_malformed: "a control packet cannot be read",
  rtcp_unknown_reference: "an answer is to no reference time of ours",
  // Data
  data_no_member: "data came from a client that is in no room, or no longer",
  data_undecodable: "a data packet cannot be read",
  data_unknown_value: "a data packet holds nothing that is known",
  data_not_allowed: "a participant sent data it may not send",
  data_not_raw: "a message cannot be put for a receiver that takes bare bytes",
  data_duplicate: "a data packet came twice",
  data_lossy_not_open: "a receiver has no channel open for a lossy message",
  data_waiting_overflow: "too many data packets wait for a receiver",
  data_rate_exceeded: "a participant sends more lossy messages than it may",
  data_rate_held: "a participant sends more reliable messages than it may, and waits",
  data_chat_not_kept: "a participant of a recorded room writes more than is kept of it",
  data_stream_untold: "a participant begins more streams than are counted",
  data_track_malformed: "a packet of a data track cannot be read",
  data_track_unknown_handle: "a packet is of a data track that is not here",
  data_track_not_expected: "a packet of another node is of a data track that is not wanted of it",
  data_writer_held: "a publisher of data is held up by its slowest reader",
  data_not_sent_reliable: "a reliable message could not be queued",
  data_not_sent_lossy: "a lossy message could not be queued",
  data_not_sent_data_track: "a packet of a data track could not be queued",
  data_not_sent_raw: "a message on a client's own channel could not be queued",
  data_not_passed_lossy: "there is no room for a lossy message on the way to another engine",
  data_not_passed_data_track: "there is no room for a data track's packet on that way",
  // From engine to engine
  relay_malformed: "a record of another engine cannot be read",
  relay_unknown: "a record is of a relay that is not here",
  relay_unknown_codec: "a relay's codec is unknown",
  relay_repeats_refused: "another node asks for more packets again than are sent again",
  relay_no_engine: "a relay is to an engine that is not there",
  relay_no_track: "a relay is of an up-track that is not here",
  relay_track_exists: "a relay is of an up-track that is here already",
  relay_ring_corrupt: "the memory between two engines holds no records",
  // From node to node
  hop_unknown: "a datagram between nodes names no way that is known",
  hop_no_way: "no socket of ours can reach another node's addresses",
  hop_malformed: "a datagram of another node, or a part of it, cannot be read",
  hop_unknown_version: "a datagram between nodes is of a version that is unknown",
  hop_unknown_frame: "a datagram of another node has a part of a kind that is unknown",
  hop_before_keys: "a datagram of another node came before the keys",
  hop_not_authentic: "a datagram between nodes is not sealed with their keys",
  hop_replayed: "a datagram of another node came twice or is too old",
  hop_cannot_seal: "a datagram to another node could not be encrypted",
  hop_held_overflow: "too many packets of another node wait for what was said before them",
  hop_reader_behind: "a packet of another node found too many unread",
  // Engines
  engine_threw: "a bug of ours ended the handling of a packet, command or timer",
  engine_listener_threw: "a bug of ours ended the handling of an engine's event",
  media_worker_lost: "a media worker ended and was replaced",
  udp_address_not_bound: "a new address of this machine could not be listened on",
  unhandled_error: "something was thrown that nobody caught",
  unhandled_rejection: "a promise was rejected and nobody caught it",
} as const satisfies DropReasons;

/** One of {@linkcode ENGINE_DROPS}, or of what an engine is made of. */
export type EngineDrop = keyof typeof ENGINE_DROPS | MediaDrop | TransportDrop;
