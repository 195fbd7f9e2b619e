-- Give each role its password from a file of its name in the folder $SECRETS. Run by roles.sh.
-- psql reads the files itself, so that no list of processes shows a password.
SET log_statement = 'none';
\set password `cat "$SECRETS/obs_owner_password"`
ALTER ROLE obs_owner PASSWORD :'password';
\set password `cat "$SECRETS/obs_web_password"`
ALTER ROLE obs_web PASSWORD :'password';
\set password `cat "$SECRETS/obs_worker_password"`
ALTER ROLE obs_worker PASSWORD :'password';
\set password `cat "$SECRETS/obs_grafana_password"`
ALTER ROLE obs_grafana PASSWORD :'password';
\set password `cat "$SECRETS/obs_exporter_password"`
ALTER ROLE obs_exporter PASSWORD :'password';
