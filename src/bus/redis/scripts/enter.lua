-- The first words on every connection, for one partition: whether this server is the one that has ordered until now.
-- A server that restarted or was promoted may lack what another one has acknowledged, so it begins anew, and it is known since
-- when: nodes have a while to say again who is there (registry).
-- KEYS: the partition's ground. ARGV: the server's run id, an epoch that nobody has had. Returns the ground's epoch.
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then
  local clock = redis.call('TIME')
  local since = string.format('%.0f', tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000))
  redis.call('HSET', KEYS[1], 'run', ARGV[1], 'epoch', ARGV[2], 'since', since)
end
return redis.call('HGET', KEYS[1], 'epoch')
