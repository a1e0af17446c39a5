-- Of which keys an event was published that goes out once in a period. Moments are milliseconds since 1970.
CREATE TABLE window_notices (
    stream text NOT NULL,
    type text NOT NULL,
    key text COLLATE "C" NOT NULL,
    -- The end of the window that was told of.
    told bigint NOT NULL,
    PRIMARY KEY (stream, type, key)
);

CREATE INDEX window_notices_told ON window_notices (stream, type, told);
