-- The audit log: every record of the chosen topics, append-only, a chain of hashes for each partition. docs/audit.md

-- One chain for each partition of a topic; a topic that was made anew begins another (the next epoch). Its row has what the last row
-- of the chain in audit_logs has.
CREATE TABLE audit_chains (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    record_partition integer NOT NULL,
    epoch integer NOT NULL DEFAULT 1,
    number bigint NOT NULL DEFAULT 0,
    hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    record_offset bigint NOT NULL DEFAULT -1,
    recorded_at timestamptz NOT NULL DEFAULT 'epoch',
    UNIQUE (topic, record_partition, epoch)
);

-- Where the chain begins once its oldest months are gone: the number and the hash of the last row of each that was dropped.
CREATE TABLE audit_anchors (
    chain integer NOT NULL REFERENCES audit_chains (id),
    number bigint NOT NULL,
    hash bytea NOT NULL,
    -- The first day of the month that was dropped.
    month date NOT NULL,
    dropped_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain, number, month)
);

CREATE TABLE audit_logs (
    chain integer NOT NULL,
    -- Counts up by one in its chain.
    number bigint NOT NULL,
    -- When it was written here. Never falls in a chain, so a month is a piece of each.
    recorded_at timestamptz NOT NULL,
    topic text NOT NULL,
    record_partition integer NOT NULL,
    record_offset bigint NOT NULL,
    -- Kafka's time of the record.
    record_time timestamptz,
    event_id text NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    event_version bigint,
    event_source text,
    -- When it happened, by the event; else Kafka's time.
    occurred_at timestamptz NOT NULL,
    -- What is looked for is compared byte by byte: an index is less work, and no upgrade of a locale upsets it.
    user_id text COLLATE "C",
    resource text COLLATE "C",
    action text NOT NULL,
    is_error boolean NOT NULL,
    error text,
    correlation_id text COLLATE "C",
    causation_id text,
    trace_id text,
    -- JSON that PostgreSQL can work with; any other value stands in raw, byte for byte.
    payload json,
    raw bytea,
    -- Where in the claim store a value is that was too large for Kafka, and its SHA-256.
    claim text,
    -- SHA-256 of the hash before and of all columns from number to claim: docs/audit.md.
    hash bytea NOT NULL,
    PRIMARY KEY (chain, number, recorded_at)
) PARTITION BY RANGE (recorded_at);

CREATE INDEX audit_logs_by_time ON audit_logs (occurred_at);
CREATE INDEX audit_logs_by_user ON audit_logs (user_id, occurred_at) WHERE user_id IS NOT NULL;
CREATE INDEX audit_logs_by_resource ON audit_logs (resource, occurred_at) WHERE resource IS NOT NULL;
CREATE INDEX audit_logs_by_type ON audit_logs (event_type, occurred_at);
CREATE INDEX audit_logs_by_correlation ON audit_logs (correlation_id) WHERE correlation_id IS NOT NULL;
CREATE INDEX audit_logs_errors ON audit_logs (occurred_at) WHERE is_error;

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the audit log is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

-- A chain only grows.
CREATE FUNCTION audit_only_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.number <= OLD.number OR NEW.recorded_at < OLD.recorded_at
        OR (NEW.id, NEW.topic, NEW.record_partition, NEW.epoch) IS DISTINCT FROM (OLD.id, OLD.topic, OLD.record_partition, OLD.epoch)
    THEN
        RAISE EXCEPTION 'UPDATE on % is refused: a chain of the audit log only grows', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit_logs FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_logs FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit_anchors FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_anchors FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_only_forward BEFORE UPDATE ON audit_chains FOR EACH ROW EXECUTE FUNCTION audit_only_forward();
CREATE TRIGGER audit_append_only BEFORE DELETE ON audit_chains FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_chains FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();

-- Makes the partition for the month (UTC) of a time, unless it is there. With its owner's rights: who writes rows need not own the table.
CREATE FUNCTION audit_make_month(at timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    -- Named with its schema throughout: a caller's temporary tables must not stand in.
    here text := current_schema();
    first timestamp := date_trunc('month', at AT TIME ZONE 'UTC');
    name text := 'audit_logs_' || to_char(first, 'YYYY_MM');
BEGIN
    IF to_regclass(format('%I.%I', here, name)) IS NOT NULL THEN
        RETURN name;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('audit_make_month'), hashtext(here));
    -- Read, not looked up: the cache of names does not know yet what was committed while the lock was waited for.
    IF EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace(quote_ident(here)) AND relname = name) THEN
        RETURN name;
    END IF;
    -- Made by itself and then attached: only so can others write meanwhile.
    EXECUTE format('CREATE TABLE %I.%I (LIKE %I.audit_logs INCLUDING ALL)', here, name, here);
    EXECUTE format('CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON %I.%I FOR EACH STATEMENT EXECUTE FUNCTION %I.audit_refuse()',
        here, name, here);
    EXECUTE format('ALTER TABLE %I.audit_logs ATTACH PARTITION %I.%I FOR VALUES FROM (%L) TO (%L)', here, here, name,
        first AT TIME ZONE 'UTC', (first + INTERVAL '1 month') AT TIME ZONE 'UTC');
    RETURN name;
END $$;

REVOKE ALL ON FUNCTION audit_make_month(timestamptz) FROM PUBLIC;
