-- packages/core/src/schedule/scripts/keep.lua
-- Says that a process still declares schedules, without a look at them: their slots are not due. One script for many schedules,
-- so that what is declared costs one call a minute, and what fires costs the rest (fire.lua).
-- A schedule with another expression in Redis, or none, is not kept: the process must look at it.
-- KEYS[1]  root    eco2:{p}
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2..] two for each schedule:
--          word    name
--          text    expression, as it is shown
-- reply    {Redis time, number of a schedule not kept, …}; numbers count from 0 in the order of the arguments
-- cost     O(log schedules) for each schedule
local answers = { now_text }
for i = 2, #ARGV, 2 do
  if redis.call("HGET", cron_key(ARGV[i]), "spec") == ARGV[i + 1] then
    redis.call("ZADD", crons, now_text, ARGV[i])
  else
    answers[#answers + 1] = int(i / 2 - 1)
  end
end
return answers
