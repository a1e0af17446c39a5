-- Dead letters: what is on the dead-letter topics, to be asked about and acted on.
-- The id follows from what died, so that a letter that is stored twice is one row.
CREATE TABLE dead_letters (
    id               UUID PRIMARY KEY,
    kind             TEXT NOT NULL CHECK (kind IN ('event', 'job')),
    -- The record that died, or that the job goes back to.
    topic            TEXT,
    record_partition INTEGER,
    record_offset    BIGINT,
    record_time      BIGINT,                    -- of an event: Kafka's time of it, milliseconds since 1970
    consumer_group   TEXT,
    event_type       TEXT,
    event_id         TEXT,
    event_source     TEXT,
    correlation_id   TEXT,
    saga_id          TEXT,
    trace_id         TEXT,
    queue            TEXT,
    job_kind         TEXT,
    job_id           TEXT,
    job_head         TEXT,                      -- all of its record but the arguments: docs/protocol.md
    key              BYTEA,
    payload          BYTEA,
    headers          JSONB NOT NULL,            -- [name, text], [name, null] or [name, {"hex": …}], in order
    code             TEXT NOT NULL,
    message          TEXT NOT NULL,
    fingerprint      TEXT NOT NULL,
    attempts         INTEGER NOT NULL,
    failures         JSONB NOT NULL,            -- of each attempt: at, attempt, code, message
    first_failed_at  TIMESTAMPTZ NOT NULL,
    failed_at        TIMESTAMPTZ NOT NULL,
    redrives         INTEGER NOT NULL,          -- how often it had been redriven when it died
    stored_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    status           TEXT NOT NULL DEFAULT 'dead' CHECK (status IN ('dead', 'redriving', 'redriven', 'discarded')),
    edited           BYTEA,                     -- goes instead of the payload
    tries            INTEGER NOT NULL DEFAULT 0, -- redrives that were begun and taken back
    redriving_since  TIMESTAMPTZ,
    settled_at       TIMESTAMPTZ,               -- when it was redriven or discarded
    actions          BIGINT[] NOT NULL DEFAULT ARRAY[]::BIGINT[]
);

-- What commands page through, in its order, however many were dealt with before.
CREATE INDEX dead_letters_open ON dead_letters (failed_at, id) WHERE status IN ('dead', 'redriving');
CREATE INDEX dead_letters_by_status ON dead_letters (status, failed_at, id);
CREATE INDEX dead_letters_by_fingerprint ON dead_letters (fingerprint, failed_at, id);
CREATE INDEX dead_letters_by_event_type ON dead_letters (event_type, failed_at, id);
CREATE INDEX dead_letters_by_job_kind ON dead_letters (job_kind, failed_at, id);

-- What was done about them, by whom, and why.
CREATE TABLE dead_letter_actions (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what     TEXT NOT NULL,
    who      TEXT NOT NULL,
    why      TEXT NOT NULL,
    filter   JSONB NOT NULL,
    began_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    ended_at TIMESTAMPTZ,                       -- empty while it is under way, or was cut off
    letters  BIGINT NOT NULL DEFAULT 0
);
