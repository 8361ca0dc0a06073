-- packages/core/src/job/scripts/read-history.lua
-- Reads the events of a job, whether its history is implied by its hash or written as a list. One script, so that a history that
-- is written between two reads is neither missed nor seen twice (J4).
-- KEYS[1]  root    eco2:{p}
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  uuid    job id
-- ARGV[3]  int     the seq after which events are returned
-- reply    an array of json: the events with a higher seq, the oldest first; `queued` comes even before it is told
-- cost     O(size of the job) where its history is implied, else O(events)
local id, after = ARGV[2], tonumber(ARGV[3])
local key = job_key(id)
local f = fence_of(redis.call("HGET", key, "now"))
local events
if f and f.implied then
  events = implied_events(f, redis.call("HGETALL", key))
else
  events = redis.call("LRANGE", key .. ":events", 0, -1)
  if #events == 0 and f and f.unheard then events = { queued_text(f.created) } end
end
return { unpack(events, after + 1) }
