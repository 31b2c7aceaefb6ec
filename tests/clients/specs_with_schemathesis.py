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
import uuid

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
# Signed documents, which are texts. Schemathesis takes them for JSON when it holds them against their schema, so that it leaves out that one check.
SIGNED = ["/.well-known/keywright-catalog", "/status/v1/changes"]
# The owner last: whoever may do everything there suspends and removes the others.
CALLERS = ["anonymous", "viewer", "manager", "globexowner", "owner"]


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


def run(issuer, name, token, examples, configuration, checks, option, paths):
    """Whether everything went well, and what was printed."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "schemathesis.toml"), "w", encoding="utf-8") as file:
            file.write(configuration)
        command = [
            os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run", f"{issuer}/openapi/{name}.json",
            "--checks", ",".join(checks), "--phases", "examples,coverage,fuzzing" + (",stateful" if examples > 5 else ""),
            "--max-examples", str(examples), "--seed", "1", "--warnings", "off", "--no-color", "--request-timeout", str(TIMEOUT),
            "--continue-on-failure", "--suppress-health-check", "all",
        ]
        for path in paths:
            command += [option, path]
        if token:
            command += ["--header", f"Authorization: Bearer {token}"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=3600, env={**os.environ, "NO_PROXY": "*", "no_proxy": "*"})
        return done.returncode == 0, done.stdout + done.stderr


def call(issuer, token, method, path, body):
    """The answer's JSON."""
    headers = {"Authorization": f"Bearer {token}", **({"Content-Type": "multipart/form-data; boundary=b"} if isinstance(body, bytes) else {})}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(issuer + path, data, headers, method=method), timeout=TIMEOUT) as answer:
        return json.load(answer)


def distribution(issuer, token):
    """Ids of things that are there, in the caller's organization, half of the time: behind an id that nobody has there is only one answer."""
    name = {"name": str(uuid.uuid4())}
    profile = call(issuer, token, "POST", "/distribution/v2/profiles", name)["id"]
    group = call(issuer, token, "POST", "/distribution/v2/testing-groups", name)["id"]
    form = b"--b\r\nContent-Disposition: form-data; name=File; filename=shop-1.4.2.ipa\r\n\r\ncontent\r\n--b--\r\n"
    done = call(issuer, token, "POST", f"/distribution/v2/profiles/{profile}/app-versions", form)
    nobodys = str(uuid.uuid4())
    lines = []
    for pattern, ids in [
        ("^/distribution/v[12]/profiles/[^/]+(/settings)?$", {"id": profile}),
        ("^/distribution/v[12]/profiles/[^/]+/app-versions", {"id": profile, "versionId": done["appVersionId"]}),
        ("^/distribution/v[12]/testing-groups/", {"id": group}),
        ("^/task/", {"id": done["taskId"]}),
    ]:
        parameters = ", ".join(f'"path.{parameter}" = ["{value}", "{value}", "{nobodys}"]' for parameter, value in ids.items())
        # What is deleted first is missed by all others.
        lines.append(f"[[operations]]\ninclude-path-regex = '{pattern}'\ninclude-method = ['GET', 'POST', 'PATCH', 'PUT']\nparameters = {{ {parameters} }}\n")
    return "\n".join(lines)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        credentials = json.load(file)
    examples = 50 if "--full" in sys.argv else 2
    issuer = credentials["apiUrl"]
    keys = credentials["personalAccessKeys"]
    only = [argument for argument in sys.argv[2:] if not argument.startswith("--")]
    failed = []
    # What the identity API is asked for takes keys and members away.
    for name in sorted(only or documents(issuer), key=lambda name: (name == "identity", name)):
        for caller in CALLERS:
            # A token a run: some operations end those of whoever calls them.
            token = None if caller == "anonymous" else exchange(issuer, keys[caller])
            configuration = distribution(issuer, exchange(issuer, keys["globexowner" if caller == "globexowner" else "owner"])) if name == "distribution" else ""
            good, output = run(issuer, name, token, examples, configuration, CHECKS, "--exclude-path", LEFT_OUT + SIGNED)
            if name == "auth":
                checks = [check for check in CHECKS if check != "response_schema_conformance"]
                also, more = run(issuer, name, token, examples, "", checks, "--include-path", SIGNED)
                good, output = good and also, output + more
            summary = [line.strip() for line in output.splitlines() if "generated" in line or "Operations" in line or "tested" in line.lower()]
            print(f"{name} as {caller}: {operations(issuer, name)} operations, {'all as documented' if good else 'NOT as documented'}; {' '.join(summary)}", flush=True)
            if not good:
                failed.append(output)
    for output in failed:
        print(output)
    assert not failed, f"{len(failed)} runs found answers outside of the documents"


main()
