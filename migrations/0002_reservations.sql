-- What is reserved is neither for sale nor sold yet. The version counts the changes of a row.
ALTER TABLE stock ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0);
ALTER TABLE stock ADD COLUMN version BIGINT NOT NULL DEFAULT 0;

-- What is known of an order, in whatever order it came to be known.
CREATE TABLE reservations (
    order_id   TEXT PRIMARY KEY,
    status     TEXT NOT NULL DEFAULT 'awaited'
               CHECK (status IN ('awaited', 'reserved', 'committed', 'released', 'rejected')),
    paid       BOOLEAN NOT NULL DEFAULT FALSE,
    items      JSONB NOT NULL DEFAULT '[]',      -- what it holds: {"sku": …, "quantity": …}
    changed_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
