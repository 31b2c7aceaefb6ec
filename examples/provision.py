#!/usr/bin/env python3
"""Makes organizations with one API Key each, with an operator key. Run it again: nothing is made twice.

    KEYWRIGHT_OPERATOR_KEY=kw_op_... examples/provision.py http://127.0.0.1:8080 1000 secrets.csv
"""
import http.client, json, os, sys, time, urllib.parse

if len(sys.argv) != 4 or "KEYWRIGHT_OPERATOR_KEY" not in os.environ:
    sys.exit(__doc__)
base, count = urllib.parse.urlsplit(sys.argv[1]), int(sys.argv[2])
connect = http.client.HTTPSConnection if base.scheme == "https" else http.client.HTTPConnection
server, operator = connect(base.netloc), os.environ["KEYWRIGHT_OPERATOR_KEY"]


def call(method, path, customer, body):
    headers = {"Authorization": f"Bearer {operator}", "Content-Type": "application/json", "Idempotency-Key": f"{customer}/{path}"}
    while True:
        server.request(method, f"/identity/v1/{path}?onBehalfOf={customer}", json.dumps(body), headers)
        answer = server.getresponse()
        text = answer.read()
        if answer.status not in (429, 503):
            return answer.status, json.loads(text)
        time.sleep(int(answer.headers.get("Retry-After", 1)))


started, shown = time.monotonic(), 0
# Secrets are shown once: they are appended, and written at once. Whoever may read this file may use them.
with open(os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w", buffering=1) as secrets:
    for number in range(count):
        customer = f"customer-{number}"
        status, organization = call("PUT", f"organizations/by-external-id/{customer}", customer, {"name": f"Customer {number}"})
        if status < 400:
            grants = [{"organizationId": organization["id"], "roles": ["owner"]}]
            status, key = call("POST", f"organizations/{organization['id']}/api-keys", customer, {"name": "main", "grants": grants})
        # 409: it is there since more than 24 hours ago, when the server forgot the Idempotency-Key.
        if status >= 400 and status != 409:
            sys.exit(f"{customer}: {status} {organization if 'id' not in organization else key}")
        if status < 400 and key["secret"]:
            shown += 1
            print(customer, organization["id"], key["id"], key["secret"], sep=",", file=secrets)
print(f"{count} organizations, {shown} secrets written, {time.monotonic() - started:.1f} s", file=sys.stderr)
