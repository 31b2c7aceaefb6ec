"""An API in Python, without a library. `keywright verifier --issuer URL --listen unix:SOCKET` beside it judges the tokens.

Usage: python api.py SOCKET PORT
"""

import http.client
import http.server
import json
import socket
import sys


class Verifier(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(sys.argv[1])


class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        question = {"token": self.headers["authorization"], "permission": "distribution.profile.view"}
        try:
            verifier = Verifier("verifier")
            verifier.request("POST", "/verify", json.dumps(question))
            verdict = verifier.getresponse()
            status, headers, body = verdict.status, verdict.headers, verdict.read()
        except (OSError, http.client.HTTPException):
            status, headers, body = 503, {"retry-after": "1"}, b""  # not judged is not let in
        if status == 200:
            headers, body = {}, f"hello {json.loads(body)['claims']['email']}\n".encode()
        # What the verifier says to a bad token is for the caller: status, challenge and body.
        self.send_response(status)
        for name in {"content-type", "www-authenticate", "retry-after"} & {name.lower() for name in headers}:
            self.send_header(name, headers[name])
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Api)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
