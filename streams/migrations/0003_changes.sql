-- What streams of changes (Debezium's) know of each row of the tables that they follow.
CREATE TABLE change_rows (
    stream text NOT NULL,
    -- SHA-256 of the key: keys may be longer than an index takes.
    id bytea NOT NULL,
    -- The columns of the row's key as JSON. Empty: the table as a whole, which was truncated.
    key text NOT NULL,
    -- Where in the source's log the last change was that counts; null if the source has no such places.
    lsn bigint,
    -- Whether that was a snapshot, which tells of a row as it was there, and not of its change.
    snapshot boolean NOT NULL,
    -- The row, where the stream remembers rows.
    "row" jsonb,
    -- When it was told that the row is gone. Kept for a while, so that an older change does not bring it back.
    deleted_at timestamptz,
    PRIMARY KEY (stream, id)
);

CREATE INDEX change_rows_deleted ON change_rows (stream, deleted_at) WHERE deleted_at IS NOT NULL;
