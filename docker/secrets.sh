#!/bin/sh
# Make the secrets of compose.yml, one file each, outside the checkout; what is there is kept.
# Usage: docker/secrets.sh [FOLDER]     (default: ~/.config/obsplatform/secrets)
#
# The folder is for its owner alone (0700). The files in it are 0444: Compose hands a file on as it
# is, and the containers that read it run as users of their own.
# Made empty, for what only you can know: email_password, slack_webhook_url, pagerduty_routing_key, smtp_password,
# and alerts_api_key (an API key with the scope alerts:write; make it in the desk).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-${XDG_CONFIG_HOME:-$HOME/.config}/obsplatform/secrets}
case "$folder" in /*) ;; *) folder=$PWD/$folder ;; esac
case "$folder/" in
    "$(dirname "$here")"/*) echo "$folder lies in the checkout; name a folder outside it" >&2; exit 2 ;;
esac
umask 077
mkdir -p "$folder"
chmod 0700 "$folder"

keep() {  # keep NAME VALUE: write the file unless it is there
    if [ ! -e "$folder/$1" ]; then
        printf '%s' "$2" > "$folder/.new"
        chmod 0444 "$folder/.new"
        mv "$folder/.new" "$folder/$1"
    fi
}

random() {  # 64 letters and digits that need no quoting anywhere
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

for name in postgres_password obs_owner_password obs_web_password obs_worker_password \
    obs_grafana_password obs_exporter_password valkey_password obs_metrics_token grafana_admin_password
do
    keep "$name" "$(random)"
done
for name in email_password slack_webhook_url pagerduty_routing_key smtp_password alerts_api_key; do
    keep "$name" ""
done

keep database_url "postgresql://obs_web:$(cat "$folder/obs_web_password")@postgres:5432/obsplatform"
keep database_worker_url "postgresql://obs_worker:$(cat "$folder/obs_worker_password")@postgres:5432/obsplatform"
keep database_owner_url "postgresql://obs_owner:$(cat "$folder/obs_owner_password")@postgres:5432/obsplatform"
keep redis_url "redis://:$(cat "$folder/valkey_password")@valkey:6379/0"
keep valkey_auth.conf "requirepass $(cat "$folder/valkey_password")
"
keep redis_exporter.json "{\"redis://valkey:6379\": \"$(cat "$folder/valkey_password")\"}"

if [ ! -e "$here/.env" ]; then
    sed "s|^SECRETS=.*|SECRETS=$folder|" "$here/.env.example" > "$here/.env"
    echo "settings of the stack: $here/.env"
fi
echo "secrets: $folder"
