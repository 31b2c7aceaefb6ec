"""Schemathesis against every document of the API page, as everybody who may call: no answer is a server error, and none is one that its
document does not have.

Usage: python specs_with_schemathesis.py CREDENTIALS_FILE [--full]
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT = 20
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]
# Streams do not end, and what the process is asked for by its keeper is no API.
LEFT_OUT = ["/status/v1/stream"]
CALLERS = ["anonymous", "viewer", "manager", "owner", "globexowner"]


def exchange(issuer, key):
    form = urllib.parse.urlencode({"personalAccessKey": key}).encode()
    with urllib.request.urlopen(issuer + "/auth/v3/token", form, timeout=TIMEOUT) as answer:
        return json.load(answer)["access_token"]


def documents(issuer):
    """The names that the API page lists."""
    with urllib.request.urlopen(issuer + "/openapi/swagger-initializer.js", timeout=TIMEOUT) as answer:
        text = answer.read().decode()
    names = sorted({piece.split('.json"')[0] for piece in text.split('"/openapi/')[1:] if '.json"' in piece})
    assert {"auth", "distribution", "gateway", "identity", "oauth"} <= set(names), text
    return names


def operations(issuer, name):
    with urllib.request.urlopen(f"{issuer}/openapi/{name}.json", timeout=TIMEOUT) as answer:
        document = json.load(answer)
    return sum(len([method for method in item if method in ("get", "put", "post", "patch", "delete")]) for item in document["paths"].values())


def run(issuer, name, caller, token, examples):
    """The counts of one run; the run's output if something of it fails."""
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report.ndjson")
        command = [
            os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run", f"{issuer}/openapi/{name}.json",
            "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing" + (",stateful" if examples > 5 else ""),
            "--max-examples", str(examples), "--seed", "1", "--warnings", "off", "--no-color", "--request-timeout", str(TIMEOUT),
            "--continue-on-failure", "--suppress-health-check", "all", "--report", "ndjson", "--report-ndjson-path", report,
        ]
        for path in LEFT_OUT:
            command += ["--exclude-path", path]
        if token:
            command += ["--header", f"Authorization: Bearer {token}"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=3600, env={**os.environ, "NO_PROXY": "*", "no_proxy": "*"})
        return done.returncode == 0, done.stdout + done.stderr


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        credentials = json.load(file)
    examples = 50 if "--full" in sys.argv else 2
    issuer = credentials["apiUrl"]
    keys = credentials["personalAccessKeys"]
    only = [argument for argument in sys.argv[2:] if not argument.startswith("--")]
    failed = []
    for name in only or documents(issuer):
        for caller in CALLERS:
            # A token a run: some operations end those of whoever calls them.
            token = None if caller == "anonymous" else exchange(issuer, keys[caller])
            good, output = run(issuer, name, caller, token, examples)
            summary = [line.strip() for line in output.splitlines() if "generated" in line or "Operations" in line or "tested" in line.lower()]
            print(f"{name} as {caller}: {operations(issuer, name)} operations, {'all as documented' if good else 'NOT as documented'}; {' '.join(summary)}", flush=True)
            if not good:
                failed.append(output)
    for output in failed:
        print(output)
    assert not failed, f"{len(failed)} runs found answers outside of the documents"


main()
