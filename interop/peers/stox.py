"""stox, between the two sides: its configuration, its commands and its side door."""

import asyncio
import json

from .place import LOOPBACK, SECRET
from .program import Program

COMPONENT = """\
[[xmpp.component]]
domain = "{domain}"
server = "127.0.0.1:{component}"
secret = "{secret}"

"""
#: What every instance has; `sides` is the rest.
CONFIG = """\
[admin]
listen = "127.0.0.1:{admin}"

[[domain]]
home = "xmpp"
xmpp = "xmpp.example"
sip = "xmpp.example"

{sides}
"""
PBX = """\
[sip]
listen = ["udp:127.0.0.1:{stox}", "tcp:127.0.0.1:{stox}"]

[[domain]]
home = "sip"
xmpp = "sip.example"
sip = "pbx.example"
next_hop = "sip:127.0.0.1:{kamailio};transport=udp"
"""


class Stox(Program):
    """One instance, that speaks for `domain` at Prosody if that is told. `sides` is TOML: `[sip]` and the domains at
    home there."""

    def __init__(self, place, binary, name="stox", domain="sip.example", admin=None, sides=None):
        self.binary, self.config = binary, place.run / f"{name}.toml"
        self.admin = admin or place.admin
        self.config.touch(mode=0o600)
        link = COMPONENT.format(domain=domain, component=place.component, secret=SECRET) if domain else ""
        self.config.write_text(link + CONFIG.format(admin=self.admin, sides=sides or PBX.format(**vars(place))))
        super().__init__(name, place, binary, "--config", self.config)

    async def start(self):
        """Returns when /ready says that both sides are up."""
        await super().start(self.admin)
        await self.until(self.ready, "readiness")

    async def ready(self):
        status, _ = await self.get("/ready")
        return status == 200

    async def get(self, path):
        """Status and body of a GET at the side door."""
        reader, writer = await asyncio.open_connection(LOOPBACK, self.admin)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: stox\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
        return int(head.split()[1]), body

    async def metrics(self, start):
        """The figures whose lines begin so: name with labels -> value."""
        lines = (line.rpartition(" ") for line in (await self.get("/metrics"))[1].splitlines() if line.startswith(start))
        return {name: float(value) for name, _, value in lines}

    async def down(self):
        """The parts that /ready says are down."""
        return json.loads((await self.get("/ready"))[1])["down"]

    async def command(self, *words, config=None):
        """Runs `stox WORDS --config …` and returns exit code and output, both streams together."""
        process = await asyncio.create_subprocess_exec(
            self.binary, *words, "--config", config or self.config, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        output, _ = await asyncio.wait_for(process.communicate(), 10)
        return process.returncode, output.decode()
