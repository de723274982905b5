"""Where a run lives: its ports, its directory, its names. Everything listens on 127.0.0.1."""

import os
import re
import shutil
import socket
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent

LOOPBACK = "127.0.0.1"
SECRET = "s3cret"
#: What interop/install keeps for all checkouts.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stox-interop"

#: Rosaline has a list of contacts: she is who watches and is watched.
XMPP_USERS = ("juliet", "nurse", "paris", "rosaline")
#: The household that the volume checks write to: many pairs, since one pair has one message pending (RFC 3428 section 8).
MONTAGUES = tuple(f"montague{n}" for n in range(20))
#: The domains that stox speaks for at Prosody, one for each of its instances.
COMPONENTS = ("sip.example", "asterisk.example", "branch.example", "account.example", "cluster.example", "secure.example",
              "mistaken.example", "badtls.example", "phones.example", "sipp.example", "tls.example", "drops.example",
              "refuses.example", "flock.example", "dead.example", "alone.example", "six.example", "none.example",
              "gone.example", "prove.example", "both.example", "presence.example", "exact.example", "own.example", "exchange.example",
              "keys.example", "mailbox.example", "kept.example", "memory.example", "published.example", "lists.example",
              "house.example", "open.example")
#: Known to Kamailio. Romeo has baresip, benvolio the scripted phone, mercutio never registers.
SIP_USERS = ("romeo", "benvolio", "mercutio") + MONTAGUES


def claim(bases):
    """The first of the bases that no other run holds, and the socket that holds it for this one. Its name is in Linux's
    abstract namespace: it is gone when the process is."""
    for base in bases:
        holder = socket.socket(socket.AF_UNIX)
        try:
            holder.bind(f"\0stox-interop-{base}")
            return base, holder
        except OSError:
            holder.close()
    raise RuntimeError(f"ten runs hold the ports from {bases[0]} on already")


class Place:
    """Ports of its own, from INTEROP_PORT (28000) on or a few hundred further if another run has those, and a run
    directory that is made anew. Linux takes the ports of outgoing connections from 32768 on, so ours lie below."""

    def __init__(self, name):
        first = int(os.environ.get("INTEROP_PORT", "28000"))
        base, self._claim = claim(range(first, first + 4000, 400))
        self.c2s, self.component, self.kamailio, self.stox, self.admin = range(base, base + 5)
        #: baresip listens for TLS on the port after its own.
        self.baresip, _, self.baresip_control, self.sipp = range(base + 5, base + 9)
        #: Romeo's phone takes its media ports from here on; nobody calls.
        self.media = base + 20
        self._more = iter(range(base + 25, base + 400))
        self.run = PROJECT / "target" / "interop" / (name if base == first else f"{name}-{base}")
        shutil.rmtree(self.run, ignore_errors=True)
        self.run.mkdir(parents=True)

    def ports(self, count=1):
        """As many ports more, one after the other, of this run and no other's."""
        taken = [next(self._more) for _ in range(count)]
        return taken if count > 1 else taken[0]

    def folder(self, name):
        """A directory of that name, empty."""
        path = self.run / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def fill(self, template, into, **names):
        """Writes peers/TEMPLATE with its @NAMES@ filled in to the run directory."""
        text = (HERE / template).read_text()
        text = re.sub(r"@([A-Z0-9]+)@", lambda found: str(names[found[1]]), text)
        path = self.run / into
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path
