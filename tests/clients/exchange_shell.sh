#!/bin/sh
# What a person types: a key becomes a token, the token opens an API. The present form of the exchange and the oldest one.
# Usage: exchange_shell.sh CREDENTIALS_FILE   (PYTHON names the interpreter that reads JSON; python3 if unset)
set -eu

json() {
  "${PYTHON:-python3}" -c '
import json, sys
value = json.load(sys.stdin)
for name in sys.argv[1:]:
    value = value[name]
print(len(value) if isinstance(value, list) else value)
' "$@"
}

fetch() {
  curl --silent --show-error --fail --max-time 20 "$@"
}

AUTH_URL=$(json authUrl <"$1")
API_URL=$(json apiUrl <"$1")
KEY=$(json personalAccessKeys owner <"$1")

TOKEN=$(fetch -X POST "$AUTH_URL/auth/v3/token" -d "personalAccessKey=$KEY" | json access_token)
PROFILES=$(fetch "$API_URL/distribution/v2/profiles" -H "Authorization: $TOKEN" | json)
[ "$PROFILES" = 3 ] || { echo "the token of the present form opened $PROFILES profiles, not 3" >&2; exit 1; }

TOKEN=$(fetch -X POST "$AUTH_URL/auth/v1/token" -d "pat=$KEY" | json access_token)
PROFILES=$(fetch "$API_URL/distribution/v2/profiles" -H "Authorization: Bearer $TOKEN" | json)
[ "$PROFILES" = 3 ] || { echo "the token of the oldest form opened $PROFILES profiles, not 3" >&2; exit 1; }

STATUS=$(curl --silent --max-time 20 --output /dev/null --write-out '%{http_code}' "$API_URL/distribution/v2/profiles")
[ "$STATUS" = 401 ] || { echo "without a token the answer was $STATUS, not 401" >&2; exit 1; }

echo "curl: both forms of the exchange opened the API"
