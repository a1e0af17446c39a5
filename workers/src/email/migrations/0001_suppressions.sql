-- Addresses that no mail goes to, or only what they have to get.
CREATE TABLE mail_suppressions (
    -- In lower case.
    address       TEXT PRIMARY KEY,
    -- bounced, unsubscribed or blocked.
    reason        TEXT NOT NULL,
    -- What the mail server said, or who asked for it.
    note          TEXT NOT NULL,
    suppressed_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
