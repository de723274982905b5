"""Asterisk with trunks and telephones as its manual shows them, and nothing in it that knows stox."""

import asyncio
import json
import re

from peers.asterisk import TELEPHONE, Asterisk
from peers.baresip import Baresip
from stage import Stage

from . import check, equal, has, quote

TRUNK = """
[sip]
listen = ["udp:127.0.0.11:{port}", "tcp:127.0.0.11:{port}"]

[[domain]]
home = "sip"
xmpp = "asterisk.example"
sip = "asterisk.example"
next_hop = "sip:127.0.0.1:{asterisk};transport=udp"
typing = true
"""
BRANCH = """
[sip]
listen = ["udp:127.0.0.12:{port}", "tcp:127.0.0.12:{port}"]
t1 = "50ms"

[[domain]]
home = "sip"
xmpp = "branch.example"
sip = "asterisk.example"
next_hop = "sip:127.0.0.1:{asterisk};transport=udp"
peer = "asterisk"
options_every = "2s"
[[domain.credentials]]
username = "branch"
password = "pw-branch"
[domain.register]
aor = "sip:branch@asterisk.example"
expires = "2m"
"""
ACCOUNT = """
[sip]
listen = ["udp:127.0.0.13:{port}", "tcp:127.0.0.13:{port}"]

[[domain]]
home = "sip"
xmpp = "account.example"
sip = "asterisk.example"
next_hop = "sip:127.0.0.1:{asterisk};transport=udp"
[[domain.user]]
jid = "juliet@xmpp.example"
aor = "sip:1001@asterisk.example"
password = "pw-1001"
"""


class Office(Stage):
    """Asterisk, telephone 1002 (baresip, registered with digest), and three instances of stox: at the end of a trunk that
    is known by its address, at one that registers and proves itself, and as juliet's telephone 1001."""

    def __init__(self, world):
        super().__init__(world)
        port, trunk, branch, account = self.place.ports(4)
        self.asterisk = self.add(Asterisk(self.place, SIP=port, TRUNK=trunk))
        self.trunk = self.stox("stox-trunk", "asterisk.example", TRUNK, port=trunk, asterisk=port)
        self.branch = self.stox("stox-branch", "branch.example", BRANCH, port=branch, asterisk=port)
        self.account = self.stox("stox-account", "account.example", ACCOUNT, port=account, asterisk=port)
        self.phone = self.add(Baresip(
            self.place, "baresip-1002", "1002", TELEPHONE.format(port), ports=Baresip.lines(self.place),
            contacts={name: f"sip:{name}@asterisk.example" for name in ("juliet", "9juliet", "1001")}))


@check("asterisk-trunk-x2s", stage=Office)
async def _(s):
    """juliet -> stox -> trunk -> dialplan -> telephone."""
    s.juliet.write("1002@asterisk.example", "Wherefore art thou 1002? äöü 😀")
    got = await s.phone.mail.next(lambda one: one.method == "MESSAGE")
    equal(got.text, "Wherefore art thou 1002? äöü 😀", "text")
    has(got.get("from"), "sip:juliet@xmpp.example", "From")
    await s.juliet.errors.stays_empty()
    return f"baresip 1002 received by way of Asterisk: {quote(got.text)} from {got.get('from')}"


@check("asterisk-trunk-s2x", stage=Office)
async def _(s):
    """telephone -> dialplan -> trunk -> stox -> juliet."""
    answer = await s.phone.message("juliet", "By a name I know not how to tell thee who I am. äöü 😀")
    has("200 202", str(answer.status), "Asterisk's answer")
    got = await s.juliet.mail.next()
    equal(got.body, "By a name I know not how to tell thee who I am. äöü 😀", "text")
    equal(got.sender, "1002@asterisk.example", "sender")
    return f"juliet received: {quote(got.body)} from {got.sender}"


@check("asterisk-qualify", stage=Office)
async def _(s):
    """Asterisk asks the far end of its trunk with OPTIONS every two seconds."""
    uri = await s.asterisk.contact_is("trunk", "Avail")
    return f"Asterisk: pjsip show contacts: trunk/{uri} Avail"


@check("asterisk-x2s-typing", stage=Office)
async def _(s):
    """Asterisk takes nothing but plain text: 415 to the first chat state, none after it, and the words go through."""
    def answers():
        return s.asterisk.said().count("Unsupported Media Type")
    await s.asterisk.trace(True)
    try:
        for _ in range(2):
            s.juliet.write_raw("<message to='1002@asterisk.example' type='chat'>"
                               "<composing xmlns='http://jabber.org/protocol/chatstates'/></message>")
            await s.asterisk.until(answers, "415 of Asterisk")
            s.juliet.write("1002@asterisk.example", "Good night, good night!")
            got = await s.phone.mail.next(lambda one: one.method == "MESSAGE")
            equal(got.text, "Good night, good night!", "text")
    finally:
        await s.asterisk.trace(False)
    equal(answers(), 1, "how often Asterisk had to say 415")
    await s.juliet.errors.stays_empty(0.3)
    return f"Asterisk answered 415 once, and was not asked again; baresip 1002 received: {quote(got.text)}"


@check("asterisk-options", stage=Office)
async def _(s):
    """stox asks Asterisk whether it is there."""
    async def told():
        _, body = await s.trunk.get("/ready")
        return next((p for p in json.loads(body)["parts"] if p["name"] == "sip asterisk.example"), None)
    part = await s.asterisk.until(told, "a word of /ready about asterisk.example")
    has(part["detail"], "answers OPTIONS in", "/ready")
    return f"/ready: {part['name']}: {part['detail']}"


@check("asterisk-x2s-unknown", stage=Office)
async def _(s):
    """An extension that the dialplan does not have."""
    error = await s.juliet.error_for(s.juliet.write("77@asterisk.example", "Is anybody there?"))
    return f"juliet received: {error.error}: {quote(error.text)}"


@check("asterisk-branch-x2s", stage=Office)
async def _(s):
    """Asterisk asks for a password, and gets it."""
    await s.asterisk.trace(True)
    try:
        s.juliet.write("1002@branch.example", "Is it even so?")
        got = await s.phone.mail.next(lambda one: one.method == "MESSAGE")
        equal(got.text, "Is it even so?", "text")
        users = re.findall(r'Authorization: Digest .*username="branch"', s.asterisk.said())
        assert users, "Asterisk saw no password"
    finally:
        await s.asterisk.trace(False)
    await s.juliet.errors.stays_empty(0.3)
    return f"baresip 1002 received: {quote(got.text)}; Asterisk received: {quote(users[-1])}"


@check("asterisk-branch-x2s-long", stage=Office)
async def _(s):
    """`peer = "asterisk"`: it would pass on a text of more than 1023 bytes as none, so its sender is told instead."""
    error = await s.juliet.error_for(s.juliet.write("1002@branch.example", "O " * 600))
    await asyncio.sleep(0.5)
    assert not [one for one in s.phone.mail.kept if one.method == "MESSAGE"], f"baresip received {s.phone.mail.kept}"
    return f"juliet received: {error.error}: {quote(error.text)}; baresip 1002 nothing"


@check("asterisk-branch-registered", stage=Office)
async def _(s):
    """stox registers as a trunk, with a password, and its contact is qualified."""
    uri = await s.asterisk.contact_is("branch", "Avail")
    status, ready = await s.branch.get("/ready")
    equal(status, 200, "/ready")
    return f"Asterisk: pjsip show contacts: branch/{uri} Avail; /ready: {quote(ready.strip())}"


@check("asterisk-branch-s2x", stage=Office)
async def _(s):
    """To the contact that stox registered; To says for whom it is."""
    await s.phone.message("9juliet", "Then I defy you, stars!")
    got = await s.juliet.mail.next()
    equal((got.body, got.sender), ("Then I defy you, stars!", "1002@branch.example"), "message")
    return f"juliet received: {quote(got.body)} from {got.sender}"


@check("asterisk-account-registered", stage=Office)
async def _(s):
    """stox is juliet's telephone 1001."""
    uri = await s.asterisk.contact_is("1001", "Avail")
    return f"Asterisk: pjsip show contacts: 1001/{uri} Avail"


@check("asterisk-account-x2s", stage=Office)
async def _(s):
    """Her messages come from her extension."""
    s.juliet.write("1002@account.example", "It is the lark.")
    got = await s.phone.mail.next(lambda one: one.method == "MESSAGE")
    equal(got.text, "It is the lark.", "text")
    has(got.get("from"), "sip:1001@", "From")
    return f"baresip 1002 received: {quote(got.text)} from {got.get('from').partition(';tag')[0]}"


@check("asterisk-account-s2x", stage=Office)
async def _(s):
    """Whoever writes to extension 1001 writes to juliet."""
    await s.phone.message("1001", "It was the nightingale, and not the lark.")
    got = await s.juliet.mail.next()
    equal((got.body, got.sender), ("It was the nightingale, and not the lark.", "1002@account.example"), "message")
    return f"juliet received: {quote(got.body)} from {got.sender}"


@check("asterisk-branch-health", 60, stage=Office)
async def _(s):
    """OPTIONS every two seconds show that Asterisk is gone, and that it is back, and then stox registers again."""
    async def up(value):
        lines = (await s.branch.get("/metrics"))[1].splitlines()
        return any(line.startswith("stox_peer_up") and line.endswith(f" {value}") for line in lines)
    await s.branch.until(lambda: up(1), "stox_peer_up 1")
    await s.asterisk.stop()
    await s.branch.until(lambda: up(0), "stox_peer_up 0", 20)
    await s.asterisk.start()
    await s.branch.until(lambda: up(1), "stox_peer_up 1", 20)
    uri = await s.asterisk.contact_is("branch", "Avail", 20)
    return f"/metrics: stox_peer_up 1, 0 while Asterisk was away, 1; Asterisk: branch/{uri} Avail"
