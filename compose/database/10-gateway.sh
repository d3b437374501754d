#!/bin/sh
# Run once by PostgreSQL's image, when the database is new: the gateway's role, which owns one database.
set -eu
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
SET log_min_error_statement TO panic;  -- should one fail, the log must not repeat it
\set password `cat "$GATEWAY_PASSWORD_FILE"`
CREATE ROLE consentry LOGIN PASSWORD :'password';
CREATE DATABASE consentry OWNER consentry TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE consentry, postgres, template1 FROM PUBLIC;
SQL
