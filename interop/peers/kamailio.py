"""Kamailio: SIP proxy and registrar of pbx.example."""

import os
import re

from .place import SIP_USERS
from .program import Program


class Kamailio(Program):
    def __init__(self, place):
        config = place.fill("kamailio.cfg", "kamailio.cfg", SIP=place.kamailio, STOX=place.stox,
                            KNOWN="\n".join(f'  $sht(known=>{user}) = "yes";' for user in SIP_USERS))
        super().__init__("kamailio", place, "/usr/sbin/kamailio", "-DD", "-E", "-m", 64, "-M", 8, "-f", config,
                         "-P", place.run / "kamailio.pid", "-w", place.run, "-Y", place.run)

    async def start(self):
        os.environ.setdefault("LANG", "C.UTF-8")
        await super().start(self.place.kamailio)

    def witnessed(self):
        """What it received and sent, in order: ("in" or "out", the neighbour's port, the first line)."""
        found = re.findall(r"<script>: (in|out) (\d+) (.*)", self.said())
        return [(way, int(port), line.removeprefix("SIP/2.0 ").removesuffix(" SIP/2.0")) for way, port, line in found]
