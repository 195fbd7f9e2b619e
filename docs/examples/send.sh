#!/bin/sh
# Send an act of an agent with curl alone, and wait until the ledger has it.
# send.sh [ID [TIME]]: needs curl; OBS_URL is the platform's address, OBS_KEY a key with events:write.
set -eu

: "${OBS_URL:?set OBS_URL to the address of the platform, such as http://127.0.0.1:8000}"
: "${OBS_KEY:?set OBS_KEY to a key with events:write}"

# An id of your own makes sending again harmless: the same event once more is a "duplicate".
id=${1:-$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen | tr A-Z a-z)}
now=${2:-$(date -u +%Y-%m-%dT%H:%M:%SZ)}

event=$(cat <<JSON
{
  "id": "$id",
  "occurred_at": "$now",
  "category": "tool_call",
  "action": "tool.invoke",
  "outcome": "success",
  "agent": {"id": "shell-agent"},
  "actor": {"type": "agent", "id": "shell-agent"},
  "target": {"type": "tool", "id": "look_up"},
  "tool": {"name": "look_up"}
}
JSON
)

curl --silent --show-error --fail-with-body --retry 3 \
  --header "Authorization: Bearer $OBS_KEY" \
  --header "Content-Type: application/json" \
  --data "$event" \
  "$OBS_URL/api/v1/events?wait=sealed"
echo

# The same agent as a trace: OTLP over HTTP, ids in hexadecimal, times in nanoseconds since 1970.
trace=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
span=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
seconds=$(date +%s)

curl --silent --show-error --fail-with-body --retry 3 \
  --header "Authorization: Bearer $OBS_KEY" \
  --header "Content-Type: application/json" \
  --data @- "$OBS_URL/v1/traces" <<JSON
{"resourceSpans": [{
  "resource": {"attributes": [
    {"key": "service.name", "value": {"stringValue": "shell-agent"}},
    {"key": "obs.agent.id", "value": {"stringValue": "shell-agent"}}]},
  "scopeSpans": [{"spans": [{
    "traceId": "$trace", "spanId": "$span", "name": "chat example-large", "kind": 3,
    "startTimeUnixNano": "${seconds}000000000", "endTimeUnixNano": "${seconds}250000000",
    "attributes": [
      {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
      {"key": "gen_ai.provider.name", "value": {"stringValue": "example"}},
      {"key": "gen_ai.request.model", "value": {"stringValue": "example-large"}},
      {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "31"}},
      {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "7"}}]}]}]}]}
JSON
echo
echo "$id $trace"
