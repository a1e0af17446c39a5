-- Events that are on their way to Kafka: written in the transaction that they tell of, published by `millgate relay`.
-- The first five columns are those that Debezium reads; a row of these five alone is an event already.
CREATE TABLE outbox (
    id            UUID NOT NULL DEFAULT gen_random_uuid(),
    aggregatetype TEXT NOT NULL,
    aggregateid   TEXT NOT NULL,
    type          TEXT NOT NULL,
    payload       JSON,                          -- as it is written here; null is a tombstone
    topic         TEXT,                          -- null: the type
    key           TEXT,                          -- null: the aggregateid
    headers       JSON NOT NULL DEFAULT '{}',    -- name to text; they go before what the relay says by itself
    created       TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- The order in which rows of one key are published. From a sequence that caches nothing.
    position      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY
);

-- Keys whose first event Kafka refuses. Nothing of such a key goes on; all others do.
CREATE TABLE outbox_stuck (
    topic        TEXT NOT NULL,
    key          TEXT NOT NULL,
    position     BIGINT NOT NULL,                -- of the event that is refused
    tries        INTEGER NOT NULL,
    error        TEXT NOT NULL,
    first_failed TIMESTAMPTZ NOT NULL DEFAULT now(),
    next_try     TIMESTAMPTZ,                    -- null: dead, tried again when somebody says so
    PRIMARY KEY (topic, key)
);

-- Wakes the relay when the transaction commits. Without it the relay looks every `relay.poll_interval`.
CREATE FUNCTION outbox_wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('millgate_outbox', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER outbox_wake AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION outbox_wake();
