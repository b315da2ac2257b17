-- Whoever opened a new line says which durable number the store had after that; the first one counts.
-- KEYS: ground, meta. ARGV: epoch, number. Returns the number that counts, '' where the line is another one by now.
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'ground')
if meta[1] ~= ARGV[1] or meta[2] ~= redis.call('HGET', KEYS[1], 'epoch') then return '' end
redis.call('HSETNX', KEYS[2], 'durable', ARGV[2])
return redis.call('HGET', KEYS[2], 'durable')
