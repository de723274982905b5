"""What scanners get: svmap and svwar of SIPVicious, sipsak."""

import re

from peers.place import PROJECT
from peers.tool import run
from stage import Stage

from . import check, equal, has

#: The only source that may send is one from which nobody does.
SIDES = """
[sip]
listen = ["udp:127.0.0.1:{port}"]
unknown_source = "{what}"

[[domain]]
home = "sip"
xmpp = "{domain}"
sip = "{domain}"
next_hop = "sip:127.0.0.14:{port};transport=udp"
"""


class Outside(Stage):
    """Two instances of stox that know none of the scanners: one drops what they send, one refuses it."""

    def __init__(self, world):
        super().__init__(world)
        self.dropping, self.refusing, self.local = self.place.ports(3)
        self.drops = self.stox("stox-drops", "drops.example", SIDES, port=self.dropping, what="drop")
        self.refuses = self.stox("stox-refuses", "refuses.example", SIDES, port=self.refusing, what="refuse")

    async def scan(self, tool, to, *more):
        """SIPVicious keeps notes in its home directory."""
        return await run("env", f"HOME={self.place.run}", tool, "-P", self.local, "-p", to, "-t", "0.3", *more, "127.0.0.1",
                         home=self.place.run)


@check("scanner-svmap-dropped", stage=Outside)
async def _(s):
    for method in ("OPTIONS", "INVITE"):
        _, output = await s.scan("svmap", s.dropping, "-m", method)
        has(output, "found nothing", f"svmap's words after {method}")
    return "svmap found nothing by OPTIONS and INVITE"


@check("scanner-svwar-dropped", stage=Outside)
async def _(s):
    _, output = await s.scan("svwar", s.dropping, "-m", "REGISTER", "-e", "100-110", "--force")
    has(output, "found nothing", "svwar's words")
    return "svwar found nothing at 100 to 110"


@check("scanner-svwar-refused", stage=Outside)
async def _(s):
    """Every extension gets the same answer, so there is nothing to be learned about which exist."""
    _, output = await s.scan("svwar", s.refusing, "-m", "REGISTER", "-e", "100-110", "--force")
    assert not re.search(r"\b1\d\d\s+\|", output), f"svwar found: {output}"
    return "svwar tells no extension from another"


@check("scanner-sipsak-refused", stage=Outside)
async def _(s):
    # With -H it need not find a name for this machine.
    code, output = await run("sipsak", "-vv", "-H", "127.0.0.1", "-s", f"sip:100@127.0.0.1:{s.refusing}")
    answer = output.partition("SIP/2.0 ")[2].partition("\n")[0].strip()
    equal(answer, "403 Forbidden", "sipsak's answer")
    lines = output.partition("message received:\n")[2].partition("\n\n")[0].splitlines()
    told = {line.partition(":")[0].lower() for line in lines[1:] if ":" in line}
    assert not told & {"server", "user-agent", "allow", "supported", "accept"}, f"it says too much: {lines}"
    return f"sipsak received: {answer} with {', '.join(sorted(told))}"


@check("scanner-fail2ban", stage=Outside)
async def _(s):
    """The filter beside the configuration reads the source out of the lines that the scanners left."""
    for one, to in ((s.drops, s.dropping), (s.refuses, s.refusing)):
        await s.scan("svmap", to)
        code, output = await run("fail2ban-regex", "--print-all-matched", one.log, PROJECT / "config/fail2ban/filter.d/stox.conf")
        found = re.search(r"Lines: (\d+) lines, (\d+) ignored, (\d+) matched", output)
        assert found and int(found[3]) > 0, f"fail2ban-regex of {one.name}: {output[-600:]}"
        has(output, "127.0.0.1", "the address")
    return f"fail2ban-regex: {found[0]}"
