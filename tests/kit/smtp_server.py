"""An SMTP server that keeps what it accepts: aiosmtpd speaks the protocol, this file adds a policy and a Maildir.

The local part of a recipient chooses what happens to it, so each test gets its own behaviour from one server:

    refused    550, for good
    later      450 the first time this recipient is seen; `later3` the first three times; then accepted
    hang       RCPT is never answered
    drop       the connection is cut at RCPT

Any other recipient is accepted. A kept message starts with X-Envelope-From and X-Envelope-To.

With a certificate it speaks TLS: by STARTTLS, and takes no mail without it; or, with --smtps, from the first byte. With
--login it takes mail only from that user.
"""

import argparse
import asyncio
import mailbox
import os
import re
import secrets
import signal
import ssl
from collections import Counter

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Policy:
    def __init__(self, maildir):
        os.makedirs(os.path.dirname(os.path.abspath(maildir)), exist_ok=True)
        self.maildir = mailbox.Maildir(maildir)
        self.deferred = Counter()

    async def handle_RCPT(self, server, session, envelope, address, options):
        local_part = address.rpartition("@")[0].lower()
        if "refused" in local_part:
            return "550 5.1.1 no such mailbox"
        later = re.search(r"later(\d*)", local_part)
        if later and self.deferred[address] < int(later[1] or 1):
            self.deferred[address] += 1
            return "450 4.2.0 try again later"
        if "drop" in local_part:
            server.transport.abort()
        if "hang" in local_part or "drop" in local_part:
            # Ends when the connection does: aiosmtpd then cancels this task.
            await asyncio.Event().wait()
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        head = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n"
        # As bytes: a parsed and rewritten message would not be the one that was sent.
        self.maildir.add(head.encode() + envelope.original_content)
        return "250 2.0.0 kept"


async def serve(args):
    policy = Policy(args.maildir)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, stop.set)
    options = {"hostname": "localhost", "enable_SMTPUTF8": True, "loop": loop}
    tls = None
    if args.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(args.certificate, args.key)
        if not args.smtps:
            options |= {"tls_context": tls, "require_starttls": True}
    if args.login:
        user, _, password = args.login.encode().partition(b":")

        def authenticate(server, session, envelope, mechanism, data):
            given = isinstance(data, LoginPassword) and data.login == user
            # Not handled: aiosmtpd itself answers, with 235 or 535.
            return AuthResult(success=given and secrets.compare_digest(data.password, password), handled=False)

        options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": not args.smtps and bool(tls)}
    # A given host name keeps aiosmtpd from asking the resolver for one at every connection.
    server = await loop.create_server(
        lambda: SMTP(policy, **options), "127.0.0.1", args.port, ssl=tls if args.smtps else None
    )
    port = server.sockets[0].getsockname()[1]
    print(f"listening on 127.0.0.1:{port}", flush=True)
    if args.port_file:
        # Renamed into place: who waits for the file never reads half a number.
        with open(args.port_file + ".new", "w", encoding="ascii") as file:
            file.write(f"{port}\n")
        os.replace(args.port_file + ".new", args.port_file)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="SMTP server for tests, on the loopback address")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--maildir", required=True)
    parser.add_argument("--certificate", help="PEM file; with --key")
    parser.add_argument("--key")
    parser.add_argument("--smtps", action="store_true", help="TLS from the first byte")
    parser.add_argument("--login", help="user:password")
    parser.add_argument("--port-file", help="gets the port once the server listens")
    asyncio.run(serve(parser.parse_args()))
