-- Replays: what was asked for, how far each is, and what came of it.
CREATE TABLE replays (
    id         TEXT PRIMARY KEY,
    asked_at   TIMESTAMPTZ NOT NULL,
    asked_by   TEXT NOT NULL,
    why        TEXT NOT NULL,
    wanted     TEXT NOT NULL,              -- JSON: which records, and where to
    status     TEXT NOT NULL,              -- running, stopped, failed or done; one that was cut off still says running
    stop_asked BOOLEAN NOT NULL,
    tally      TEXT NOT NULL,              -- JSON: what was counted
    note       TEXT NOT NULL,              -- the destination's own: how long the file is
    problem    TEXT,                       -- why it failed
    moved_at   TIMESTAMPTZ NOT NULL        -- when it last got on
);

CREATE INDEX replays_by_age ON replays (asked_at);

-- The end is fixed when it begins. What lies below next_offset is done.
CREATE TABLE replay_partitions (
    replay           TEXT NOT NULL,
    topic            TEXT NOT NULL,        -- as Kafka names it
    record_partition INTEGER NOT NULL,
    from_offset      BIGINT NOT NULL,
    next_offset      BIGINT NOT NULL,
    until_offset     BIGINT NOT NULL,
    note             TEXT NOT NULL,        -- the destination's own: how far each queue is
    PRIMARY KEY (replay, topic, record_partition)
);
