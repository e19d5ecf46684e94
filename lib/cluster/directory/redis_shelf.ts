/**
 * Texts that nodes keep together, in Redis: a hash for each shelf.
 *
 * @module
 */
import { MOST_TEXTS, type Shelf, type TextShelf } from "../../ingress/text_shelf.ts";
import { SHELF_TAG, tagged } from "./redis_keys.ts";
import type { RedisLink } from "./redis_link.ts";
import { list, type Reply, text, texts } from "./redis_replies.ts";
import type { Script } from "./redis_scripts.ts";

/** Texts of one answer of a listing, about. */
const PAGE_TEXTS = "500";

const PUT: Script = {
  name: "shelf_put",
  source: `
local key, name, text, over = KEYS[1] .. ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local before = redis.call('HGET', key, name)
if over ~= '' and (not before or string.sub(before, 1, #over) ~= over) then return {} end
if not before and redis.call('HLEN', key) >= ${MOST_TEXTS} then return {} end
redis.call('HSET', key, name, text)
return {'1'}
`,
};
const REMOVE: Script = {
  name: "shelf_remove",
  source: `
if redis.call('HDEL', KEYS[1] .. ARGV[1], ARGV[2]) == 0 then return {} end
return {'1'}
`,
};

/** The port over one link. */
export class RedisShelf implements TextShelf {
  readonly #tag: string;

  constructor(readonly link: Pick<RedisLink, "run" | "send">, prefix: string) {
    this.#tag = tagged(prefix, SHELF_TAG);
  }

  async all(shelf: Shelf): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    let cursor = "0";
    do {
      const from = cursor;
      const reply = list(
        await this.#read(shelf, (key) => ["HSCAN", key, from, "COUNT", PAGE_TEXTS]),
      );
      const pairs = texts(reply[1]);
      for (let at = 0; at + 1 < pairs.length; at += 2) found.set(pairs[at]!, pairs[at + 1]!);
      cursor = text(reply[0]);
    } while (cursor !== "0");
    return found;
  }

  async get(shelf: Shelf, name: string): Promise<string | undefined> {
    const reply = await this.#read(shelf, (key) => ["HGET", key, name]);
    return reply === null ? undefined : text(reply);
  }

  async put(shelf: Shelf, name: string, value: string, over = ""): Promise<boolean> {
    return list(await this.link.run(PUT, this.#tag, [shelf, name, value, over])).length > 0;
  }

  async remove(shelf: Shelf, name: string): Promise<boolean> {
    return list(await this.link.run(REMOVE, this.#tag, [shelf, name])).length > 0;
  }

  #read(shelf: Shelf, command: (key: string) => readonly string[]): Promise<Reply> {
    const key = `${this.#tag}${shelf}`;
    return this.link.send(this.#tag, key, command(key));
  }
}
