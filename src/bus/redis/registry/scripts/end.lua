-- A session ends: if its grace is over, nobody has come back, and nobody was told so before.
-- KEYS: ground, connections, session, due. ARGV: the token, the youth of a ground (ms).
-- Returns what came of it; of an end the session and the positions at the break; of one that is early how long it is (ms).
local deadline = redis.call('ZSCORE', KEYS[4], ARGV[1])
if redis.call('HLEN', KEYS[2]) > 0 then
  redis.call('ZREM', KEYS[4], ARGV[1])
  return { 'occupied' }
end
if not deadline then return { 'unknown' } end
-- Somebody may be in whose coming this server does not know.
if is_young(ARGV[2]) then return { 'young' } end
if tonumber(deadline) > now then return { 'early', whole(tonumber(deadline) - now) } end
local session = redis.call('HMGET', KEYS[3], 'session', 'positions')
redis.call('DEL', KEYS[3])
redis.call('ZREM', KEYS[4], ARGV[1])
-- It was forgotten for its age.
if not session[1] then return { 'unknown' } end
return { 'ended', session[1], session[2] or '' }
