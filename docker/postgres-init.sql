-- What config/postgres/embedded.py makes for the embedded server, for one of your own. Run it once, by
-- psql and as a superuser, connected to any database:
--   CITEDESK_OWNER_PASSWORD=… CITEDESK_APP_PASSWORD=… psql -f docker/postgres-init.sql
-- compose.yaml has the postgres container do so at its first start.
\set ON_ERROR_STOP on
\getenv owner_password CITEDESK_OWNER_PASSWORD
\getenv app_password CITEDESK_APP_PASSWORD

-- The owner of the tables migrates. The application serves requests: it owns nothing and no policy lets
-- it by, so row-level security binds it.
CREATE ROLE citedesk_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD :'owner_password';
CREATE ROLE citedesk_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD :'app_password';

CREATE DATABASE citedesk OWNER citedesk_owner;
\connect citedesk
CREATE EXTENSION IF NOT EXISTS vector;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO citedesk_owner;
GRANT USAGE ON SCHEMA public TO citedesk_app;
ALTER DEFAULT PRIVILEGES FOR ROLE citedesk_owner
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO citedesk_app;
ALTER DEFAULT PRIVILEGES FOR ROLE citedesk_owner
    GRANT USAGE, SELECT ON SEQUENCES TO citedesk_app;
