/**
 * Requests as they are told back: without what would let others write to somebody's bucket. Names
 * stand in its place, as LiveKit has them (`protocol`, `egress/redact.go`).
 *
 * @module
 */
import {
  AliOSSUpload,
  AzureBlobUpload,
  GCPUpload,
  type ParticipantEgressRequest,
  ProxyConfig,
  type RoomCompositeEgressRequest,
  S3Upload,
  type StartEgressRequest,
  type TrackCompositeEgressRequest,
  type TrackEgressRequest,
} from "@livekit/protocol";

/** The request, as told back in every info: without secrets. */
export type EchoedRequest =
  | { readonly case: "egress"; readonly value: StartEgressRequest }
  | { readonly case: "roomComposite"; readonly value: RoomCompositeEgressRequest }
  | { readonly case: "participant"; readonly value: ParticipantEgressRequest }
  | { readonly case: "trackComposite"; readonly value: TrackCompositeEgressRequest }
  | { readonly case: "track"; readonly value: TrackEgressRequest };

/** What is secret of each, by the names of their fields. */
const SECRETS: readonly (readonly [
  type: abstract new (...args: never[]) => unknown,
  fields: Readonly<Record<string, string>>,
])[] = [
  [S3Upload, {
    accessKey: "{access_key}",
    secret: "{secret}",
    sessionToken: "{session_token}",
    assumeRoleArn: "{assume_role_arn}",
    assumeRoleExternalId: "{assume_role_external_id}",
  }],
  [GCPUpload, { credentials: "{credentials}" }],
  [AzureBlobUpload, { accountName: "{account_name}", accountKey: "{account_key}" }],
  [AliOSSUpload, { accessKey: "{access_key}", secret: "{secret}" }],
  [ProxyConfig, { username: "{username}", password: "{password}" }],
];

/** A copy without secrets. */
export function redactedRequest(request: EchoedRequest): EchoedRequest {
  const { case: name, value } = request;
  const copy = value.clone();
  redact(copy);
  return { case: name, value: copy } as EchoedRequest;
}

/** Messages hold each other, and nothing that comes back to them. */
function redact(value: unknown): void {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  const [, fields = {}] = SECRETS.find(([type]) => value instanceof type) ?? [];
  const message = value as Record<string, unknown>;
  for (const [field, inner] of Object.entries(message)) {
    const name = Object.hasOwn(fields, field) ? fields[field] : undefined;
    if (name === undefined) redact(inner);
    else if (inner !== "") message[field] = name;
  }
}
