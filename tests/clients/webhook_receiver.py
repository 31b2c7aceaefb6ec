"""A receiver of webhooks for tests. It prints the port it listens on, then what it makes of each request: a line of JSON each. Secrets
come by standard input, a line each (`/path whsec_...`), and `release` lets requests go on that are held. It ends when its input does.

    webhook_receiver.py [--port N] [--address A] [--certificate FILE --key FILE]

The path says how it answers: /ok, /huge, /redirect, /held, /garbage, /status/NNN. Signatures are checked twice: by the standard
library's hmac, and by the library of Standard Webhooks, which refuses what is older than five minutes.
"""

import argparse
import hashlib
import hmac
import json
import ssl
import sys
import threading
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import standardwebhooks
from standardwebhooks import webhooks

SECRETS = {}
RELEASED = threading.Event()
PRINTING = threading.Lock()


def tell(value):
    with PRINTING:
        print(json.dumps(value), flush=True)


def accepts(secret, body, headers, later=0):
    """What the library says `later` seconds after the time in the headers: the test's clock is not this machine's."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(float(headers["webhook-timestamp"]), tz) + timedelta(seconds=later)

    with PRINTING:
        webhooks.datetime = Clock
        try:
            standardwebhooks.Webhook(secret).verify(body, headers)
            return True
        except standardwebhooks.WebhookVerificationError:
            return False
        finally:
            webhooks.datetime = datetime


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        secret = SECRETS.get(self.path, "whsec_bm9ib2R5J3M=")
        expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        tell(
            {
                "path": self.path,
                "headers": headers,
                "body": body.decode(),
                "contract": hmac.compare_digest(expected, headers["ac_signature"]),
                "standard": accepts(secret, body, headers),
                "inTime": [accepts(secret, body, headers, later) for later in (-299, 299)],
                "replayed": [accepts(secret, body, headers, later) for later in (-301, 301)],
                "forged": [
                    accepts("whsec_" + "A" * 44, body, headers),
                    accepts(secret, body + b" ", headers),
                    accepts(secret, body, {**headers, "webhook-id": "another"}),
                    accepts(secret, body, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}),
                ],
            }
        )
        self.close_connection = True
        if self.path == "/held":
            RELEASED.wait()
        if self.path == "/garbage":
            self.wfile.write(b"what do you want?\r\n\r\n")
            return
        status = {"/redirect": 307}.get(self.path, 200)
        if self.path.startswith("/status/"):
            status = int(self.path.removeprefix("/status/"))
        self.send_response(status)
        if status == 307:
            self.send_header("location", "/ok")
        self.end_headers()
        try:
            while self.path == "/huge":
                self.wfile.write(b"x" * 65536)
        except OSError:
            pass

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Whoever breaks off a handshake has his reasons, which the test asks for on his side."""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    options = parser.parse_args()
    server = Server((options.address, options.port), Receiver)
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tell({"port": server.server_port})
    for line in sys.stdin:
        if line.strip() == "release":
            RELEASED.set()
            continue
        path, secret = line.split()
        SECRETS[path] = secret
        tell({"knows": path})
    RELEASED.set()


main()
