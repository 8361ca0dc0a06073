-- packages/core/src/pipeline/scripts/submit.lua
-- Accepts jobs: hash, first mailbox entry and timer of each, or none of them. One script, so that of any number of
-- concurrent submits with one id exactly one creates the job (J6), and so that an accepted job always has its entry (J1).
-- Submits of one tick share a call. How one job is accepted: accept.lua.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   int     deadline, milliseconds from now
-- ARGV[3]   int     capacity of a first mailbox in this partition, entries
-- ARGV[4]   int     USER_CONCURRENCY: jobs of one user admitted at once, 0 = no limit
-- ARGV[5]   int     LANE_CAPACITY: jobs that may wait in one user's lane
-- ARGV[6..] eight a submit:
--           uuid    job id
--           text    hash of the body: tells a repeat from another request under the same key
--           json    what never changes: {pipeline, trace, hash, plan}
--           text    first stage
--           text    its mailbox
--           json    input
--           uuid    upload to take over as the job's image, "" for none
--           text    owner, "" for none
-- reply     an array, one answer a submit:
--           {"created", ""} | {"exists", state} | {"conflict", ""} | {"full", depth} | {"lane-full", depth} | {"upload-gone", ""}
-- cost      O(log open jobs) a submit; four writes
local rules = {
  allowed = tonumber(ARGV[2]), capacity = tonumber(ARGV[3]), limit = tonumber(ARGV[4]), lane_capacity = tonumber(ARGV[5])
}
local answers = {}
for i = 6, #ARGV, 8 do answers[#answers + 1] = accept(rules, unpack(ARGV, i, i + 7)) end
return answer(answers)
