"""A mail server for the tests: aiosmtpd, which writes each mail into a folder.

usage: server.py FOLDER [starttls|implicit] [CERT KEY] [plain|login]
Prints its port, or that aiosmtpd is missing. Recipients named no@ are refused, later@ are put off.
"""
import asyncio, json, logging, os, ssl, sys, warnings

try:
    from aiosmtpd.smtp import SMTP, AuthResult
except ImportError:
    print("missing", flush=True)
    sys.exit(1)

logging.disable()
warnings.simplefilter("ignore")
folder, mode = sys.argv[1], sys.argv[2]
context = None
if mode != "none":
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(sys.argv[3], sys.argv[4])


class Handler:
    count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("no@"):
            return "550 no such user"
        if address.startswith("later@"):
            return "451 not now"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        Handler.count += 1
        name = os.path.join(folder, str(Handler.count))
        with open(name + ".eml", "wb") as f:
            f.write(envelope.original_content)
        with open(name + ".json", "w") as f:
            json.dump({"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": server.transport.get_extra_info("ssl_object") is not None, "user": session.authenticated}, f)
        return "250 taken"


def check(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"rondo" and data.password == "s3cret é".encode(), handled=False)


def make():
    kw = {}
    if len(sys.argv) > 5:
        kw = {"authenticator": check, "auth_required": True, "auth_exclude_mechanism": ["PLAIN" if sys.argv[5] == "login" else "LOGIN"]}
    if mode == "starttls":
        return SMTP(Handler(), tls_context=context, require_starttls=True, **kw)
    return SMTP(Handler(), auth_require_tls=False, **kw)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(make, "127.0.0.1", 0, ssl=context if mode == "implicit" else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
