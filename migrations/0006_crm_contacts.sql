-- What customer relations know of users, as their newest event says it.
CREATE TABLE crm_contacts (
    user_id    TEXT PRIMARY KEY,
    email      TEXT NOT NULL,
    name       TEXT NOT NULL,
    locale     TEXT,
    -- When that was so, as the event says.
    changed_at TIMESTAMPTZ NOT NULL
);
