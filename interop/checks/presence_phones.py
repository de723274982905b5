"""What an office's telephones are doing, in the chat client, and what the chat user is doing, on the telephones' keys: Asterisk's
hints as `presence` and as `dialog` (RFC 4235), its mailboxes (RFC 3842)."""

import contextlib
import re
import xml.etree.ElementTree as ElementTree

from documents import validate
from peers.asterisk import TELEPHONE, Asterisk
from peers.baresip import Baresip
from peers.events import EventPhone
from peers.friend import Friend
from presence import shortly
from stage import Stage, telephones

from . import check, equal, has, quote

EXCHANGE = """
[sip]
listen = ["udp:127.0.0.11:{port}", "tcp:127.0.0.11:{port}"]

[presence]
notify_every = "1s"

[[domain]]
home = "sip"
xmpp = "exchange.example"
sip = "asterisk.example"
next_hop = "sip:127.0.0.1:{asterisk};transport=udp"
peer = "asterisk"
[domain.presence]
watch = ["presence"]
serve = ["presence", "dialog"]
busy_text = "Speaking with a customer"
dnd_is_busy = true
""" + telephones("keys.example", "sip:127.0.0.1:{asterisk};transport=udp", """\
[domain.presence]
watch = ["dialog"]
busy = "away"
busy_text = "In a call"
ringing_text = "The phone rings"
held_text = "Holding the line"
""")
MAILBOX = """
[sip]
listen = ["udp:127.0.0.13:{port}", "tcp:127.0.0.13:{port}"]

[[domain]]
home = "sip"
xmpp = "mailbox.example"
sip = "asterisk.example"
next_hop = "sip:127.0.0.1:{asterisk};transport=udp"
[[domain.user]]
jid = "rosaline@xmpp.example"
aor = "sip:1001@asterisk.example"
password = "pw-1001"
voicemail = true
"""
ACTIVITY = "{http://jabber.org/protocol/activity}"


class Exchange(Stage):
    """Asterisk with telephone 1002, a baresip, and the extension 1003, whose lamp the check sets; stox at its trunk, and
    as rosaline's telephone 1001."""

    def __init__(self, world):
        super().__init__(world)
        port, trunk, mailbox = self.place.ports(3)
        self.asterisk = self.add(Asterisk(self.place, SIP=port, TRUNK=trunk, BRANCH=mailbox))
        self.exchange = self.stox("stox-exchange", "exchange.example", EXCHANGE, port=trunk, asterisk=port)
        self.mailbox = self.stox("stox-mailbox", "mailbox.example", MAILBOX, port=mailbox, asterisk=port)
        self.phone = self.add(Baresip(self.place, "baresip-desk", "1002", TELEPHONE.format(port), ports=Baresip.lines(self.place),
                                      contacts={"exchange": "sip:600@asterisk.example"}))
        self.rosaline = Friend(self.place, "rosaline", "mask")
        self.keys = EventPhone(self.place, "1009", "asterisk.example", trunk)
        self.keys.toward = "127.0.0.11"

    async def start(self):
        await super().start()
        await self.keys.open()
        await self.rosaline.login()

    async def stop(self):
        with contextlib.suppress(Exception):
            await self.rosaline.logout()
        self.keys.close()
        await super().stop()

    def fresh(self):
        super().fresh()
        self.keys.fresh()
        self.rosaline.fresh()


@contextlib.asynccontextmanager
async def call(s):
    """1002 has called somebody for as long as the block runs."""
    await s.phone.command("dial", "sip:600@asterisk.example")
    try:
        yield
    finally:
        await s.phone.command("hangup")


async def listed(s, jid):
    """He is on the list, and seen."""
    if s.rosaline.roster.get(jid) != "to":
        s.rosaline.add(jid)
        await s.rosaline.listed(jid, "to")


async def does(s, jid, name):
    """The event that tells what he does (XEP-0108, as XEP-0163 sends it): the specific activity, or none with ""."""
    def wanted(message):
        told = message.xml.find(f".//{ACTIVITY}activity")
        return message.sender == jid and told is not None and (told.find(f".//{ACTIVITY}{name}") is not None if name else len(told) == 0)
    event = await s.rosaline.mail.next(wanted, 8, f"event with the activity {name or 'none'}")
    equal(event.type, "headline", "type of the event")
    return f"event {name or 'no activity'}"


@check("presence-phones-hint", 40, stage=Exchange)
async def _(s):
    """A call that baresip makes, by the hint as `presence`; her client is told what he does, too, and when it is over."""
    jid = "1002@exchange.example"
    await listed(s, jid)
    free = await s.rosaline.sees(jid, "online")
    async with call(s):
        busy = await s.rosaline.sees(jid, "dnd")
        has(busy.status, "Speaking with a customer", "words")
        calls = await does(s, jid, "on_the_phone")
        equal(len(s.rosaline.view(jid)), 1, "devices")
    over = await s.rosaline.sees(jid, "online")
    ended = await does(s, jid, "")
    return f"rosaline received: {free}; in the call {busy}, {calls}; after it {over}, {ended}"


@check("presence-phones-hint-unregistered", 40, stage=Exchange)
async def _(s):
    """A phone that is switched off is not there."""
    jid = "1002@exchange.example"
    await listed(s, jid)
    await s.rosaline.sees(jid, "online")
    await s.phone.stop()
    try:
        gone = await s.rosaline.sees(jid, "unavailable", 20)
    finally:
        await s.phone.start()
    back = await s.rosaline.sees(jid, "online")
    return f"rosaline received: {gone}; {back}"


@check("presence-phones-dialog", 40, stage=Exchange)
async def _(s):
    """The same call by the hint as `dialog`; the operator of keys.example chose other words."""
    jid = "1002@keys.example"
    await listed(s, jid)
    free = await s.rosaline.sees(jid, "online")
    async with call(s):
        busy = await s.rosaline.sees(jid, "away")
        has(busy.status, "In a call", "words")
    over = await s.rosaline.sees(jid, "online")
    return f"rosaline received: {free}; in the call {busy}; after it {over}"


@check("presence-phones-rings-and-holds", 40, stage=Exchange)
async def _(s):
    """Where there are words for it."""
    jid, heard = "1003@keys.example", []
    await s.asterisk.state("desk", "NOT_INUSE")
    await listed(s, jid)
    await s.rosaline.sees(jid, "online")
    for state, words in (("RINGING", "The phone rings"), ("INUSE", "In a call"), ("ONHOLD", "Holding the line")):
        await s.asterisk.state("desk", state)
        heard.append(repr(await s.rosaline.sees(jid, lambda told, words=words: words in (told.status or ""))))
    await s.asterisk.state("desk", "NOT_INUSE")
    over = await s.rosaline.sees(jid, lambda told: told.looks == "online" and not told.status)
    return f"rosaline received: {'; '.join(heard)}; {over}"


@check("presence-phones-no-numbers", 40, stage=Exchange)
async def _(s):
    """Whom he speaks with is nobody's business: no number, no address of a machine in what crossed."""
    jid = "1002@keys.example"
    await listed(s, jid)
    async with call(s):
        await s.rosaline.sees(jid, "away")
    await s.rosaline.sees(jid, "online")
    crossed = [ElementTree.tostring(told.xml, "unicode") for told in s.rosaline.told.kept]
    found = [text for text in crossed if re.search(r"\b600\b|127\.0\.0\.", text)]
    equal(found, [], "stanzas with a number or an address")
    return f"{len(crossed)} stanzas, none with the number that was called or an IP address"


@check("presence-phones-unknown", 40, stage=Exchange)
async def _(s):
    """An extension without a hint."""
    s.rosaline.add("77@exchange.example")
    error = await s.rosaline.next("error", "77@exchange.example")
    assert error.xml.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}item-not-found") is not None, f"rosaline received {error}"
    return "rosaline received: error item-not-found"


@check("presence-phones-voicemail", 40, stage=Exchange)
async def _(s):
    """A message in her mailbox lights the lamp: a headline; what has not changed is not told."""
    s.asterisk.voicemail("1001", 0)
    await shortly(2)
    s.rosaline.mail.clear()
    s.asterisk.voicemail("1001", 2)
    lit = await s.rosaline.mail.next(lambda message: message.body, 12)
    equal(lit.type, "headline", "type")
    has(lit.body, "2", "body")
    s.asterisk.voicemail("1001", 0)
    dark = await s.rosaline.mail.next(lambda message: message.body, 12)
    equal(dark.type, "headline", "type")
    await s.rosaline.mail.stays_empty(1.5)
    return f"rosaline received headlines: {quote(lit.body)}; {quote(dark.body)}"


def lamp(notify):
    """The state of the one dialog in the document: what a lamp shows."""
    equal(validate("dialog-info", notify.body), [], "what the schema says")
    found = re.findall(r"<state[^>]*>\s*(\w+)", notify.text)
    return "on" if "confirmed" in found else "ringing" if "early" in found else "off"


@check("presence-phones-key", 40, stage=Exchange)
async def _(s):
    """BLF: the lamp for a chat user is lit while she wants not to be disturbed."""
    subscription, answer = await s.keys.subscribe("rosaline@xmpp.example", "dialog", accept="application/dialog-info+xml")
    has("200 202", str(answer.status), f"answer to SUBSCRIBE, {answer.answer},")
    await s.rosaline.next("subscribe", "1009@exchange.example")
    s.rosaline.presence("1009@exchange.example", "subscribed")
    async def shows(state):
        return await subscription.notify("active", 10, lambda notify: notify.body and lamp(notify) == state)
    off = await shows("off")
    s.rosaline.be("dnd")
    on = await shows("on")
    s.rosaline.be()
    again = await shows("off")
    versions = [int(re.search(r"<dialog-info[^>]*version=[\"'](\d+)", one.text)[1]) for one in (off, on, again)]
    equal(versions, sorted(set(versions)), "versions of the documents")
    return f"key received: {off.get('content-type')} off; dnd: on; online: off; versions {versions}"
