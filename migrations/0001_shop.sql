-- What the shop has. The check is the last line of defence; handlers never ask for more than there is.
CREATE TABLE stock (
    sku       TEXT PRIMARY KEY,
    available INTEGER NOT NULL CHECK (available >= 0)
);

-- Every change of stock, with the order that made it.
CREATE TABLE stock_movements (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id TEXT NOT NULL,
    sku      TEXT NOT NULL REFERENCES stock (sku),
    quantity INTEGER NOT NULL,
    moved_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX stock_movements_by_order ON stock_movements (order_id);

-- Something to sell from the first day.
INSERT INTO stock (sku, available) VALUES ('chair', 60), ('lamp', 100), ('table', 25);
