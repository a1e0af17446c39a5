-- Who has which id, as another service's table of users says it.
CREATE TABLE directory (
    id bigint PRIMARY KEY,
    name text NOT NULL
);
