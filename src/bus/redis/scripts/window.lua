-- What lies behind a place, as far as it is at hand, and where the line stands; the two belong together.
-- KEYS: ground, meta, window. ARGV: epoch and sequence of the place.
-- Returns epoch, sequence, then the entries. Those of another epoch than was named are all behind the place.
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'sequence', 'ground')
if not meta[1] or meta[3] ~= redis.call('HGET', KEYS[1], 'epoch') then return { '', '0' } end
local missing = tonumber(meta[2])
if meta[1] == ARGV[1] then missing = missing - tonumber(ARGV[2]) end
local found = { meta[1], meta[2] }
if missing > 0 then
  for _, entry in ipairs(redis.call('LRANGE', KEYS[3], string.format('-%.0f', missing), -1)) do
    found[#found + 1] = entry
  end
end
return found
