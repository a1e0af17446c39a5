-- The tables that Debezium follows in tests; ops/debezium/source.sql comes after this.
CREATE TABLE users (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL,
    bio text,
    balance numeric(12, 2),
    born date,
    seen timestamp,
    at timestamptz
);
-- Of every type whose values may lie beside the row, one.
CREATE TABLE albums (
    id bigint PRIMARY KEY,
    title text NOT NULL,
    notes text,
    photo bytea,
    tags text[],
    numbers int[],
    sizes bigint[],
    ids uuid[],
    extra jsonb
);
-- Beside it as soon as the row is long, however well they could be compressed.
ALTER TABLE users ALTER bio SET STORAGE EXTERNAL;
ALTER TABLE albums ALTER notes SET STORAGE EXTERNAL, ALTER photo SET STORAGE EXTERNAL, ALTER tags SET STORAGE EXTERNAL,
    ALTER numbers SET STORAGE EXTERNAL, ALTER sizes SET STORAGE EXTERNAL, ALTER ids SET STORAGE EXTERNAL,
    ALTER extra SET STORAGE EXTERNAL;
