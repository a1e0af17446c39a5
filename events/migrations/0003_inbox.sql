-- Jobs whose effects are in this database: the row and the effects are one transaction.
CREATE TABLE inbox (
    queue        TEXT NOT NULL,
    job_id       TEXT NOT NULL,
    processed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (queue, job_id)
);

CREATE INDEX inbox_by_age ON inbox (processed_at);
