-- In front of every script of the registry: the time, which is Redis' alone, and the part's ground (KEYS[1]), without which
-- nothing here is known to be what was written.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local ground = redis.call('HGET', KEYS[1], 'epoch')
if not ground then return redis.error_reply('FENCED the memory is gone') end
local function whole(number) return string.format('%.0f', number) end
-- Whether the ground is so new that nodes may not have said yet who lives. A clock that was set back counts from here on.
local function is_young(youth)
  local since = tonumber(redis.call('HGET', KEYS[1], 'since') or '0')
  if since > now then
    since = now
    redis.call('HSET', KEYS[1], 'since', whole(now))
  end
  return now - since < tonumber(youth)
end
