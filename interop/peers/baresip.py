"""baresip, a phone: romeo's, registered at Kamailio, and others that say so. It is told what to do by its control port
(netstrings of JSON), and what it received is read from its own trace of SIP messages."""

import asyncio
import json
import re
import wave

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
audio_source aufile,{home}/silence.wav
audio_alert aufile,/dev/null
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module_tmp uuid.so
module_tmp account.so
module_app contact.so
module_app menu.so
module ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
{more}
"""
ACCOUNT = '<sip:romeo@pbx.example>;outbound="sip:127.0.0.1:{kamailio};transport=udp";regint=600;mwi=no'
CONTACTS = {name: f"sip:{name}@xmpp.example" for name in ("juliet", "nurse", "nobody")}
#: For so many seconds it has something to say in a call: nothing.
SPEAKS = 30
TRACE = re.compile(rb"\x1b\[36;1m#\n\w+ \S+ -> \S+\n(.*?)\x1b\[;m", re.S)


class Baresip(Program):
    """`mail` has the MESSAGEs that it received, `answers` the responses to its own. `account` is a line of its file of
    accounts, `contacts` whom it can write to and, if it `watches`, subscribes to, `ports` those of `lines`, `more` further
    lines of its configuration."""

    @staticmethod
    def lines(place):
        """Ports for one more: SIP, control, media. It takes those after SIP (for TLS) and after media, too."""
        sip, _, control, media, _ = place.ports(5)
        return sip, control, media

    def __init__(self, place, name="baresip", user="romeo", account=None, contacts=None, ports=None, more="", watches=False):
        self.user, home = user, place.folder(f"{name}.conf")
        self.account, self.contacts = account or ACCOUNT.format(**vars(place)), contacts or CONTACTS
        #: It listens for TLS on the port after `sip`.
        self.sip, self.control, media = ports or (place.baresip, place.baresip_control, place.media)
        (home / "config").write_text(CONFIG.format(sip=self.sip, control=self.control, media=media, last=media + 1, home=home, more=more))
        with wave.open(str(home / "silence.wav"), "wb") as silence:
            silence.setparams((1, 2, 8000, 0, "NONE", ""))
            silence.writeframes(bytes(2 * 8000 * SPEAKS))
        (home / "accounts").write_text(self.account + "\n")
        (home / "contacts").write_text("".join(f'"{name}" <{uri}>{";presence=p2p" * watches}\n' for name, uri in self.contacts.items()))
        super().__init__(name, place, "stdbuf", "-oL", "baresip", "-4", "-s", "-v", "-f", home)
        self.mail, self.answers = Mailbox(f"{user} ({name})"), Mailbox(f"{user} ({name})")

    async def start(self):
        await super().start(self.control)
        self.reader, self.writer = await asyncio.open_connection(LOOPBACK, self.control)
        self.watching = asyncio.create_task(self._watch())
        if "regint=0" not in self.account:
            await self.until(lambda: "1 binding" in self.said(), "registration")

    async def stop(self, *how, **more):
        if self.running and hasattr(self, "watching"):
            self.watching.cancel()
            self.writer.close()
        return await super().stop(*how, **more)

    async def _watch(self):
        """Reads the trace as it grows."""
        seen = 0
        while True:
            log = self.log.read_bytes()
            for block in TRACE.finditer(log, seen):
                seen = block.end()
                self._received(Sip(block[1]))
            await asyncio.sleep(0.05)

    def _received(self, message):
        """Whose the first Via is says who sent it: a port is of no use, it differs for each connection."""
        mine = (message.get("via") or "").partition(";")[0].split(":")[-1] in (str(self.sip), str(self.sip + 1))
        if mine != (message.status is not None):
            return
        if message.status is None:
            self.mail.put(message)
        elif message.status >= 200 and message.get("cseq").endswith("MESSAGE"):
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
        """Writes to one of its contacts, and returns the final response. baresip writes to the contact that is chosen,
        and the list has two ends."""
        for step in ["contact_prev"] * len(self.contacts) + ["contact_next"] * len(self.contacts):
            if self.contacts[name] in await self.command(step):
                break
        await self.command("message", text)
        return await self.answers.next(lambda answer: answer.status not in (401, 407), what="response")
