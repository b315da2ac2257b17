-- Puts an entry in order: what is durable behind the number before it, whatever order it comes in; the rest at once.
-- KEYS: ground, meta, window, stash, topic. ARGV: epoch, kind, durable number (0: none), 1 for a repair, body,
-- bounds of the window (entries, bytes), of its age and of the line's (ms), of the stash (entries, bytes).
-- Returns what came of it, and the sequence of the entry where it has one.
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'durable', 'ground')
if meta[1] ~= ARGV[1] or meta[3] ~= redis.call('HGET', KEYS[1], 'epoch') then return { 'moved', 0 } end
local clock = redis.call('TIME')
local ms = string.format('%.0f', tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000))
local function put(kind, number, body)
  local sequence = redis.call('HINCRBY', KEYS[2], 'sequence', 1)
  local entry = table.concat({ '1', ARGV[1], string.format('%.0f', sequence), ms, kind, number, body }, ' ')
  redis.call('RPUSH', KEYS[3], entry)
  local bytes = redis.call('HINCRBY', KEYS[2], 'bytes', #entry)
  local length = redis.call('LLEN', KEYS[3])
  while length > tonumber(ARGV[6]) or (length > 1 and bytes > tonumber(ARGV[7])) do
    bytes = redis.call('HINCRBY', KEYS[2], 'bytes', -#redis.call('LPOP', KEYS[3]))
    length = length - 1
  end
  redis.call('PUBLISH', KEYS[5], entry)
  return sequence
end
-- A window that was forgotten for its age holds nothing, whatever was counted.
if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('HSET', KEYS[2], 'bytes', 0) end
if redis.call('EXISTS', KEYS[4]) == 0 then redis.call('HSET', KEYS[2], 'stashed', 0) end
local first = 0
local number = tonumber(ARGV[3])
if number == 0 then
  first = put(ARGV[2], '0', ARGV[5])
else
  if not meta[2] then return { 'unsettled', 0 } end
  local last = tonumber(meta[2])
  if number <= last then return { 'repeat', 0 } end
  if number > last + 1 and ARGV[4] ~= '1' then
    local is_new = redis.call('HEXISTS', KEYS[4], ARGV[3]) == 0
    local held = tonumber(redis.call('HGET', KEYS[2], 'stashed') or '0')
    if is_new then
      if redis.call('HLEN', KEYS[4]) >= tonumber(ARGV[10]) or held + #ARGV[5] > tonumber(ARGV[11]) then
        return { 'full', 0 }
      end
      redis.call('HSET', KEYS[4], ARGV[3], ARGV[2] .. ' ' .. ARGV[5])
      redis.call('HSET', KEYS[2], 'stashed', held + #ARGV[5])
    end
    redis.call('PEXPIRE', KEYS[4], ARGV[9])
    redis.call('PEXPIRE', KEYS[2], ARGV[9])
    return { 'stashed', 0 }
  end
  -- A repair stands for all before it: whoever should have said those cannot, or need not any more.
  first = put(ARGV[2], ARGV[3], ARGV[5])
  last = number
  local function release(name, held)
    redis.call('HDEL', KEYS[4], name)
    local body = string.find(held, ' ', 1, true)
    redis.call('HINCRBY', KEYS[2], 'stashed', body - #held)
  end
  local early = redis.call('HGETALL', KEYS[4])
  for at = 1, #early, 2 do
    if tonumber(early[at]) <= last then release(early[at], early[at + 1]) end
  end
  while true do
    local name = string.format('%.0f', last + 1)
    local held = redis.call('HGET', KEYS[4], name)
    if not held then break end
    release(name, held)
    local kind, body = string.match(held, '^(%S+) (.*)$')
    put(kind, name, body)
    last = last + 1
  end
  redis.call('HSET', KEYS[2], 'durable', string.format('%.0f', last))
end
redis.call('PEXPIRE', KEYS[3], ARGV[8])
redis.call('PEXPIRE', KEYS[2], ARGV[9])
return { 'ordered', first }
