-- Sagas: where each stands. A row changes only from the revision that was read, together with the commands, the events
-- and the lines of the log that the change leads to.
CREATE TABLE sagas (
    id             UUID PRIMARY KEY,             -- follows from the saga's name and key
    saga           TEXT NOT NULL,
    version        INTEGER NOT NULL,             -- of the definition that it began with, and goes on with
    key            TEXT NOT NULL,
    status         TEXT NOT NULL CHECK (status IN ('running', 'compensating', 'stuck', 'completed', 'compensated')),
    state          TEXT NOT NULL,                -- JSON: what the application keeps
    progress       TEXT NOT NULL,                -- JSON: how far each step is, and why it turned back
    due            TIMESTAMPTZ,                  -- when the first of its timers fires
    revision       BIGINT NOT NULL,
    correlation_id TEXT NOT NULL,
    causation_id   TEXT,
    traceparent    TEXT,
    started_at     TIMESTAMPTZ NOT NULL,
    changed_at     TIMESTAMPTZ NOT NULL,
    ended_at       TIMESTAMPTZ
);

CREATE INDEX sagas_due ON sagas (due) WHERE due IS NOT NULL;
CREATE INDEX sagas_by_status ON sagas (status, started_at, id);
CREATE INDEX sagas_by_start ON sagas (started_at, id);
CREATE INDEX sagas_by_key ON sagas (key);

-- What happened to each, in order.
CREATE TABLE saga_log (
    saga_id  UUID NOT NULL,
    revision BIGINT NOT NULL,
    line     INTEGER NOT NULL,
    at       TIMESTAMPTZ NOT NULL,
    what     TEXT NOT NULL,
    step     TEXT,
    detail   TEXT NOT NULL,
    PRIMARY KEY (saga_id, revision, line)
);

-- Replies that nobody here could use yet: their saga is not known, or is of a version that only other programs have.
CREATE TABLE saga_parked (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    saga_id   UUID NOT NULL,
    reply     TEXT NOT NULL,
    parked_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX saga_parked_by_saga ON saga_parked (saga_id);

-- What step workers have done, and what they replied: written with the effects, so that a command that comes again is
-- answered again, and not done again.
CREATE TABLE saga_replies (
    idempotency_key TEXT PRIMARY KEY,
    reply           TEXT NOT NULL,
    replied_at      TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX saga_replies_by_age ON saga_replies (replied_at);
