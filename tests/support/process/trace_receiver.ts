/**
 * Takes traces as collectors do (OTLP over HTTP, JSON: OpenTelemetry protocol 1.x).
 *
 * @module
 */

/** A span that was received. */
export interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parent: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
}

interface OtlpSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly {
    readonly key: string;
    readonly value: Readonly<Record<string, unknown>>;
  }[];
}

/** A collector on loopback. Dispose it to stop it. */
export class TraceReceiver implements AsyncDisposable {
  readonly spans: ReceivedSpan[] = [];
  readonly #server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
  }, async (request) => {
    const body = await request.json();
    for (const { scopeSpans = [] } of body.resourceSpans ?? []) {
      for (const { spans } of scopeSpans) this.spans.push(...spans.map(read));
    }
    return Response.json({});
  });

  /** What the server that tells it is started with. */
  get env(): Readonly<Record<string, string>> {
    return {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${this.#server.addr.port}`,
      OTEL_BSP_SCHEDULE_DELAY: "200",
    };
  }

  named(name: string): ReceivedSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function read(span: OtlpSpan): ReceivedSpan {
  const { name, traceId, spanId, parentSpanId = "", attributes = [] } = span;
  const value = (one: Readonly<Record<string, unknown>>) =>
    "intValue" in one ? Number(one.intValue) : Object.values(one)[0];
  return {
    name,
    traceId,
    spanId,
    parent: parentSpanId,
    startMs: Number(span.startTimeUnixNano) / 1e6,
    endMs: Number(span.endTimeUnixNano) / 1e6,
    attributes: Object.fromEntries(attributes.map(({ key, value: one }) => [key, value(one)])),
  };
}
