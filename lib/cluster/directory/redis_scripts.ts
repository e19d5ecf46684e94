/**
 * The steps of the directory that are about rooms, as Lua scripts, each atomic in Redis; those that
 * are about nodes: `redis_node_scripts.ts`.
 *
 * Contract: `KEYS[1]` is the beginning of all keys of one tag (`redis_keys.ts`), which is the only
 * thing that Redis Cluster has to know of a script's keys; times are Redis' own. Invariants after
 * each: nobody serves a room exactly if it is closing; `counted` is the number of claims that take
 * a place; what `of` has of a node holds all rooms that it serves or keeps, and what `own` has of a
 * node its claims, those that were replaced, too; a fencing number is at most `last`.
 * Answers are arrays of texts; absent is an empty array.
 *
 * @module
 */

/** A script, by the name that errors show. */
export interface Script {
  readonly name: string;
  readonly source: string;
}

/** How long it is remembered who deleted a room, in case the answer was lost, ms. */
const EPITAPH_MS = 60_000;
/** How long it is remembered what a burial found, in case the answer was lost, ms. */
const FUNERAL_MS = 10_000;
/** How long it is remembered that a room has ended, for nodes that were away, ms. */
const OVER_MS = 3_600_000;
/** Identities of one room whose tokens are refused. */
const MAX_BANS = 1_000;
/** A page of a listing ends after so many rooms, or so many bytes of plans. */
const PAGE_ROOMS = 200;
const PAGE_BYTES = 262_144;
/** Longer than a session is about to come, ms; of versions that knew of none nothing stays. */
const DUE_MS = 120_000;
/** Claims that one command is about: Lua's stack holds a few thousand values. */
const CLAIMS_AT_ONCE = 500;

/** What all scripts of rooms begin with. Claims are lines: number, node, sid, counted, former. */
const ROOMS = `
local base = KEYS[1]
local FIELDS = {'name', 'sid', 'at', 'by', 'version', 'writer', 'plan', 'max', 'locked', 'pin', 'linger'}
local function room_key(name) return base .. 'room:' .. name end
local function serve_key(name) return base .. 'serve:' .. name end
local function who_key(name) return base .. 'who:' .. name end
local function bans_key(name) return base .. 'bans:' .. name end
local function was_key(name) return base .. 'was:' .. name end
local function of_key(node) return base .. 'of:' .. node end
local function own_key(name, node) return base .. 'own:' .. node .. ':' .. name end
local function by_key(name) return base .. 'by:' .. name end
local function due_key(name) return base .. 'due:' .. name end
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function raise(number)
  local last = tonumber(redis.call('GET', base .. 'last') or '0')
  if number > last then redis.call('SET', base .. 'last', string.format('%.0f', number)) end
end
local function next_number()
  local time = redis.call('TIME')
  local last = tonumber(redis.call('GET', base .. 'last') or '0')
  local text = string.format('%.0f', math.max(last + 1, time[1] * 1000000 + time[2]))
  redis.call('SET', base .. 'last', text)
  return text
end
local function exists(name) return redis.call('EXISTS', room_key(name)) == 1 end
local function record(name) return redis.call('HMGET', room_key(name), unpack(FIELDS)) end
local function listing(name)
  local counted = redis.call('HGET', room_key(name), 'counted')
  local nodes = redis.call('SMEMBERS', serve_key(name))
  return {record(name), nodes, tostring(redis.call('HLEN', who_key(name))), counted}
end
local function make(values)
  local name = values[1]
  local fields = {'counted', '0'}
  for i, field in ipairs(FIELDS) do
    fields[#fields + 1] = field
    fields[#fields + 1] = values[i]
  end
  redis.call('HSET', room_key(name), unpack(fields))
  redis.call('ZADD', base .. 'rooms', 0, name)
end
local function serve(name, node)
  local keeper = redis.call('HGET', room_key(name), 'keeper')
  if keeper then
    redis.call('SADD', by_key(name), keeper)
    redis.call('HDEL', room_key(name), 'keeper', 'closing')
  end
  redis.call('SADD', of_key(node), name)
  return redis.call('SADD', serve_key(name), node) == 1
end
local function bans(name)
  local all, found, now = redis.call('HGETALL', bans_key(name)), {}, now_ms()
  for i = 1, #all, 2 do
    local before, expiry, till = string.match(all[i + 1], '^(%d+) (%d+) (%d+)$')
    if tonumber(till) > now then found[#found + 1] = {all[i], before, expiry} end
  end
  return found
end
local function close_by(name, node)
  local number = next_number()
  redis.call('HSET', room_key(name), 'keeper', node, 'closing', number)
  redis.call('SADD', of_key(node), name)
  return number
end
local function closing(name)
  local values = redis.call('HMGET', room_key(name), 'keeper', 'closing')
  return values[1] or '', values[2] or ''
end
local function read(value)
  local number, node, sid, counted, former = string.match(value, '^(%d+)\\n([^\\n]*)\\n([^\\n]*)\\n([01])\\n(.*)$')
  return {number = number, node = node, sid = sid, counted = counted, former = former}
end
local function held(name, identity)
  local value = redis.call('HGET', who_key(name), identity)
  if value then return read(value) end
end
local function forget_claim(name, node, number)
  redis.call('HDEL', own_key(name, node), number)
  redis.call('HDEL', due_key(name), number)
end
local function drop(name, identity, claim)
  redis.call('HDEL', who_key(name), identity)
  forget_claim(name, claim.node, claim.number)
  if claim.counted == '1' then redis.call('HINCRBY', room_key(name), 'counted', -1) end
end
local function hold(name, identity, before, claim)
  local value = table.concat({claim.number, claim.node, claim.sid, claim.counted, claim.former}, '\\n')
  redis.call('HSET', who_key(name), identity, value)
  redis.call('HSET', own_key(name, claim.node), claim.number, identity)
  redis.call('SADD', by_key(name), claim.node)
  if before and before.node == claim.node and before.number ~= claim.number then
    forget_claim(name, before.node, before.number)
  end
  local more = tonumber(claim.counted) - (before and tonumber(before.counted) or 0)
  if more ~= 0 then redis.call('HINCRBY', room_key(name), 'counted', more) end
end
local function over_key(sid) return base .. 'over:' .. sid end
local function is_over(sid) return redis.call('EXISTS', over_key(sid)) == 1 end
local function is_lost(name, sid)
  return sid ~= '' and redis.call('HGET', room_key(name), 'sid') ~= sid and not is_over(sid)
end
local function replace(name, identity, claim)
  redis.call('HSET', was_key(name), claim.number, table.concat({claim.node, claim.sid, identity}, '\\n'))
end
local function read_former(number, value)
  local node, sid, identity = string.match(value, '^([^\\n]*)\\n([^\\n]*)\\n(.*)$')
  return {number = number, node = node, sid = sid, identity = identity}
end
local function replaced(name, number)
  local value = redis.call('HGET', was_key(name), number)
  if value then return read_former(number, value) end
end
local function release(name, claim)
  redis.call('HDEL', was_key(name), claim.number)
  forget_claim(name, claim.node, claim.number)
end
local function delete(name, cause)
  local gone = listing(name)
  local keeper = closing(name)
  for _, node in ipairs(gone[2]) do redis.call('SREM', of_key(node), name) end
  redis.call('SREM', of_key(keeper), name)
  for _, node in ipairs(redis.call('SMEMBERS', by_key(name))) do
    redis.call('SREM', of_key(node), name)
    redis.call('UNLINK', own_key(name, node))
  end
  redis.call('UNLINK', room_key(name), serve_key(name), who_key(name), was_key(name), by_key(name), due_key(name))
  redis.call('ZREM', base .. 'rooms', name)
  redis.call('SET', over_key(gone[1][2]), cause, 'PX', ${OVER_MS})
  local epitaph = base .. 'epitaph:' .. name
  redis.call('SET', epitaph, cjson.encode({cause, gone}), 'PX', ${EPITAPH_MS})
  return gone
end
local function epitaph(name, cause)
  local text = redis.call('GET', base .. 'epitaph:' .. name)
  if not text then return {} end
  local said = cjson.decode(text)
  return said[1] == cause and said[2] or {}
end
`;

function ofRooms(name: string, body: string): Script {
  return { name, source: ROOMS + body };
}

/**
 * Room, node, region, whether its pin is ignored, identity, sid, counted (empty: no claim), whether
 * it passes a lock, whether it joins later, whether the node knows who serves the room, a record's
 * values (its sid empty: not made), nodes whose claims take no place.
 *
 * @returns Refusal and the pin; or "", created, record, number, former, nodes, which are left out
 *   for a node that serves the room already and knows them, and for one that has not served it
 *   bans: identity, before, expiry.
 */
export const ENTER = ofRooms(
  "enter",
  `
local name, node, region, unpinned, identity, sid, counted, passes_lock, later, knows = unpack(ARGV, 1, 10)
local seed = {}
for i = 11, 21 do seed[#seed + 1] = ARGV[i] end
local may_make = #seed[2] > 0
local is_there = exists(name)
if not is_there and not may_make then return {'not_found'} end
local pin = is_there and redis.call('HGET', room_key(name), 'pin') or seed[10]
if unpinned == '0' and pin ~= '' and pin ~= node and pin ~= 'region:' .. region then
  return {'elsewhere', pin}
end
local before = is_there and counted ~= '' and held(name, identity) or nil
if is_there and counted == '1' and not before then
  local values = redis.call('HMGET', room_key(name), 'locked', 'max', 'counted')
  if values[1] == '1' and passes_lock ~= '1' then return {'room_locked'} end
  local max, taken = tonumber(values[2]), tonumber(values[3])
  if max > 0 and taken >= max and #ARGV > 21 then
    local dead = {}
    for i = 22, #ARGV do dead[ARGV[i]] = true end
    for _, value in ipairs(redis.call('HVALS', who_key(name))) do
      local claim = read(value)
      if claim.counted == '1' and dead[claim.node] then taken = taken - 1 end
    end
  end
  if max > 0 and taken >= max then return {'room_full', redis.call('SMEMBERS', serve_key(name))} end
end
if not is_there then make(seed) end
local is_new = serve(name, node)
local number, former = '', ''
if counted ~= '' then
  if before and before.sid == sid and before.node == node then
    number, former = before.number, before.former
  else
    number = next_number()
    if before then former = table.concat({before.number, before.node, before.sid}, '\\n') end
    if before and before.node ~= node then replace(name, identity, before) end
    if later == '1' then
      redis.call('HSET', due_key(name), number, '1')
      redis.call('PEXPIRE', due_key(name), ${DUE_MS})
    end
  end
  hold(name, identity, before, {number = number, node = node, sid = sid, counted = counted, former = former})
end
local values = record(name)
local created = may_make and values[2] == seed[2] and values[4] == node
local nodes = (is_new or knows ~= '1') and redis.call('SMEMBERS', serve_key(name)) or {}
return {'', created and '1' or '0', values, number, former, nodes, is_new and bans(name) or {}}
`,
);

/** Room, identity, number. Returns `1` if it was that claim. */
export const RELEASE = ofRooms(
  "release",
  `
local name, identity, number = unpack(ARGV)
local former = replaced(name, number)
if former then release(name, former) end
local claim = held(name, identity)
if not claim or claim.number ~= number then return {} end
drop(name, identity, claim)
return {'1'}
`,
);

/** Room, identity, before, expiry, how long it is kept. Returns `1`, or nothing if it is not. */
export const BAR = ofRooms(
  "bar",
  `
local name, identity, before, expiry, keep = unpack(ARGV)
local key, now = bans_key(name), now_ms()
if redis.call('HLEN', key) >= ${MAX_BANS} and redis.call('HEXISTS', key, identity) == 0 then
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if tonumber(string.match(all[i + 1], '%d+$')) <= now then redis.call('HDEL', key, all[i]) end
  end
  if redis.call('HLEN', key) >= ${MAX_BANS} then return {} end
end
local till = string.format('%.0f', now + tonumber(keep))
redis.call('HSET', key, identity, before .. ' ' .. expiry .. ' ' .. till)
if redis.call('PTTL', key) < tonumber(keep) then redis.call('PEXPIRE', key, keep) end
return {'1'}
`,
);

/** Room, identity, node, sid: ends a claim of which only these are known. */
export const UNDO = ofRooms(
  "undo",
  `
local name, identity, node, sid = unpack(ARGV)
local claim = held(name, identity)
if not claim or claim.node ~= node or claim.sid ~= sid then return {} end
drop(name, identity, claim)
return {'1'}
`,
);

/** Room, node, sid or nothing. Returns the closing's number if the node keeps it, or `lost`. */
export const LEAVE = ofRooms(
  "leave",
  `
local name, node, sid = unpack(ARGV)
if is_lost(name, sid) then return {'lost'} end
if exists(name) then
  if redis.call('SREM', serve_key(name), node) == 1 and redis.call('EXISTS', serve_key(name)) == 0 then
    return {close_by(name, node)}
  end
  local keeper, number = closing(name)
  if keeper == node then return {number} end
end
redis.call('SREM', of_key(node), name)
return {}
`,
);

/** Room, keeper, number of the closing, sid or nothing. Returns the room as it was, or `lost`. */
export const CLOSE = ofRooms(
  "close",
  `
local name, node, number, sid = unpack(ARGV)
if is_lost(name, sid) then return {'lost'} end
local cause = table.concat({'close', node, number}, ' ')
if exists(name) then
  local keeper, stored = closing(name)
  if keeper == node and stored == number then return delete(name, cause) end
  if keeper ~= node and redis.call('SISMEMBER', serve_key(name), node) == 0 then
    redis.call('SREM', of_key(node), name)
  end
end
return epitaph(name, cause)
`,
);

/** Room, request. Returns the room as it was. */
export const REMOVE = ofRooms(
  "remove",
  `
local name, request = unpack(ARGV)
local cause = 'remove ' .. request
if exists(name) then return delete(name, cause) end
return epitaph(name, cause)
`,
);

/** Room, node, sid, version, then fields and values. Returns `ok` or `conflict`, and the record. */
export const UPDATE = ofRooms(
  "update",
  `
local name, node, sid, version = unpack(ARGV, 1, 4)
local values = redis.call('HMGET', room_key(name), 'sid', 'version', 'writer')
if values[1] ~= sid then return {} end
local next_version = string.format('%.0f', tonumber(version) + 1)
if values[2] == next_version and values[3] == node then
  for i = 5, #ARGV, 2 do
    if redis.call('HGET', room_key(name), ARGV[i]) ~= ARGV[i + 1] then return {'conflict', record(name)} end
  end
  return {'ok', record(name)}
end
if values[2] ~= version then return {'conflict', record(name)} end
for i = 5, #ARGV, 2 do redis.call('HSET', room_key(name), ARGV[i], ARGV[i + 1]) end
redis.call('HSET', room_key(name), 'version', next_version, 'writer', node)
return {'ok', record(name)}
`,
);

/**
 * Node, a record's values, then identity, sid, number and counted of each claim.
 *
 * @returns `over`; or `other` and the record; or `ok`, record, nodes, newer and beaten claims.
 */
export const ASSERT = ofRooms(
  "assert",
  `
local node = ARGV[1]
local values = {}
for i = 2, 12 do values[#values + 1] = ARGV[i] end
local name = values[1]
if not exists(name) then
  if is_over(values[2]) then return {'over'} end
  make(values)
end
local stored = redis.call('HMGET', room_key(name), 'sid', 'version')
if stored[1] ~= values[2] then return {'other', record(name)} end
if tonumber(values[5]) > tonumber(stored[2]) then
  local fields = {}
  for i, field in ipairs(FIELDS) do
    fields[#fields + 1] = field
    fields[#fields + 1] = values[i]
  end
  redis.call('HSET', room_key(name), unpack(fields))
end
serve(name, node)
local newest, asserted, numbers = 0, {}, {}
for i = 13, #ARGV, 4 do
  newest = math.max(newest, tonumber(ARGV[i + 2]))
  asserted[ARGV[i]] = true
  numbers[ARGV[i]] = ARGV[i + 2]
end
raise(newest)
local own = redis.call('HGETALL', own_key(name, node))
for i = 1, #own, 2 do
  local number, identity = own[i], own[i + 1]
  local current, former = held(name, identity), replaced(name, number)
  if current and current.number == number then
    if tonumber(number) <= newest and not asserted[identity] then drop(name, identity, current) end
  elseif former then
    local is_said = numbers[identity] == number and current and tonumber(current.number) > tonumber(number)
    if not is_said then release(name, former) end
  end
end
local newer, beaten = {}, {}
for i = 13, #ARGV, 4 do
  local identity, sid, number, counted = unpack(ARGV, i, i + 3)
  local before = held(name, identity)
  if before and tonumber(before.number) > tonumber(number) then
    newer[#newer + 1] = {identity, before.number, before.node, before.sid}
  else
    if before and before.node ~= node then
      beaten[#beaten + 1] = {identity, before.number, before.node, before.sid}
      replace(name, identity, before)
    end
    hold(name, identity, before, {number = number, node = node, sid = sid, counted = counted, former = ''})
  end
end
return {'ok', record(name), redis.call('SMEMBERS', serve_key(name)), newer, beaten}
`,
);

/** Room, sid, node. Returns `1` if it is this node that is to tell that this room has ended. */
export const LAST_WORD = ofRooms(
  "last_word",
  `
local name, sid, node = unpack(ARGV)
if redis.call('HGET', room_key(name), 'sid') == sid then return {} end
local word = 'superseded ' .. node
redis.call('SET', over_key(sid), word, 'NX', 'PX', ${OVER_MS})
return redis.call('GET', over_key(sid)) == word and {'1'} or {}
`,
);

/** Room. Returns record, nodes, claims, counted. */
export const FIND = ofRooms(
  "find",
  `
if not exists(ARGV[1]) then return {} end
return listing(ARGV[1])
`,
);

/** Where a page begins in the index. Returns where the next one does, and listings as of `find`. */
export const LIST = ofRooms(
  "list",
  `
local names = redis.call('ZRANGEBYLEX', base .. 'rooms', ARGV[1], '+', 'LIMIT', 0, ${PAGE_ROOMS})
local page, bytes = {''}, 0
for i, name in ipairs(names) do
  page[#page + 1] = listing(name)
  bytes = bytes + #name + #page[#page][1][7]
  if bytes > ${PAGE_BYTES} or i == ${PAGE_ROOMS} then
    page[1] = '(' .. name
    break
  end
end
return page
`,
);

/**
 * Room, dead node, who buries. Returns record, number if it keeps the room, claims that ended, each
 * with whether it was still to join; the same again to who asks again.
 */
export const BURY = ofRooms(
  "bury",
  `
local name, dead, node = unpack(ARGV)
local funeral = base .. 'funeral:' .. dead .. ':' .. name
if redis.call('SREM', of_key(dead), name) == 0 then
  local text = redis.call('GET', funeral)
  local said = text and cjson.decode(text)
  if said and said[1] == node then return said[2] end
end
if not exists(name) then return {} end
local freed = {}
local own, counted = redis.call('HGETALL', own_key(name, dead)), 0
for from = 1, #own, ${2 * CLAIMS_AT_ONCE} do
  local numbers, identities, dropped, released = {}, {}, {}, {}
  for i = from, math.min(from + ${2 * CLAIMS_AT_ONCE - 1}, #own), 2 do
    numbers[#numbers + 1], identities[#identities + 1] = own[i], own[i + 1]
  end
  local now = redis.call('HMGET', who_key(name), unpack(identities))
  local former = redis.call('HMGET', was_key(name), unpack(numbers))
  local due = redis.call('HMGET', due_key(name), unpack(numbers))
  redis.call('HDEL', due_key(name), unpack(numbers))
  for i, number in ipairs(numbers) do
    local claim = now[i] and read(now[i])
    if claim and claim.number == number then
      freed[#freed + 1] = {identities[i], number, dead, claim.sid, due[i] or ''}
      dropped[#dropped + 1] = identities[i]
      counted = counted + tonumber(claim.counted)
    elseif former[i] then
      freed[#freed + 1] = {identities[i], number, dead, read_former(number, former[i]).sid, due[i] or ''}
      released[#released + 1] = number
    end
  end
  if #dropped > 0 then redis.call('HDEL', who_key(name), unpack(dropped)) end
  if #released > 0 then redis.call('HDEL', was_key(name), unpack(released)) end
end
if counted > 0 then redis.call('HINCRBY', room_key(name), 'counted', -counted) end
redis.call('UNLINK', own_key(name, dead))
redis.call('SREM', by_key(name), dead)
local was_served = redis.call('SREM', serve_key(name), dead) == 1 and redis.call('EXISTS', serve_key(name)) == 0
local keeper, number = closing(name)
if was_served or keeper == dead then
  keeper, number = node, close_by(name, node)
end
local answer = {record(name), keeper == node and number or '', freed}
if #freed > 0 or answer[2] ~= '' then
  redis.call('SET', funeral, cjson.encode({node, answer}), 'PX', ${FUNERAL_MS})
end
return answer
`,
);
