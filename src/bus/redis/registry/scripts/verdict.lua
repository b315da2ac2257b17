-- What came of it, for the others; only of him whose turn it still is.
-- KEYS: ground, flight. ARGV: ticket, verdict, how long it is known (ms). Returns whether it counts.
if redis.call('HGET', KEYS[2], 'ticket') ~= ARGV[1] then return 0 end
if redis.call('HSETNX', KEYS[2], 'verdict', ARGV[2]) == 0 then return 0 end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
