/**
 * Whether the Redis that nodes share is there, new enough, and keeps what it is given.
 *
 * @module
 */
import type { Clock } from "../../base/platform.ts";
import type { RedisConnection } from "../../cluster/directory/redis_connection.ts";
import type { TimeSample } from "./clock_check.ts";
import { type Finding, ok, problem, unknown, warning } from "./finding.ts";

const TOPIC = "redis";
const PATIENCE_MS = 5_000;
/** The first that is still kept up by its makers; what the tests run against. */
const OLDEST = [6, 2] as const;
const SECOND_MS = 1_000;

/** What asking brought. */
export interface RedisAnswers {
  readonly findings: readonly Finding[];
  /** What Redis says the time is. */
  readonly samples: readonly TimeSample[];
}

/** Connects, asks and lets go. Never rejects. */
export async function askRedis(
  connect: (signal: AbortSignal) => Promise<RedisConnection>,
  clock: Pick<Clock, "wallMs">,
): Promise<RedisAnswers> {
  let redis: RedisConnection;
  try {
    redis = await connect(AbortSignal.timeout(PATIENCE_MS));
  } catch (error) {
    const reason = error instanceof Error && error.message !== "" ? error.message : "no answer";
    return {
      findings: [problem(
        TOPIC,
        `it cannot be used: ${reason.slice(0, 200)}`,
        "see whether it runs, is reached from here, and takes this name and password: redis-cli PING",
      )],
      samples: [],
    };
  }
  try {
    const [sample, info] = await Promise.all([askTime(redis, clock), askInfo(redis)]);
    return {
      findings: redisFindings(info),
      samples: sample === undefined ? [] : [sample],
    };
  } finally {
    redis.close();
  }
}

async function askTime(
  redis: RedisConnection,
  clock: Pick<Clock, "wallMs">,
): Promise<TimeSample | undefined> {
  const askedMs = clock.wallMs();
  const reply = await redis.send("", ["TIME"]).catch(() => undefined);
  const answeredMs = clock.wallMs();
  if (!Array.isArray(reply)) return undefined;
  const theirsMs = Number(reply[0]) * SECOND_MS + Math.trunc(Number(reply[1]) / 1_000);
  return { source: "Redis", theirsMs, askedMs, answeredMs, grainMs: 1 };
}

async function askInfo(redis: RedisConnection): Promise<string> {
  const replies = await Promise.all(
    ["server", "memory"].map((part) => redis.send("", ["INFO", part]).catch(() => "")),
  );
  return replies.map(String).join("\n");
}

/** @param info What `INFO server` and `INFO memory` say; empty if that is forbidden. */
export function redisFindings(info: string): readonly Finding[] {
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, "m").exec(info)?.[1]?.trim();
  const version = field("redis_version");
  if (version === undefined) {
    return [unknown(
      TOPIC,
      "it answers, and does not tell about itself",
      "let its user ask: ACL SETUSER name +info; maxmemory-policy has to be noeviction",
    )];
  }
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isOld = major < OLDEST[0] || major === OLDEST[0] && minor < OLDEST[1];
  const policy = field("maxmemory_policy");
  const limit = Number(field("maxmemory") ?? 0);
  return [
    isOld
      ? warning(TOPIC, `it is ${version}`, `use ${OLDEST.join(".")} or newer`)
      : ok(TOPIC, `it answers, and is ${version}`),
    policy === undefined || policy === "noeviction"
      ? ok(TOPIC, "it keeps what it is given (noeviction)")
      : limit === 0
      ? ok(TOPIC, `it has no limit of memory, so nothing is evicted (${policy})`)
      : problem(
        TOPIC,
        `it forgets rooms and nodes when its memory is full (maxmemory-policy ${policy})`,
        "CONFIG SET maxmemory-policy noeviction, and in redis.conf",
      ),
  ];
}
