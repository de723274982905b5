"""SIP.js: a telephone of the kind that browsers have, over a WebSocket (RFC 7118). `socket.mjs` is its script."""

import asyncio
import json

from .mailbox import Mailbox
from .phone import Sip
from .place import CACHE, HERE
from .program import Program

SIPJS = CACHE / "sip.js-0.21.2"


class WebSocketPhone(Program):
    """`mail` has the messages it received, `answers` the outcomes of its own, `sent` and `received` what crossed the
    socket."""

    def __init__(self, place, name, url, uri, authority=None):
        super().__init__(name, place, "node", HERE / "socket.mjs", SIPJS, url, uri, *([authority] if authority else []))
        self.mail, self.answers = Mailbox(f"{name} (SIP.js)"), Mailbox(f"{name} (SIP.js)")
        self.sent, self.received, self.ready = [], [], asyncio.Event()

    async def start(self):
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                "setpriv", "--pdeathsig", "TERM", "--", *self.argv, stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE, stderr=log, start_new_session=True, limit=1 << 20)
        self.listening = asyncio.create_task(self._listen())
        await self.until(self.ready.is_set, "WebSocket")

    async def stop(self, *how, **more):
        if self.running:
            self.listening.cancel()
        return await super().stop(*how, **more)

    async def _listen(self):
        while line := await self.process.stdout.readline():
            with self.log.open("ab") as log:
                log.write(line)
            said = json.loads(line)
            if "ready" in said:
                self.ready.set()
            for kind, box in (("message", self.mail), ("answer", self.answers)):
                if kind in said:
                    box.put(said[kind])
            for kind, kept in (("sent", self.sent), ("received", self.received)):
                if kind in said:
                    kept.append(Sip(said[kind].encode()))

    async def message(self, uri, text, **more):
        """Sends a MESSAGE; its outcome: {"status": …, "reason": …}."""
        self.process.stdin.write(json.dumps({"send": uri, "text": text, **more}).encode() + b"\n")
        return await self.answers.next(what="final response")
