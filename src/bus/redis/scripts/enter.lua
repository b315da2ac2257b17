-- The first words on every connection, for one partition: whether this server is the one that has ordered until now.
-- A server that restarted or was promoted may lack what another one has acknowledged, so it begins anew.
-- KEYS: the partition's ground. ARGV: the server's run id, an epoch that nobody has had. Returns the ground's epoch.
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'run', ARGV[1], 'epoch', ARGV[2])
end
return redis.call('HGET', KEYS[1], 'epoch')
