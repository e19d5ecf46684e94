/** Buckets that requests name: what is taken, what is refused, and what is told back. */
import assert from "node:assert/strict";
import {
  AliOSSUpload,
  AzureBlobUpload,
  DirectFileOutput,
  EncodedFileOutput,
  FileOutput,
  GCPUpload,
  Output,
  ParticipantEgressRequest,
  ProxyConfig,
  RoomCompositeEgressRequest,
  S3Upload,
  StartEgressRequest,
  StorageConfig,
  TemplateSource,
  TrackCompositeEgressRequest,
  TrackEgressRequest,
} from "@livekit/protocol";
import {
  type EgressPlan,
  planEgress,
  planParticipant,
  planRoom,
  planTrack,
  planTrackComposite,
} from "../../../lib/egress/egress_plan.ts";
import { redactedRequest } from "../../../lib/egress/request_redaction.ts";
import { mayUploadTo } from "../../../lib/recording/upload_target.ts";
import { failed, succeeded } from "../../support/virtual/admin_world.ts";

const roomName = "lobby";
const S3 = {
  accessKey: "AKIDTEST",
  secret: "very-secret",
  sessionToken: "for-a-while",
  region: "eu-west-3",
  endpoint: "storage.example.com:9000",
  bucket: "recordings",
  forcePathStyle: true,
};

Deno.test("Uploads that cannot be made are refused in words", () => {
  const file = (more: ConstructorParameters<typeof EncodedFileOutput>[0]) => {
    const fileOutputs = [new EncodedFileOutput(more)];
    const request = { roomName, identity: "ann", fileOutputs };
    return failed(planParticipant(new ParticipantEgressRequest(request))).join(": ");
  };
  const s3 = (more: ConstructorParameters<typeof S3Upload>[0]) =>
    file({ output: { case: "s3", value: new S3Upload({ ...S3, ...more }) } });
  const table: readonly (readonly [string, RegExp])[] = [
    [s3({ bucket: "" }), /^invalid_argument: s3: a bucket is needed$/],
    [s3({ bucket: "a/../b" }), /^invalid_argument: s3: that is no name of a bucket$/],
    [s3({ region: "x.evil.example/" }), /^invalid_argument: s3: that is no name of a region$/],
    [s3({ secret: "" }), /^invalid_argument: s3: an access key and its secret are needed$/],
    [s3({ accessKey: "a\r\nHost: b" }), /^invalid_argument: s3: that is no access key$/],
    [s3({ endpoint: "ftp://x" }), /^invalid_argument: s3: the endpoint has to be like/],
    [s3({ endpoint: "https://u:p@x" }), /^invalid_argument: s3: the endpoint has to be like/],
    [s3({ endpoint: "https://x/path" }), /^invalid_argument: s3: the endpoint has to be like/],
    [s3({ assumeRoleArn: "arn" }), /^unimplemented: .*assumed role$/],
    [s3({ proxy: new ProxyConfig() }), /^unimplemented: .*proxy$/],
    [
      file({ output: { case: "gcp", value: new GCPUpload({ bucket: "b" }) } }),
      /^unimplemented: .*Google Cloud Storage/,
    ],
    [file({ output: { case: "azure", value: new AzureBlobUpload() } }), /^unimplemented: .*Azure/],
    [file({ output: { case: "aliOSS", value: new AliOSSUpload() } }), /^unimplemented: .*Alibaba/],
  ];
  for (const [said, pattern] of table) assert.match(said, pattern);
});

/** All ways in which a request can name a bucket. */
function uploadingPlans() {
  const output = { case: "s3", value: new S3Upload(S3) } as const;
  const fileOutputs = [new EncodedFileOutput({ filepath: "x", output })];
  const storage = new StorageConfig({ provider: { case: "s3", value: new S3Upload(S3) } });
  const template = { case: "template", value: new TemplateSource() } as const;
  const config = { case: "file", value: new FileOutput({ filepath: "x" }) } as const;
  return [
    planParticipant(new ParticipantEgressRequest({ roomName, identity: "ann", fileOutputs })),
    planRoom(new RoomCompositeEgressRequest({ roomName, fileOutputs })),
    planTrackComposite(
      new TrackCompositeEgressRequest({ roomName, audioTrackId: "TR_1", fileOutputs }),
    ),
    planTrackComposite(
      new TrackCompositeEgressRequest({
        roomName,
        audioTrackId: "TR_1",
        output: { case: "file", value: fileOutputs[0]! },
      }),
    ),
    planTrack(
      new TrackEgressRequest({
        roomName,
        trackId: "TR_1",
        output: { case: "file", value: new DirectFileOutput({ filepath: "x", output }) },
      }),
    ),
    planEgress(new StartEgressRequest({ roomName, source: template, storage })),
    planEgress(
      new StartEgressRequest({
        roomName,
        source: template,
        outputs: [new Output({ config, storage })],
      }),
    ),
  ].map(succeeded);
}

Deno.test("Requests that name a bucket are told back without what opens it", () => {
  for (const { upload, request } of uploadingPlans()) {
    const { bucket, accessKey, secret, sessionToken, pathStyle } = upload!;
    assert.deepEqual([bucket, accessKey, secret, sessionToken, pathStyle], [
      "recordings",
      "AKIDTEST",
      "very-secret",
      "for-a-while",
      true,
    ]);
    assert.equal(upload!.endpoint, "https://storage.example.com:9000");
    const text = request.value.toJsonString();
    for (const secret of ["AKIDTEST", "very-secret", "for-a-while"]) {
      assert.ok(!text.includes(secret), text);
    }
    for (const name of ["{access_key}", "{secret}", "{session_token}", "recordings"]) {
      assert.ok(text.includes(name), text);
    }
  }
});

Deno.test("What a request says of other storages is told back without secrets, too", () => {
  const fileOutputs = [
    new EncodedFileOutput({
      output: { case: "gcp", value: new GCPUpload({ credentials: "c1", bucket: "b" }) },
    }),
    new EncodedFileOutput({
      output: {
        case: "azure",
        value: new AzureBlobUpload({ accountName: "c2", accountKey: "c3" }),
      },
    }),
    new EncodedFileOutput({
      output: {
        case: "aliOSS",
        value: new AliOSSUpload({
          accessKey: "c4",
          secret: "c5",
        }),
      },
    }),
    new EncodedFileOutput({
      output: {
        case: "s3",
        value: new S3Upload({
          assumeRoleArn: "c6",
          assumeRoleExternalId: "c7",
          proxy: new ProxyConfig({ url: "x", username: "c8", password: "c9" }),
        }),
      },
    }),
  ];
  const value = new ParticipantEgressRequest({ roomName, identity: "ann", fileOutputs });
  const text = redactedRequest({ case: "participant", value }).value.toJsonString();
  assert.doesNotMatch(text, /c\d/);
  assert.match(value.toJsonString(), /c9/, "the request itself is as it was");
});

Deno.test("A request may name the services that an operator has listed, and no others", () => {
  const [{ upload }] = uploadingPlans() as [EgressPlan];
  const may = (endpoint: string, ...hosts: string[]) =>
    mayUploadTo({ ...upload!, endpoint }, hosts);
  assert.ok(may("https://storage.example.com:9000", "storage.example.com:9000"));
  assert.ok(!may("https://storage.example.com:9000", "storage.example.com"));
  assert.ok(!may("http://storage.example.com", "storage.example.com"), "not without TLS");
  assert.ok(may("http://storage.example.com", "http://storage.example.com"));
  assert.ok(may("https://a.storage.example.com", "*.example.com"));
  assert.ok(!may("https://example.com.evil.test", "*.example.com", "example.com"));
  assert.ok(!may("https://evilexample.com", "*.example.com"));
  assert.ok(may("", "*.amazonaws.com"), "that of the region");
  assert.ok(!may("https://169.254.169.254", "*.amazonaws.com"));
  assert.ok(!may("https://storage.example.com"));
});
