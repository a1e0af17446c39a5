-- What the sagas of the shop work on. Money is either in somebody's wallet or in a payment that was not refunded.
CREATE TABLE wallets (
    customer TEXT PRIMARY KEY,
    cents    BIGINT NOT NULL CHECK (cents >= 0)
);

CREATE TABLE payments (
    -- The order, or the booking.
    reference TEXT PRIMARY KEY,
    customer  TEXT NOT NULL,
    cents     BIGINT NOT NULL,
    status    TEXT NOT NULL CHECK (status IN ('paid', 'refunded'))
);

CREATE TABLE seats (
    seat       TEXT PRIMARY KEY,
    booking_id TEXT
);

CREATE TABLE bookings (
    booking_id TEXT PRIMARY KEY,
    status     TEXT NOT NULL CHECK (status IN ('reserved', 'confirmed', 'released'))
);

CREATE TABLE shipments (
    order_id TEXT PRIMARY KEY,
    address  TEXT NOT NULL,
    status   TEXT NOT NULL CHECK (status IN ('created', 'canceled'))
);
