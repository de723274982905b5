"""Prosody as servers of their own, which federate (RFC 6120): each process has several hosts."""

import asyncio
import re
from dataclasses import dataclass

from .place import HERE
from .program import Program

HOST = """
VirtualHost "{name}"
  ssl = {{ certificate = "{certificates}/{certificate}.crt", key = "{certificates}/{certificate}.key",
          cafile = "{certificates}/{trust}.crt", verify = {{ "peer", "client_once" }} }}
"""
PLAIN = """
VirtualHost "{name}"
  modules_disabled = {{ "tls" }}
"""


@dataclass
class Carried:
    """A message on a stream, as a server saw it: the stream, who opened it, and what is known of it."""

    stream: str
    opened_by: str
    proofs: list
    tls: str = "plain"
    bidi: bool = False

    def __str__(self):
        return (f"{self.tls}, {' + '.join(dict.fromkeys(self.proofs)) or 'nothing proven'}, opened by {self.opened_by}"
                + (", bidi" if self.bidi else ""))


class Prosody(Program):
    """`hosts`: domain -> certificate, or None for a host without TLS. `strict`: it takes certificates only, and has
    XEP-0198; else dialback too and no TLS at all. `trust` is the authority that it believes."""

    def __init__(self, place, name, dns, certificates, hosts, strict, trust="ca", user="juliet"):
        self.user, self.hosts = user, list(hosts)
        self.home = place.folder(name)
        self.c2s, self.s2s, self.direct = place.ports(3)
        text = "".join((HOST if own else PLAIN).format(name=host, certificate=own, trust=trust, certificates=certificates)
                       for host, own in hosts.items())
        self.config = place.fill("federated.cfg.lua", f"{name}/prosody.cfg.lua", HERE=HERE, HOME=self.home, C2S=self.c2s,
                                 S2S=self.s2s, DIRECT=self.direct, DNS=dns, CERTIFICATES=certificates, TRUST=trust,
                                 OWN=next(iter(hosts.values())), STRICT="true" if strict else "false",
                                 SMACKS='"smacks",' if strict else "", HOSTS=text)
        super().__init__(name, place, "/usr/bin/prosody", "-F", "--config", self.config)

    async def start(self):
        if not (self.home / "data").exists():
            for host in self.hosts:
                await self.register(host)
        await super().start(self.c2s, self.s2s, self.direct)

    async def register(self, host):
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                "prosodyctl", "--config", self.config, "register", self.user, host, f"pw-{self.user}",
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log)
        if await process.wait() != 0:
            raise RuntimeError(f"prosodyctl could not register {self.user}@{host}: {self.last_words()}")

    # What it saw, from mod_witness_streams.lua.

    def proofs(self):
        """Every proof: (stream, who opened it, domain that was proven, from, to, mechanism, TLS version, bidi)."""
        return re.findall(r"stream (\S+) (\w+) proven (\S+) for (\S+)->(\S+) by (\S+) over (\S+) (\w+)", self.said())

    def carried(self, id, way):
        """By what the message with this id came ("received") or went ("sent"), the last of them; None: not at all."""
        found = re.findall(rf"stream (\S+) (\w+) {way} <message[^>]*\bid='{re.escape(id)}'", self.said())
        if not found:
            return None
        stream, direction = found[-1]
        mine = [proof for proof in self.proofs() if proof[0] == stream]
        opened_by = "stox" if direction == "incoming" else "Prosody"
        if not mine:
            return Carried(stream, opened_by, [])
        return Carried(stream, opened_by, [proof[5] for proof in mine], mine[-1][6], mine[-1][7] == "bidi")

    def wrote(self):
        """The opening tags of the messages that it wrote to streams."""
        return re.findall(r"stream \S+ \w+ sent (<.*)", self.said())

    def pairs(self, stream):
        """The pairs that were proven to it on this stream."""
        return sorted({(proof[2], proof[4]) for proof in self.proofs() if proof[0] == stream})
