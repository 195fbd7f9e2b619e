#!/bin/sh
# Bring the roles and guards of a database to this version, and set the roles' passwords from files.
# Run as a superuser before each migration; safe to repeat. Asks PGHOST, PGUSER and PGDATABASE as
# psql does; SQL names the folder of the files beside this one, SECRETS that of the passwords.
set -eu

sql=${SQL:-$(cd "$(dirname "$0")" && pwd)}
SECRETS=${SECRETS:-/run/secrets}
export SECRETS
if [ -e "$SECRETS/postgres_password" ]; then
    PGPASSWORD=$(cat "$SECRETS/postgres_password")
    export PGPASSWORD
fi

for role in owner web worker grafana exporter; do
    if [ ! -s "$SECRETS/obs_${role}_password" ]; then
        echo "$SECRETS/obs_${role}_password is empty or not there; docker/secrets.sh makes it" >&2
        exit 1
    fi
done
for file in roles.sql event_trigger.sql exporter.sql passwords.sql; do
    psql --no-psqlrc --quiet --single-transaction -v ON_ERROR_STOP=1 -f "$sql/$file"
done
echo "roles, guards and passwords are set"
