-- How far each stream is in each partition: moved in the transaction that writes what the records came to.
CREATE TABLE stream_positions (
    stream text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    -- The first offset that is not in the stream's tables.
    next_offset bigint NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, topic, partition)
);
