-- The event store: streams of events, each stream with versions from 1 on, all events with a position.
CREATE TABLE store_streams (
    stream   TEXT PRIMARY KEY,                   -- category-id
    version  BIGINT NOT NULL,                    -- of its last event
    created  TIMESTAMPTZ NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

-- Rows are only ever added.
CREATE TABLE store_events (
    position     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream       TEXT NOT NULL,
    version      BIGINT NOT NULL,
    id           UUID NOT NULL,
    type         TEXT NOT NULL,
    type_version INTEGER NOT NULL,               -- of the payload's shape
    data         JSON NOT NULL,                  -- as it was written
    metadata     JSON NOT NULL,
    time         TIMESTAMPTZ NOT NULL,
    UNIQUE (stream, version)
);

-- States of aggregates, to load them from. They may be removed at any time.
CREATE TABLE store_snapshots (
    stream  TEXT NOT NULL,
    shape   INTEGER NOT NULL,                    -- version of the state's shape: others are not read
    version BIGINT NOT NULL,                     -- of the last event that is in it
    data    JSON NOT NULL,
    taken   TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, shape)
);

-- How far projections are. The row is locked by whoever works on it, and changes with the rows that it speaks of.
CREATE TABLE store_projections (
    name            TEXT NOT NULL,
    build           BIGINT NOT NULL,             -- counted from 1 on
    version         INTEGER NOT NULL,            -- of the code that makes its rows
    state           TEXT NOT NULL CHECK (state IN ('live', 'building')),
    tables          TEXT[] NOT NULL,
    tables_in       TEXT NOT NULL,               -- their schema
    position        BIGINT NOT NULL DEFAULT 0,   -- of the last event that is in them
    applied         BIGINT NOT NULL DEFAULT 0,
    began           TIMESTAMPTZ NOT NULL DEFAULT now(),
    moved           TIMESTAMPTZ NOT NULL DEFAULT now(),
    error           TEXT,                        -- why it stands still
    failed_position BIGINT,
    failed_at       TIMESTAMPTZ,
    PRIMARY KEY (name, build)
);

CREATE UNIQUE INDEX store_projections_by_state ON store_projections (name, state);

-- Appends to streams, with the rows of the outbox. Arrays by append: streams, the versions that they are expected to have (-1: any,
-- 0: there is no such stream), counts of events. Arrays by event, beginning with the number of its append. `quietly` wakes nobody; its caller
-- does that after the commit. `patience`: for so many milliseconds a stream is waited for that another transaction has; 0: as the
-- session has it. Gives for each append the version of the stream after it, or else -1 - its version if that is
-- not the expected one.
CREATE FUNCTION store_append(
    streams TEXT[], expected BIGINT[], counts INTEGER[], quietly BOOLEAN, patience INTEGER,
    appends INTEGER[], ids UUID[], types TEXT[], type_versions INTEGER[], data TEXT[], metadata TEXT[], times TIMESTAMPTZ[],
    topics TEXT[], categories TEXT[], keys TEXT[], headers TEXT[]
) RETURNS BIGINT[] LANGUAGE plpgsql AS $$
DECLARE
    lowest  BIGINT;
    before  BIGINT;
    events  INTEGER := 0;
    firsts  BIGINT[];
    results BIGINT[];
BEGIN
    -- Once in a transaction, and before it has a position: a lock that says above what its positions will be, for as long as it is
    -- open. store_horizon reads that.
    IF COALESCE(current_setting('millgate.appends', true), '') = '' THEN
        SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO lowest FROM store_events_position_seq;
        PERFORM pg_advisory_xact_lock_shared(('store_events'::regclass::oid::bigint << 32) | (lowest & 4294967295));
        PERFORM set_config('millgate.appends', 'on', true);
    END IF;
    IF patience > 0 THEN
        PERFORM set_config('lock_timeout', patience::text, true);
    END IF;
    FOR i IN 1..cardinality(streams) LOOP
        before := NULL;
        UPDATE store_streams AS s SET version = s.version + counts[i]
            WHERE s.stream = streams[i] AND (expected[i] = -1 OR s.version = expected[i])
            RETURNING s.version - counts[i] INTO before;
        IF NOT FOUND AND expected[i] <= 0 THEN
            INSERT INTO store_streams (stream, version) VALUES (streams[i], counts[i]) ON CONFLICT (stream) DO NOTHING;
            IF FOUND THEN
                before := 0;
            ELSIF expected[i] = -1 THEN
                -- Somebody else has made it meanwhile.
                UPDATE store_streams AS s SET version = s.version + counts[i] WHERE s.stream = streams[i]
                    RETURNING s.version - counts[i] INTO before;
            END IF;
        END IF;
        firsts[i] := before - events;
        events := events + counts[i];
        IF before IS NULL THEN
            SELECT s.version INTO before FROM store_streams AS s WHERE s.stream = streams[i];
            results[i] := -1 - COALESCE(before, 0);
        ELSE
            results[i] := before + counts[i];
        END IF;
    END LOOP;
    INSERT INTO store_events (stream, version, id, type, type_version, data, metadata, time)
        SELECT streams[e.append], firsts[e.append] + e.place, e.id, e.type, e.type_version, e.data::json, e.metadata::json, e.time
        FROM unnest(appends, ids, types, type_versions, data, metadata, times) WITH ORDINALITY
            AS e (append, id, type, type_version, data, metadata, time, place)
        WHERE firsts[e.append] IS NOT NULL ORDER BY e.place;
    IF quietly THEN
        PERFORM set_config('millgate.quiet', 'on', true);
    ELSE
        PERFORM pg_notify('millgate_store', '');
    END IF;
    INSERT INTO outbox (id, aggregatetype, aggregateid, type, topic, payload, headers)
        SELECT e.id, e.category, e.key, e.type, e.topic, e.data::json, e.headers::json
        FROM unnest(appends, ids, types, topics, categories, keys, data, headers) WITH ORDINALITY
            AS e (append, id, type, topic, category, key, data, headers, place)
        WHERE e.topic IS NOT NULL AND firsts[e.append] IS NOT NULL ORDER BY e.place;
    IF quietly THEN
        PERFORM set_config('millgate.quiet', '', true);
    END IF;
    RETURN results;
END
$$;

-- The position up to which nothing can come any more: every event up to there is committed, or never will be. Events have to be read
-- with a later snapshot than this: by a statement of its own, read committed.
CREATE FUNCTION store_horizon() RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
    last   BIGINT;
    lowest BIGINT;
BEGIN
    -- In this order: who has a position up to `last` has had its lock before, and is finished if it has it no more.
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO last FROM store_events_position_seq;
    -- Locks keep the lower half of a position; the higher half is that of `last`. Above it they are of no concern.
    SELECT min(last - ((last - objid::bigint) & 4294967295)) INTO lowest FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND classid = 'store_events'::regclass::oid
            AND database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
            AND ((last - objid::bigint) & 4294967295) < 2147483648;
    RETURN LEAST(last, lowest);
END
$$;

-- As before, but for those who wake the relay themselves once they have committed.
CREATE OR REPLACE FUNCTION outbox_wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('millgate.quiet', true) IS DISTINCT FROM 'on' THEN
        PERFORM pg_notify('millgate_outbox', '');
    END IF;
    RETURN NULL;
END
$$;
