-- Orders that nobody has to be reminded of any more.
CREATE TABLE closed_orders (
    order_id  TEXT PRIMARY KEY,
    -- paid or canceled.
    outcome   TEXT NOT NULL,
    -- What was paid.
    amount_cents BIGINT,
    currency  TEXT,
    -- When that happened, as the event says.
    closed_at TIMESTAMPTZ NOT NULL
);
