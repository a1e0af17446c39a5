CREATE TABLE users (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL,
    bio text,
    balance numeric(12, 2),
    born date,
    seen timestamp,
    at timestamptz,
    tags text[],
    extra jsonb,
    photo bytea
);
-- Long values lie beside the row, and are not in the log again while they stay the same.
ALTER TABLE users ALTER COLUMN bio SET STORAGE EXTERNAL;
CREATE TABLE slim (LIKE users INCLUDING ALL);
