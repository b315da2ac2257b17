-- Who asks first does it; the others wait, or get what came of it.
-- KEYS: ground, flight. ARGV: a ticket that nobody has had, how long it is waited for (ms).
-- Returns whose turn it is or that there is a verdict, and the verdict or how long it is still waited for (ms).
local known = redis.call('HMGET', KEYS[2], 'ticket', 'verdict')
if known[2] then return { 'verdict', known[2] } end
if known[1] then return { 'pending', whole(redis.call('PTTL', KEYS[2])) } end
redis.call('HSET', KEYS[2], 'ticket', ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return { 'first', '' }
