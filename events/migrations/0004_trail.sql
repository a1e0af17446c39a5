-- The trail: what bridges and workers noted of each event and each run, to be looked at. Rows are only ever added, and
-- go after `trail.keep`. It is for sight and not for truth: notes may be missing, and trail_gaps says when.
CREATE TABLE trail_events (
    handed_off_at    TIMESTAMPTZ NOT NULL,
    consumer_group   TEXT NOT NULL,
    event_id         TEXT NOT NULL,
    event_source     TEXT NOT NULL,
    event_type       TEXT NOT NULL,
    version          INTEGER NOT NULL,
    event_time       TIMESTAMPTZ NOT NULL,
    correlation_id   TEXT NOT NULL,
    causation_id     TEXT,
    trace_id         TEXT,
    key              TEXT,                      -- the subject, or else the record's key
    topic            TEXT NOT NULL,
    record_partition INTEGER NOT NULL,
    record_offset    BIGINT NOT NULL,
    jobs             TEXT NOT NULL,             -- JSON: kind, queue, id, key in its queue, what became of it
    problem          TEXT                       -- of poison: why, in a word
);

CREATE INDEX trail_events_by_age ON trail_events (handed_off_at);
CREATE INDEX trail_events_by_event ON trail_events (event_id);
CREATE INDEX trail_events_by_correlation ON trail_events (correlation_id);
CREATE INDEX trail_events_by_trace ON trail_events (trace_id);
CREATE INDEX trail_events_by_key ON trail_events (key, handed_off_at);

-- A row when a run ends; and one before that, without a verdict, if it takes longer than a moment: of a run that was cut
-- off that is all there is.
CREATE TABLE trail_runs (
    began_at       TIMESTAMPTZ NOT NULL,
    took_us        BIGINT,
    queue          TEXT NOT NULL,
    kind           TEXT NOT NULL,
    job_id         TEXT NOT NULL,
    job_key        TEXT NOT NULL,               -- what its queue calls it
    attempt        INTEGER NOT NULL,
    worker         TEXT NOT NULL,               -- host/pid
    verdict        TEXT,
    code           TEXT,
    message        TEXT,
    log            TEXT,                        -- JSON: [milliseconds since 1970, line]
    event_id       TEXT,
    correlation_id TEXT
);

CREATE INDEX trail_runs_by_age ON trail_runs (began_at);
CREATE INDEX trail_runs_by_job ON trail_runs (job_id);
CREATE INDEX trail_runs_by_event ON trail_runs (event_id);
CREATE INDEX trail_runs_by_correlation ON trail_runs (correlation_id);

-- Notes that a process could not keep.
CREATE TABLE trail_gaps (
    began_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ NOT NULL,
    worker   TEXT NOT NULL,
    notes    BIGINT NOT NULL
);

CREATE INDEX trail_gaps_by_age ON trail_gaps (ended_at);

-- Dead letters are joined to it.
CREATE INDEX dead_letters_by_event ON dead_letters (event_id);
CREATE INDEX dead_letters_by_correlation ON dead_letters (correlation_id);
CREATE INDEX dead_letters_by_trace ON dead_letters (trace_id);
CREATE INDEX dead_letters_by_job ON dead_letters (job_id);
