"""baresip: romeo's phone, registered at Kamailio. It is told what to do by its control port (netstrings of JSON), and
what it received is read from its own trace of SIP messages."""

import asyncio
import json
import re

from .mailbox import Mailbox
from .phone import Sip
from .place import LOOPBACK
from .program import Program

CONFIG = """\
sip_listen 127.0.0.1:{sip}
net_interface 127.0.0.1
rtp_ports {media}-{last}
call_max_calls 1
audio_player aufile,/dev/null
audio_source ausine,440
audio_alert aufile,/dev/null
module_path /usr/lib/baresip/modules
module g711.so
module ausine.so
module aufile.so
module_tmp uuid.so
module_tmp account.so
module_app contact.so
module_app menu.so
module ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""
ACCOUNT = '<sip:{user}@pbx.example>;outbound="sip:127.0.0.1:{proxy};transport=udp";regint=600;mwi=no\n'
CONTACTS = ("juliet", "nurse", "nobody")
TRACE = re.compile(rb"\x1b\[36;1m#\n(\w+) (\S+) -> (\S+)\n(.*?)\x1b\[;m", re.S)


class Baresip(Program):
    """`mail` has the MESSAGEs that it received, `answers` the responses to its own."""

    def __init__(self, place, user="romeo"):
        self.user, home = user, place.run / "baresip.conf"
        home.mkdir()
        (home / "config").write_text(CONFIG.format(
            sip=place.baresip, control=place.baresip_control, media=place.media, last=place.media + 20))
        (home / "accounts").write_text(ACCOUNT.format(user=user, proxy=place.kamailio))
        (home / "contacts").write_text("".join(f'"{name}" <sip:{name}@xmpp.example>\n' for name in CONTACTS))
        super().__init__("baresip", place, "stdbuf", "-oL", "baresip", "-4", "-s", "-v", "-f", home)
        self.mail, self.answers = Mailbox(f"{user} (baresip)"), Mailbox(f"{user} (baresip)")

    async def start(self):
        await super().start(self.place.baresip_control)
        self.reader, self.writer = await asyncio.open_connection(LOOPBACK, self.place.baresip_control)
        self.watching = asyncio.create_task(self._watch())
        await self.until(lambda: "1 binding" in self.said(), "registration")

    async def stop(self, *how, **more):
        if self.running:
            self.watching.cancel()
            self.writer.close()
        return await super().stop(*how, **more)

    async def _watch(self):
        """Reads the trace as it grows."""
        seen, here = 0, f"{LOOPBACK}:{self.place.baresip}".encode()
        while True:
            log = self.log.read_bytes()
            for block in TRACE.finditer(log, seen):
                seen = block.end()
                if block[3] == here:
                    self._received(Sip(block[4]))
            await asyncio.sleep(0.05)

    def _received(self, message):
        if message.status is None:
            self.mail.put(message)
        elif (message.get("cseq") or "").endswith("MESSAGE"):
            self.answers.put(message)

    async def command(self, command, params=""):
        text = json.dumps({"command": command, "params": params}).encode()
        self.writer.write(b"%d:%s," % (len(text), text))
        while True:
            length = await self.reader.readuntil(b":")
            answer = json.loads((await self.reader.readexactly(int(length[:-1]) + 1))[:-1])
            if "response" in answer:
                return answer.get("data", "")

    async def message(self, name, text):
        """Writes to one of CONTACTS, and returns the final response. baresip writes to the contact that is chosen,
        and the list has two ends."""
        for step in ["contact_prev"] * len(CONTACTS) + ["contact_next"] * len(CONTACTS):
            if f"sip:{name}@" in await self.command(step):
                break
        await self.command("message", text)
        return await self.answers.next(what="response")
