"""A server-to-server stream by hand: bytes as they are written here, for what no server does on purpose."""

import asyncio
import re
import ssl

from .place import LOOPBACK

STREAMS = "http://etherx.jabber.org/streams"


class Raw:
    """One connection. `certificate` is NAME of NAME.crt and NAME.key in `home`, or None."""

    def __init__(self, port, home=None, certificate=None):
        self.port, self.home, self.certificate = port, home, certificate
        self.heard = ""
        self.reader = self.writer = None

    async def open(self, direct=False, to="gate.example"):
        tls = dict(ssl=self.context(), server_hostname=to) if direct else {}
        self.reader, self.writer = await asyncio.open_connection(LOOPBACK, self.port, **tls)
        return self

    def context(self):
        context = ssl.create_default_context(cafile=self.home / "ca.crt")
        if self.certificate:
            context.load_cert_chain(self.home / f"{self.certificate}.crt", self.home / f"{self.certificate}.key")
        return context

    def write(self, text):
        self.writer.write(text.encode() if isinstance(text, str) else text)

    def header(self, sender, to="gate.example", namespace="jabber:server", version="1.0"):
        sender = f" from='{sender}'" if sender else ""
        to = f" to='{to}'" if to else ""
        self.write(f"<?xml version='1.0'?><stream:stream xmlns='{namespace}' xmlns:stream='{STREAMS}'"
                   f" xmlns:db='jabber:server:dialback'{sender}{to} version='{version}'>")

    async def until(self, what, within=8):
        """All that came, up to and with what fits this pattern."""
        async def search():
            while not (found := re.search(what, self.heard, re.S)):
                data = await self.reader.read(1 << 16)
                if not data:
                    raise EOFError(f"the stream ended after {self.heard[-300:]!r}, without {what!r}")
                self.heard += data.decode(errors="replace")
            self.heard, before = self.heard[found.end():], self.heard[:found.end()]
            return before
        try:
            return await asyncio.wait_for(search(), within)
        except asyncio.TimeoutError:
            raise TimeoutError(f"no {what!r} in {within} s, but {self.heard[-300:]!r}") from None

    async def negotiate(self, sender, to="gate.example", external=True):
        """A header, TLS, another header; and EXTERNAL. Returns the features it saw last."""
        self.header(sender, to)
        await self.until("</stream:features>")
        self.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        await self.until("<proceed[^>]*>")
        await self.writer.start_tls(self.context(), server_hostname=to)
        self.header(sender, to)
        features = await self.until("</stream:features>")
        if external:
            self.write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
            await self.until("<success[^>]*>")
            self.header(sender, to)
            features = await self.until("</stream:features>|<stream:features[^>]*/>")
        return features

    async def error(self, within=8):
        """The condition of the stream error that ends it."""
        end = await self.until("</stream:error>", within)
        error = end[end.rindex("<stream:error"):]
        return re.search(r"<([a-z-]+) xmlns=['\"]urn:ietf:params:xml:ns:xmpp-streams", error)[1]

    async def ended(self, within=8):
        """Waits for the end of the connection."""
        while await asyncio.wait_for(self.reader.read(1 << 16), within):
            pass

    def close(self):
        if self.writer:
            self.writer.close()
