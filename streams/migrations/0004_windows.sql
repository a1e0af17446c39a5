-- Windows. Moments are milliseconds since 1970 where only the program reads them.

-- A stream of windows as a whole. Its row is the lock under which results are made.
CREATE TABLE window_streams (
    stream text PRIMARY KEY,
    -- What its windows are; another answer is another stream.
    shape text NOT NULL,
    -- No partition is behind this, nor will one begin behind it.
    watermark bigint NOT NULL,
    -- Windows that end here or before have their last result.
    closed_through bigint NOT NULL
);

-- How far each partition is in event time: moved with its position, and by the clock where nothing comes.
CREATE TABLE window_watermarks (
    stream text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    watermark bigint NOT NULL,
    -- The latest event's time.
    newest bigint NOT NULL,
    -- Events that count in some window; that came too late; that claim to be of the future.
    events bigint NOT NULL DEFAULT 0,
    late bigint NOT NULL DEFAULT 0,
    ahead bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (stream, topic, partition)
);

-- What the events of one partition come to, by key and slice of time (or session): a result is what they come to together.
CREATE TABLE window_partials (
    stream text NOT NULL,
    key text COLLATE "C" NOT NULL,
    starts bigint NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    ends bigint NOT NULL,
    newest bigint NOT NULL,
    events bigint NOT NULL,
    state text NOT NULL,
    PRIMARY KEY (stream, key, starts, topic, partition)
    -- Rows are written over and over: there has to be room beside them.
) WITH (fillfactor = 70);

CREATE INDEX window_partials_ends ON window_partials (stream, ends);

-- Results, for those who read.
CREATE TABLE window_results (
    stream text NOT NULL,
    key text COLLATE "C" NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    value jsonb NOT NULL,
    events bigint NOT NULL,
    -- Nothing is added any more.
    final boolean NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, key, window_start)
) WITH (fillfactor = 70);

CREATE INDEX window_results_end ON window_results (stream, window_end);
