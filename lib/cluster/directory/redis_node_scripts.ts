/**
 * The steps of the directory that are about nodes, as Lua scripts: who lives, and who is buried by
 * whom. As `redis_scripts.ts` says otherwise.
 *
 * @module
 */
import type { Script } from "./redis_scripts.ts";

/** Dead nodes that one node is asked to bury at a time. */
const BURIALS_AT_ONCE = 8;
/** Forgotten nodes that are remembered for those who read only changes. */
const GONE_KEPT = 1_000;

/** What all scripts of nodes begin with; a lease's length is always the first argument, ms. */
const NODES = `
local base = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local alive_after = now - tonumber(ARGV[1])
local function change()
  local number = redis.call('INCR', base .. 'change')
  if number == 1 then redis.call('SET', base .. 'epoch', time[1] .. '.' .. time[2]) end
  return number
end
`;

function ofNodes(name: string, body: string): Script {
  return { name, source: NODES + body };
}

/** Lease, node, record. Returns `1` if its lease held, `` if it is new; then nodes to bury. */
export const HEARTBEAT = ofNodes(
  "heartbeat",
  `
local node, text = ARGV[2], ARGV[3]
local beat = tonumber(redis.call('ZSCORE', base .. 'beat', node) or '-1')
redis.call('ZADD', base .. 'beat', now, node)
redis.call('HDEL', base .. 'burial', node)
if redis.call('HGET', base .. 'record', node) ~= text then
  redis.call('HSET', base .. 'record', node, text)
  redis.call('ZADD', base .. 'changed', change(), node)
  redis.call('ZREM', base .. 'gone', node)
end
local answer = {beat > alive_after and '1' or beat < 0 and '' or '0'}
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', base .. 'beat', '-inf', alive_after)) do
  local burial = redis.call('HGET', base .. 'burial', dead)
  local by, till = string.match(burial or '', '^(.*) (%d+)$')
  if not by or by == node or tonumber(till) <= now then
    redis.call('HSET', base .. 'burial', dead, node .. ' ' .. string.format('%.0f', now + tonumber(ARGV[1])))
    answer[#answer + 1] = dead
    if #answer > ${BURIALS_AT_ONCE} then break end
  end
end
return answer
`,
);

/** Lease, node. */
export const WITHDRAW = ofNodes(
  "withdraw",
  `
redis.call('ZADD', base .. 'beat', 'XX', 0, ARGV[2])
return {}
`,
);

/**
 * Lease, number of the last change that is known, and the epoch of such numbers.
 *
 * @returns Number of the last change, epoch, `all` if what was known is to be forgotten, nodes
 *   without a lease, nodes that are gone, records that changed, and Redis' time, ms.
 */
export const NODES_SINCE = ofNodes(
  "nodes",
  `
local since = tonumber(ARGV[2])
local last = tonumber(redis.call('GET', base .. 'change') or '0')
local oldest = redis.call('ZRANGE', base .. 'gone', 0, 0, 'WITHSCORES')
local is_full = redis.call('ZCARD', base .. 'gone') >= ${GONE_KEPT}
local epoch = redis.call('GET', base .. 'epoch') or ''
local all = since == 0 or epoch ~= ARGV[3] or is_full and since < tonumber(oldest[2])
local from = all and '-inf' or '(' .. ARGV[2]
local records, gone = {}, {}
local changed = redis.call('ZRANGEBYSCORE', base .. 'changed', from, '+inf')
for i = 1, #changed, 500 do
  local part = {unpack(changed, i, math.min(i + 499, #changed))}
  for _, text in ipairs(redis.call('HMGET', base .. 'record', unpack(part))) do
    if text then records[#records + 1] = text end
  end
end
if not all then gone = redis.call('ZRANGEBYSCORE', base .. 'gone', from, '+inf') end
local dead = redis.call('ZRANGEBYSCORE', base .. 'beat', '-inf', alive_after)
return {tostring(last), epoch, all and 'all' or '', dead, gone, records, string.format('%.0f', now)}
`,
);

/** Lease, then nodes. Returns those of them that are known and have no lease. */
export const DEAD_OF = ofNodes(
  "dead",
  `
local dead = {}
for i = 2, #ARGV do
  local beat = redis.call('ZSCORE', base .. 'beat', ARGV[i])
  if beat and tonumber(beat) <= alive_after then dead[#dead + 1] = ARGV[i] end
end
return dead
`,
);

/** Lease, node. Returns `1` if it is forgotten now. */
export const FORGET = ofNodes(
  "forget",
  `
local node = ARGV[2]
local beat = redis.call('ZSCORE', base .. 'beat', node)
if not beat then return {'1'} end
if tonumber(beat) > alive_after then return {} end
redis.call('ZREM', base .. 'beat', node)
redis.call('HDEL', base .. 'record', node)
redis.call('HDEL', base .. 'burial', node)
redis.call('ZREM', base .. 'changed', node)
redis.call('ZADD', base .. 'gone', change(), node)
redis.call('ZREMRANGEBYRANK', base .. 'gone', 0, -${GONE_KEPT + 1})
return {'1'}
`,
);
