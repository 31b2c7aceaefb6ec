"""A mail server for tests. It prints the port it listens on, then each piece of mail as Python's own parser understands it: a line
of JSON each. It ends when its standard input does.

    smtp_server.py [--port N] [--refuse ADDRESS] [--later ADDRESS] [--certificate FILE --key FILE [--tls]] [--user NAME --password TEXT]
"""

import argparse
import asyncio
import json
import ssl
import sys
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self, options):
        self.options = options

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address in self.options.refuse:
            return "550 5.1.1 <%s>: no such person here" % address
        if address in self.options.later:
            return "451 4.7.1 <%s>: come again later" % address
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 known"

    async def handle_DATA(self, server, session, envelope):
        message = message_from_bytes(envelope.original_content, policy=policy.default)
        parts = {part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()}
        defects = [repr(defect) for part in message.walk() for defect in part.defects]
        defects += [repr(defect) for part in message.walk() for value in part.values() for defect in value.defects]
        tell(
            {
                "mailFrom": envelope.mail_from,
                "rcptTo": envelope.rcpt_tos,
                "tls": session.ssl is not None or self.options.tls,
                "user": session.auth_data.login.decode() if session.auth_data else None,
                "headers": [[name.lower(), str(value)] for name, value in message.items()],
                "contentType": message.get_content_type(),
                "parts": parts,
                "partTypes": [part.get_content_type() for part in message.iter_parts()],
                "charsets": [part.get_content_charset() for part in message.iter_parts()],
                "longestLine": max(len(line) for line in envelope.original_content.split(b"\r\n")),
                "isAscii": envelope.original_content.isascii(),
                "defects": defects,
            }
        )
        return "250 2.0.0 taken"


def tell(value):
    print(json.dumps(value), flush=True)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--refuse", action="append", default=[])
    parser.add_argument("--later", action="append", default=[])
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--user")
    parser.add_argument("--password")
    return parser.parse_args()


async def main():
    options = arguments()
    context = None
    if options.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certificate, options.key)

    def authenticate(server, session, envelope, mechanism, data):
        known = (data.login.decode(), data.password.decode()) == (options.user, options.password)
        return AuthResult(success=known, handled=known, auth_data=data if known else None)

    def protocol():
        return SMTP(
            Handler(options),
            hostname="mail.example.com",
            require_starttls=context is not None and not options.tls,
            tls_context=None if options.tls else context,
            authenticator=authenticate,
            auth_required=options.user is not None,
            auth_require_tls=not options.tls,
            loop=loop,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", options.port, ssl=context if options.tls else None)
    tell({"port": server.sockets[0].getsockname()[1]})
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(main())
