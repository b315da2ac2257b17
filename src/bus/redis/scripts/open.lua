-- Where a line stands. One that stood on another ground, or was an older channel's of the same name, begins anew.
-- KEYS: ground, meta, window, stash. ARGV: incarnation, an epoch that nobody has had, how long it is remembered (ms).
-- Returns epoch, sequence, durable ('' while nobody has said).
local ground = redis.call('HGET', KEYS[1], 'epoch')
if not ground then return redis.error_reply('FENCED the memory is gone') end
local known = redis.call('HMGET', KEYS[2], 'ground', 'incarnation')
if known[1] == ground and tonumber(known[2]) > tonumber(ARGV[1]) then
  return redis.error_reply('STALE the channel is a newer one')
end
if known[1] ~= ground or known[2] ~= ARGV[1] then
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
  redis.call('HSET', KEYS[2], 'ground', ground, 'incarnation', ARGV[1], 'epoch', ARGV[2], 'sequence', 0, 'bytes', 0)
end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local at = redis.call('HMGET', KEYS[2], 'epoch', 'sequence', 'durable')
return { at[1], at[2], at[3] or '' }
