-- What the source's database needs, once; its server runs with wal_level=logical. Run it in that database, where the table is
-- already, as a superuser: others may not make a role that replicates.

-- Debezium's own user: it reads the log, and for the first snapshot the tables.
CREATE ROLE debezium LOGIN REPLICATION PASSWORD 'debezium';
GRANT USAGE ON SCHEMA public TO debezium;
GRANT SELECT ON public.users TO debezium;

-- Which tables' changes are sent. Made here, so that Debezium need not own the tables.
CREATE PUBLICATION millgate FOR TABLE public.users;

-- Updates and deletes carry the whole row as it was. Without it they carry the primary key alone, and the log is smaller.
ALTER TABLE public.users REPLICA IDENTITY FULL;
