"""A second and third Kamailio, that want to be convinced: digest, TLS, mutual TLS."""

import re

from .program import Program


class Proxy(Program):
    """`what`: any of DIGEST, TLS, MUTUAL. `sip` and `tls` are its ports, `stox` and `stox_tls` those of stox, to which it
    sends what is for the domains that fit `chat`."""

    def __init__(self, place, name, domain, what=(), sip=0, tls=0, stox=0, stox_tls=0,
                 chat=r"^xmpp\.example$"):
        self.domain, self.sip, self.tls = domain, sip, tls
        home = place.folder(name)
        config = place.fill("proxy.cfg", f"{name}/kamailio.cfg", DOMAIN=domain, SIP=sip, TLS=tls, STOX=stox, STOXTLS=stox_tls, CHAT=chat,
                            CERTIFICATES=place.run / "certificates")
        flags = [word for flag in what for word in ("-A", flag)]
        super().__init__(name, place, "/usr/sbin/kamailio", "-DD", "-E", "-m", 64, "-M", 8, "-f", config, *flags,
                         "-P", home / "pid", "-w", home, "-Y", home)

    async def start(self):
        await super().start(self.sip, *([self.tls] if self.tls else []))

    def received(self, start=""):
        """The requests that it received: (transport, the rest of the line)."""
        return re.findall(rf"<script>: in (\w+) \d+ ({start}.*)", self.said())
