"""Asterisk 16 of Debian 11, with the libraries of that release; `asterisk/` has its configuration, `install` its files."""

import asyncio
import re

from .place import CACHE
from .program import Program

ROOT = CACHE / "asterisk"
# The account of telephone 1002 for baresip; the port is Asterisk's.
TELEPHONE = ('<sip:1002@asterisk.example>;outbound="sip:127.0.0.1:{}";auth_user=1002;auth_pass=pw-1002;'
             'regint=600;mwi=no')
LIBRARIES = [ROOT / "lib/x86_64-linux-gnu", ROOT / "usr/lib/x86_64-linux-gnu", ROOT / "usr/lib"]


class Asterisk(Program):
    def __init__(self, place, **names):
        home = place.folder("asterisk")
        self.var, self.port = home / "var", names["SIP"]
        self.var.mkdir(parents=True)
        for file in ("asterisk", "modules", "logger", "pjsip", "extensions", "voicemail"):
            place.fill(f"asterisk/{file}.conf", f"asterisk/{file}.conf", ROOT=ROOT, ETC=home, VAR=self.var, **names)
        # The loader of its own release, so that neither chroot nor root is needed.
        self.command = [str(word) for word in (
            ROOT / "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "--library-path", ":".join(map(str, LIBRARIES)),
            ROOT / "usr/sbin/asterisk", "-C", home / "asterisk.conf")]
        super().__init__("asterisk", place, *self.command, "-f", "-vvv")

    async def start(self):
        await super().start(self.port, within=40)
        await self.until(lambda: "Asterisk Ready" in self.said(), "readiness", 40)

    async def cli(self, *words):
        """What the command line of Asterisk answers."""
        process = await asyncio.create_subprocess_exec(
            *self.command, "-rx", " ".join(words), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        output, _ = await asyncio.wait_for(process.communicate(), 10)
        return output.decode(errors="replace")

    async def contact(self, aor):
        """The contacts of an address of record as `pjsip show contacts` has them: (URI, "Avail", "Unavail", …)."""
        return re.findall(rf"Contact:\s+{aor}/(\S+)\s+\S+\s+(\w+)", await self.cli("pjsip show contacts"))

    async def contact_is(self, aor, state, within=10):
        """Waits until a contact has that state, and returns its URI."""
        async def look():
            return next((uri for uri, now in await self.contact(aor) if now == state), None)
        return await self.until(look, f"contact of {aor} that is {state}", within)

    async def state(self, device, state):
        """A device that the dialplan knows as Custom:DEVICE is INUSE, RINGING, NOT_INUSE, ONHOLD, UNAVAILABLE …"""
        await self.cli("devstate change", f"Custom:{device}", state)

    def voicemail(self, mailbox, new):
        """That many new messages are in a mailbox."""
        inbox = self.var / "voicemail" / "default" / mailbox / "INBOX"
        inbox.mkdir(parents=True, exist_ok=True)
        for old in inbox.iterdir():
            old.unlink()
        for number in range(new):
            (inbox / f"msg{number:04}.txt").write_text(f"[message]\norigmailbox={mailbox}\n")

    async def watchers(self):
        """Its own list of who watches: what `pjsip show subscriptions inbound` says."""
        return await self.cli("pjsip show subscriptions inbound")

    async def trace(self, on):
        """From now on its log has every SIP message, or no longer."""
        await self.cli("pjsip set logger", "on" if on else "off")
