"""A SIP phone that does what a check tells it to: registers at Kamailio, answers, sends, and keeps the bytes.

It is deliberately naive (RFC 3261 by the letter, no library in common with stox), so that what it shows was on the wire.
"""

import asyncio
import itertools
import secrets
import socket
import time

from .mailbox import Mailbox
from .place import LOOPBACK

COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
           "c": "content-type", "s": "subject", "k": "supported", "e": "content-encoding"}
T1, T2 = 0.5, 4.0


class Sip:
    """A SIP message: its first line, its headers in order, its body as bytes."""

    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "surrogateescape").replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n")
        self.raw, self.first = data, lines[0]
        self.headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]

    def all(self, name):
        return [value for key, value in self.headers if COMPACT.get(key.lower(), key.lower()) == name]

    def get(self, name):
        return next(iter(self.all(name)), None)

    @property
    def status(self):
        return int(self.first.split()[1]) if self.first.startswith("SIP/2.0 ") else None

    @property
    def answer(self):
        """The status line without the version: `404 Not Found`."""
        return self.first.removeprefix("SIP/2.0 ")

    @property
    def method(self):
        return self.first.split()[0]

    @property
    def text(self):
        return self.body.decode()

    @property
    def branch(self):
        return (self.get("via") or "").partition("branch=")[2].partition(";")[0]

    @property
    def same_request(self):
        """What stays the same when a request is sent again by another hop (RFC 3261 section 8.2.2.2)."""
        return self.get("call-id"), self.get("cseq"), self.get("from")

    def __repr__(self):
        return f"{self.first} {self.body[:60]!r}"


class Phone(asyncio.DatagramProtocol):
    """One line. `mail` has the requests it received (each once), `resent` counts retransmissions."""

    #: 0: any.
    port = 0
    #: The address that it sends to over UDP.
    toward = LOOPBACK
    #: What an answer has of its request.
    COPIED = ("via", "from", "to", "call-id", "cseq")

    def __init__(self, place, user, host=LOOPBACK, accounts=None):
        self.place, self.user, self.host = place, user, host
        self.accounts = accounts or [user]
        self.mail = Mailbox(f"{user} (phone)")
        self.resent = 0
        #: Answers each request: a status line, or (status line, delay in s), or None for silence.
        self.answers = lambda request: "200 OK"
        self._answered, self._open = {}, {}
        #: How many requests came a second time by another way, and were answered with 482 (RFC 3261 section 8.2.2.2).
        self.merged, self._seen = 0, {}
        self._cseq = itertools.count(1)
        self._registering = self.transport = None

    async def open(self):
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.host, self.port))
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.port = self.transport.get_extra_info("sockname")[1]
        return self

    async def register(self, expires=3600, at=None, domain="pbx.example"):
        """Registers every account of this phone at Kamailio, or `at` another port; `expires=0` takes it away. An hour is
        longer than a run may take."""
        for account in self.accounts:
            answer = await self.request(
                "REGISTER", f"sip:{domain}", to=f"sip:{account}@{domain}", sender=f"sip:{account}@{domain}", at=at,
                headers=[("Contact", f"<sip:{account}@{self.host}:{self.port}>"), ("Expires", str(expires))])
            assert answer.status == 200, f"Kamailio refused to register {account}: {answer.first}"
        return self

    def keep_registered(self, every=1.0):
        """Registers over and over, for as long as Kamailio may lose its memory."""
        async def again():
            while True:
                try:
                    await self.register()
                except (AssertionError, TimeoutError):
                    pass
                await asyncio.sleep(every)
        self._registering = asyncio.create_task(again())

    def stop_registering(self):
        if self._registering:
            self._registering.cancel()

    def close(self):
        self.stop_registering()
        if self.transport:
            self.transport.close()

    # Sending.

    async def message(self, to, text, **more):
        """Sends a MESSAGE by way of Kamailio and returns the final response."""
        more.setdefault("headers", [("Content-Type", "text/plain;charset=UTF-8")])
        return await self.request("MESSAGE", f"sip:{to}", text.encode() if isinstance(text, str) else text, **more)

    async def request(self, method, uri, body=b"", tcp=False, at=None, within=40, **more):
        """Sends any request to `at` (Kamailio's port unless told) and returns the final response.
        `more`: headers, to, sender, call, hops."""
        branch, data = self.build(method, uri, body, "TCP" if tcp else "UDP", **more)
        port = at or self.place.kamailio
        send = self._by_tcp if tcp else self._by_udp
        try:
            answer = await asyncio.wait_for(send(method, data, branch, port), within)
        except asyncio.TimeoutError:
            raise TimeoutError(f"{self.user} (phone): no final response to {method} {uri} in {within} s") from None
        if method == "INVITE":
            self.transport.sendto(self._ack(data, answer), (LOOPBACK, port))
        return answer

    async def repeat(self, method, uri, body, times, at, **more):
        """Sends the same datagram again and again, half a second apart, and returns all that came back."""
        branch, data = self.build(method, uri, body, **more)
        answers = self._open[branch] = asyncio.Queue()
        for _ in range(times):
            self.transport.sendto(data, (LOOPBACK, at))
            await asyncio.sleep(T1)
        del self._open[branch]
        return [answers.get_nowait() for _ in range(answers.qsize())]

    def build(self, method, uri, body, transport="UDP", headers=(), to=None, sender=None, call=None, hops=70):
        branch = "z9hG4bK" + secrets.token_hex(8)
        fields = [("Via", f"SIP/2.0/{transport} {self.host}:{self.port};branch={branch};rport"),
                  ("Max-Forwards", hops),
                  ("From", f"<{sender or f'sip:{self.user}@pbx.example'}>;tag={secrets.token_hex(4)}"),
                  ("To", f"<{to or uri}>"), ("Call-ID", call or f"{secrets.token_hex(8)}@phone.example"),
                  ("CSeq", f"{next(self._cseq)} {method}"), *headers, ("Content-Length", len(body))]
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return branch, f"{method} {uri} SIP/2.0\r\n{head}\r\n".encode() + body

    async def _by_udp(self, method, data, branch, port):
        """A client transaction (RFC 3261 section 17.1): sent again after T1, 2 T1, … up to T2."""
        answers = self._open[branch] = asyncio.Queue()
        try:
            wait, heard = T1, False
            while True:
                if not (heard and method == "INVITE"):
                    self.transport.sendto(data, (self.toward, port))
                try:
                    answer = await asyncio.wait_for(answers.get(), wait)
                    while answer.status < 200:
                        heard = True
                        answer = await asyncio.wait_for(answers.get(), T2)
                    return answer
                except asyncio.TimeoutError:
                    wait = min(2 * wait, T2)
        finally:
            del self._open[branch]

    async def _by_tcp(self, method, data, branch, port):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            writer.write(data)
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(Sip(head).get("content-length") or 0))
                answer = Sip(head + body)
                if answer.status and answer.status >= 200:
                    return answer
        finally:
            writer.close()

    @staticmethod
    def _ack(invite, answer):
        """The ACK of a final response other than 2xx goes where the INVITE went (RFC 3261 section 17.1.1.3)."""
        sent = Sip(invite)
        fields = [("Via", sent.get("via")), ("Max-Forwards", "70"), ("From", sent.get("from")), ("To", answer.get("to")),
                  ("Call-ID", sent.get("call-id")), ("CSeq", sent.get("cseq").replace("INVITE", "ACK")), ("Content-Length", "0")]
        return (sent.first.replace("INVITE", "ACK", 1) + "\r\n"
                + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n").encode()

    # Receiving.

    def datagram_received(self, data, source):
        if not data.strip():
            return
        message = Sip(data)
        if message.status:
            if (waiting := self._open.get(message.branch)) is not None:
                waiting.put_nowait(message)
            return
        key = (message.branch, message.get("cseq"))
        if key in self._answered:
            self.resent += 1
            if self._answered[key]:
                self.transport.sendto(self._answered[key], source)
            return
        message.source, message.at = source, time.monotonic()
        if self._seen.setdefault(message.same_request, message.branch) != message.branch:
            self.merged += 1
            return self._answer(key, message, "482 Loop Detected", source)
        self.mail.put(message)
        said = self.answers(message)
        line, delay = said if isinstance(said, tuple) else (said, 0)
        self._answered[key] = None
        if line:
            asyncio.get_running_loop().call_later(delay, self._answer, key, message, line, source)

    def tag(self, request):
        """What makes the To of the answer to this request its own."""
        return secrets.token_hex(4)

    def _answer(self, key, request, line, source):
        """The status line may bring headers of its own: `415 No\\r\\nAccept: text/plain`."""
        copied = [(name, value) for name, value in request.headers
                  if COMPACT.get(name.lower(), name.lower()) in self.COPIED]
        head = "".join(f"{name}: {value}{f';tag={self.tag(request)}' if name.lower() in ('to', 't') and ';tag=' not in value else ''}\r\n"
                       for name, value in copied)
        data = f"SIP/2.0 {line}\r\n{head}Content-Length: 0\r\n\r\n".encode()
        self._answered[key] = data
        if not self.transport.is_closing():
            self.transport.sendto(data, source)
