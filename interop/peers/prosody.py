"""Prosody: chat server of xmpp.example, where stox is the component sip.example."""

import asyncio
import re

from .place import COMPONENTS, HERE, SECRET, XMPP_USERS
from .program import Program

COMPONENT = f"""
Component "{{}}"
  component_secret = "{SECRET}"
  modules_enabled = {{{{ "witness" }}}}
"""


class Prosody(Program):
    def __init__(self, place):
        self.config = place.fill("prosody.cfg.lua", "prosody.cfg.lua", HERE=HERE, RUN=place.run,
                                 C2S=place.c2s, COMPONENT=place.component,
                                 COMPONENTS="".join(COMPONENT.format(domain) for domain in COMPONENTS))
        super().__init__("prosody", place, "/usr/bin/prosody", "-F", "--config", self.config)

    async def start(self):
        if not (self.place.run / "prosody" / "xmpp%2eexample").exists():
            await asyncio.gather(*map(self.register, XMPP_USERS))
        await super().start(self.place.c2s, self.place.component)

    async def register(self, user):
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                "prosodyctl", "--config", self.config, "register", user, "xmpp.example", f"pw-{user}",
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log)
        if await process.wait() != 0:
            raise RuntimeError(f"prosodyctl could not register {user}: {self.last_words()}")

    def witnessed(self, hop):
        """The opening tags of the messages that took this hop: "client>prosody", "prosody>stox", "prosody>nobody"
        (no stox there) or "stox>prosody". From mod_witness.lua."""
        return re.findall(rf"{hop} (<.*)", self.said())
