-- The last jobs that a schedule made, the newest first: of a tick (ms), or of none (0): run by hand.
local function note_job(entry, id, tick)
  entry.jobs = entry.jobs or {}
  table.insert(entry.jobs, 1, { id = id, of = tick, at = now })
  entry.jobs[6] = nil
end
