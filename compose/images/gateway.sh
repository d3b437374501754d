#!/bin/sh
# Puts the database's password where libpq looks for it, and becomes the command that it is given.
set -eu
if [ -n "${DATABASE_PASSWORD_FILE:-}" ]; then
  # A colon and a backslash have a meaning there. printf is the shell's own: no process has the password.
  (umask 077 && printf '*:*:*:*:%s\n' "$(sed 's/[\\:]/\\&/g' "$DATABASE_PASSWORD_FILE")" >"$PGPASSFILE")
fi
exec "$@"
