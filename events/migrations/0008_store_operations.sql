-- The replay that makes a build; NULL: runners make it.
ALTER TABLE store_projections ADD COLUMN replay TEXT;

-- Events that somebody had a projection pass over.
CREATE TABLE store_skips (
    projection TEXT NOT NULL,
    build      BIGINT NOT NULL,              -- a skip is of one set of tables: the next one tries the event again
    position   BIGINT NOT NULL,
    event      UUID NOT NULL,
    error      TEXT NOT NULL,                -- why it stood still
    skipped_by TEXT NOT NULL,
    why        TEXT NOT NULL,
    skipped_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, build, position)
);

-- Appends that had a key: they are not taken in again.
CREATE TABLE store_keys (
    stream      TEXT NOT NULL,
    key         TEXT NOT NULL,
    version     BIGINT NOT NULL,             -- of the stream after the append
    appended_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, key)
);

-- An append of one stream, unless one with that key is there: then it gives the version of the stream after that one. Who comes with
-- the same key meanwhile waits for the first, also where its connection is gone and its transaction is not.
CREATE FUNCTION store_append_once(
    append_key TEXT, streams TEXT[], expected BIGINT[], counts INTEGER[], quietly BOOLEAN, patience INTEGER,
    appends INTEGER[], ids UUID[], types TEXT[], type_versions INTEGER[], data TEXT[], metadata TEXT[], times TIMESTAMPTZ[],
    topics TEXT[], categories TEXT[], keys TEXT[], headers TEXT[]
) RETURNS BIGINT[] LANGUAGE plpgsql AS $$
DECLARE
    results BIGINT[];
BEGIN
    INSERT INTO store_keys (stream, key, version) VALUES (streams[1], append_key, 0) ON CONFLICT (stream, key) DO NOTHING;
    IF NOT FOUND THEN
        RETURN ARRAY(SELECT k.version FROM store_keys AS k WHERE k.stream = streams[1] AND k.key = append_key);
    END IF;
    results := store_append(streams, expected, counts, quietly, patience, appends, ids, types, type_versions, data, metadata,
        times, topics, categories, keys, headers);
    IF results[1] < 0 THEN
        DELETE FROM store_keys AS k WHERE k.stream = streams[1] AND k.key = append_key;
    ELSE
        UPDATE store_keys AS k SET version = results[1] WHERE k.stream = streams[1] AND k.key = append_key;
    END IF;
    RETURN results;
END
$$;
