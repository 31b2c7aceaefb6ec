#!/usr/bin/env python3
"""Makes organizations with one API Key each, with an operator key. Run it again: nothing is made twice.

    KEYWRIGHT_OPERATOR_KEY=kw_op_... examples/provision.py http://127.0.0.1:8080 1000 > secrets.csv
"""
import http.client, json, os, sys, time, urllib.parse

base, count = urllib.parse.urlsplit(sys.argv[1]), int(sys.argv[2])
connect = http.client.HTTPSConnection if base.scheme == "https" else http.client.HTTPConnection
server, operator = connect(base.netloc), os.environ["KEYWRIGHT_OPERATOR_KEY"]


def call(method, path, customer, body, once):
    headers = {"Authorization": f"Bearer {operator}", "Content-Type": "application/json", "Idempotency-Key": once}
    while True:
        server.request(method, f"/identity/v1/{path}?onBehalfOf={customer}", json.dumps(body), headers)
        answer = server.getresponse()
        text = answer.read()
        if answer.status in (429, 503):
            time.sleep(int(answer.headers.get("Retry-After", 1)))
        elif answer.status >= 400:
            sys.exit(f"{method} {path}: {answer.status} {text.decode()}")
        else:
            return json.loads(text)


started, shown = time.monotonic(), 0
for number in range(count):
    customer = f"customer-{number}"
    organization = call("PUT", f"organizations/by-external-id/{customer}", customer, {"name": f"Customer {number}"}, f"{customer}/organization")["id"]
    grants = [{"organizationId": organization, "roles": ["owner"]}]
    key = call("POST", f"organizations/{organization}/api-keys", customer, {"name": "main", "grants": grants}, f"{customer}/key")
    if key["secret"]:
        shown += 1
        print(customer, organization, key["id"], key["secret"], sep=",")
print(f"{count} organizations, {shown} secrets shown, {time.monotonic() - started:.1f} s", file=sys.stderr)
