"""Presence and subscriptions, both ways, as the others see them. The stories about XMPP users who watch a SIP user (x2s) and
SIP users who watch an XMPP user (s2x) are told three times: with stox as a component of Prosody, and with stox, Prosody and
ejabberd as servers that federate."""

import asyncio
import re
import time
import xml.etree.ElementTree as ElementTree

from documents import validate
from peers.events import pidf, state_of, uri
from presence import EVERY, Embassy, Theatre, shortly

from . import check, equal, has, quote

P = "{urn:ietf:params:xml:ns:pidf}"
RPID = "urn:ietf:params:xml:ns:pidf:rpid"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"

#: Where the stories are told: word, stage, side of the stage.
PLACES = (("component", Theatre, lambda s: s.side), ("prosody", Embassy, lambda s: s.sides_of["verona.example"]),
          ("ejabberd", Embassy, lambda s: s.sides_of["venice.example"]))


STORIES = []


def story(name, limit=30, places=("component", "prosody", "ejabberd")):
    """A check in each of the places, see the end; its function gets the side."""
    def keep(function):
        STORIES.append((name, limit, places, function))
        return function
    return keep


def tell(*words):
    """Registers the stories in these places, one place after the other, since they have stages of their own."""
    for word, stage, side in (place for place in PLACES if place[0] in words):
        for name, limit, places, function in STORIES:
            if word in places:
                async def run(s, function=function, side=side):
                    return await function(side(s))
                run.__module__ = __name__
                check(f"presence-{name}-{word}", limit, stage)(run)


# Steps.

async def asks(side, friend=None):
    """Someone's contact is added: his name and JID, and the subscription that the SIP side got."""
    friend = friend or side.friend
    name, jid = side.someone()
    friend.add(jid)
    usage = await side.phone.asked.next(lambda usage: usage.user == name, what=f"SUBSCRIBE for {name}")
    equal(uri(usage.first.get("from")), f"sip:{friend.jid}", "its From")
    return jid, usage


async def watched(side, *tuples, person=""):
    """The same, and the SIP user says yes: JID, subscription."""
    jid, usage = await asks(side)
    answer = await usage.notify(pidf(f"sip:{jid}", *(tuples or (("t1", "open"),)), person=person))
    equal(answer.status, 200, "answer to NOTIFY")
    await side.friend.next("subscribed", jid)
    await side.friend.listed(jid, "to")
    return jid, usage


async def watches(side, event="presence", expires=600, accept="application/pidf+xml", user=None, agree=True):
    """A SIP user subscribes to the friend, who agrees: JID, subscription. The first two NOTIFYs are taken."""
    name, jid = side.someone()
    subscription, answer = await side.phone.subscribe(side.friend.jid, event, expires, sender=f"{name}@{side.domain}", accept=accept)
    has("200 202", str(answer.status), f"answer to SUBSCRIBE, {answer.answer},")
    first = await subscription.notify()
    equal((state_of(first), first.body), ("pending", b""), "first NOTIFY")
    await side.friend.next("subscribe", jid)
    if agree:
        side.friend.presence(jid, "subscribed")
        await subscription.notify("active")
    return jid, subscription


def document(notify):
    """The PIDF of a NOTIFY, after the schema's judgement."""
    equal(notify.get("content-type").partition(";")[0], "application/pidf+xml", "Content-Type")
    equal(validate("pidf", notify.body), [], "what the schema says")
    return ElementTree.fromstring(notify.body)


def tuples(notify):
    """Tuple id -> basic, of a NOTIFY."""
    return {one.get("id"): one.findtext(f"{P}status/{P}basic") for one in document(notify).iter(f"{P}tuple")} if notify.body else {}


async def until(subscription, like, within=9):
    """The next NOTIFY with such a document; those before it are dropped."""
    return await subscription.notify("active", within, lambda notify: notify.body and like(notify))


# An XMPP user watches.

@story("x2s-approved")
async def _(side):
    """Nothing is told while pending; then the chat server's roster says "to", and who is there is seen."""
    jid, usage = await asks(side)
    equal((await usage.notify(state="pending")).status, 200, "answer to NOTIFY")
    await side.friend.listed(jid, "none+ask")
    await shortly()
    equal(side.friend.of_kind("subscribed", "available", "unsubscribed"), [], "what the friend heard while pending")
    await usage.notify(pidf(f"sip:{jid}", ("desk", "open")))
    await side.friend.next("subscribed", jid)
    await side.friend.listed(jid, "to")
    seen = await side.friend.sees(jid, "online")
    return f"SIP received SUBSCRIBE, Expires {usage.first.get('expires')}; roster: none+ask, then to; friend received: {seen}"


@story("x2s-denied")
async def _(side):
    jid, usage = await asks(side)
    await usage.notify(state="pending")
    await usage.notify(state="terminated", reason="rejected")
    await side.friend.next("unsubscribed", jid)
    await side.friend.listed(jid, "none")
    equal(side.friend.view(jid), {}, "what the friend sees")
    return "terminated;reason=rejected: friend received unsubscribed, roster: none"


@story("x2s-refused", places=("component",))
async def _(side):
    """Final answers to the SUBSCRIBE that say no for good (RFC 8048 section 5.2.2)."""
    heard = []
    for line in ("403 Forbidden", "489 Bad Event", "603 Decline"):
        side.phone.policy = lambda request, line=line: line
        name, jid = side.someone()
        side.friend.add(jid)
        await side.friend.next("unsubscribed", jid)
        await side.friend.listed(jid, "none")
        heard.append(f"{line[:3]} unsubscribed")
    return f"friend received: {', '.join(heard)}"


@story("x2s-unknown", places=("component",))
async def _(side):
    """404 keeps the request and tells once why."""
    side.phone.policy = lambda request: "404 Not Found"
    name, jid = side.someone()
    side.friend.add(jid)
    error = await side.friend.next("error", jid)
    condition = error.xml.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}item-not-found")
    assert condition is not None, f"friend received {ElementTree.tostring(error.xml)}"
    await shortly(1)
    equal(side.friend.of_kind("error"), [], "further errors")
    return f"friend received: error item-not-found, once; roster: {side.friend.roster.get(jid)}"


@story("x2s-looks")
async def _(side):
    """Words with languages, activities and priority; a second device, and both gone."""
    jid, usage = await watched(side, ("desk", "open", '<contact priority="0.8">sip:x@y.example</contact>', '<note xml:lang="en">In a meeting</note>',
                                      '<note xml:lang="de">In einer Sitzung</note>'), person="<r:activities><r:meeting/></r:activities>")
    seen = await side.friend.sees(jid, lambda told: "In a meeting" in told.texts.values())
    equal(seen.texts, {"en": "In a meeting", "de": "In einer Sitzung"}, "texts")
    await usage.notify(pidf(f"sip:{jid}", ("desk", "open"), ("mobile", "open", "<note>Away from my desk</note>"),
                            person="<r:activities><r:away/></r:activities>"))
    await side.friend.sees(jid, "away")
    both = side.friend.view(jid)
    equal(len(both), 2, f"devices in {both}")
    await usage.notify(pidf(f"sip:{jid}", ("mobile", "open")))
    await shortly(0.4)
    equal(len(side.friend.view(jid)), 1, f"devices in {side.friend.view(jid)}")
    await usage.notify(pidf(f"sip:{jid}", ("mobile", "closed")))
    await side.friend.sees(jid, "unavailable")
    return f"friend received: {seen} with {seen.texts}, priority {seen.priority}; then {both}; then one; then unavailable"


@story("x2s-same-again", places=("component",))
async def _(side):
    """What has not changed is not told again, and an empty NOTIFY changes nothing."""
    jid, usage = await watched(side)
    await side.friend.sees(jid, "online")
    side.friend.told.clear()
    for body in (pidf(f"sip:{jid}", ("t1", "open")), b"", pidf(f"sip:{jid}", ("t1", "open"))):
        equal((await usage.notify(body)).status, 200, "answer to NOTIFY")
    await shortly()
    equal(side.friend.told.kept, [], "what the friend received of three NOTIFYs")
    return f"three NOTIFYs with nothing new: 200, friend received nothing; still {side.friend.view(jid)}"


@story("x2s-second-device")
async def _(side):
    """One who comes later sees him at once, by the same dialog."""
    jid, usage = await watched(side)
    await side.friend.sees(jid, "online")
    await side.other.login()
    try:
        seen = await side.other.sees(jid, "online")
        await usage.notify(pidf(f"sip:{jid}", ("t1", "open", "<note>Later</note>")))
        for friend in (side.friend, side.other):
            await friend.sees(jid, lambda told: told.status == "Later")
    finally:
        await side.other.logout()
    equal([again for again in side.phone.asked.kept if again.user == usage.user], [], "further dialogs")
    return f"second device received: {seen}; then both: 'Later'; SIP had one SUBSCRIBE"


@story("x2s-offline-and-back")
async def _(side):
    """She goes and comes back: she sees how he looks now, and nobody was asked again."""
    jid, usage = await watched(side)
    await side.friend.sees(jid, "online")
    side.friend.leave()
    await shortly(0.3)
    await usage.notify(pidf(f"sip:{jid}", ("t1", "open", "<note>Changed meanwhile</note>")))
    side.friend.fresh()
    await side.friend.sees(jid, lambda told: told.status == "Changed meanwhile")
    await side.friend.listed(jid, "to")
    equal(side.friend.of_kind("subscribed", "unsubscribed", "subscribe"), [], "what was asked or said again")
    equal([again for again in side.phone.asked.kept if again.user == usage.user], [], "new dialogs")
    return f"back, the friend received: {side.friend.view(jid)}, 'Changed meanwhile'; roster: to; SIP had no new dialog"


@story("x2s-removed")
async def _(side):
    jid, usage = await watched(side)
    await side.friend.sees(jid, "online")
    side.friend.remove(jid)
    last = await usage.told.next(lambda request: request.get("expires") == "0", what="SUBSCRIBE with Expires 0")
    answer = await usage.notify(state="terminated", reason="timeout")
    equal(answer.status, 200, "answer to the last NOTIFY")
    await side.friend.listed(jid, None)
    answer = await usage.notify(pidf(f"sip:{jid}", ("t1", "open")))
    equal(answer.status, 481, "answer to a NOTIFY after that")
    return f"SIP received: SUBSCRIBE in the dialog, Expires {last.get('expires')}; roster: not listed; a later NOTIFY: {answer.answer}"


@story("x2s-revoked", places=("component", "prosody"))
async def _(side):
    """The SIP user takes it back later."""
    jid, usage = await watched(side)
    await side.friend.sees(jid, "online")
    await usage.notify(state="terminated", reason="rejected")
    await side.friend.sees(jid, "unavailable")
    await side.friend.next("unsubscribed", jid)
    await side.friend.listed(jid, "none")
    return "terminated;reason=rejected: friend received unavailable and unsubscribed, roster: none"


@story("x2s-begins-anew", places=("component",))
async def _(side):
    """Reasons that end a dialog and not the permission: a new one, at once or later; the roster stays."""
    done = []
    for reason in ("deactivated", "timeout"):
        jid, usage = await watched(side)
        await side.friend.sees(jid, "online")
        await usage.notify(state="terminated", reason=reason)
        again = await side.phone.asked.next(lambda again: again.user == usage.user, what="SUBSCRIBE in a new dialog")
        await again.notify(pidf(f"sip:{jid}", ("t1", "open", "<note>Again</note>")))
        await side.friend.sees(jid, lambda told: told.status == "Again")
        done.append(reason)
    equal(side.friend.of_kind("unsubscribed"), [], "what the friend heard besides")
    jid, usage = await watched(side)
    await usage.notify(state="terminated", reason="probation", retry=2)
    began = time.monotonic()
    again = await side.phone.asked.next(lambda again: again.user == usage.user, what="SUBSCRIBE in a new dialog")
    waited = time.monotonic() - began
    assert waited > 1.5, f"SUBSCRIBE came after {waited:.1f} s"
    await again.notify(pidf(f"sip:{jid}", ("t1", "open")))
    await side.friend.sees(jid, "online")
    equal(side.friend.roster[jid], "to", "roster")
    return f"SIP received a SUBSCRIBE in a new dialog at once ({', '.join(done)}), and after {waited:.1f} s (probation;retry-after=2); roster: to"


@story("x2s-refreshed", places=("component",))
async def _(side):
    """The SIP side grants a few seconds; 423 and 481 to a refresh are no refusals."""
    side.phone.longest = 6
    jid, usage = await watched(side)
    await side.friend.sees(jid, "online")
    refresh = await usage.told.next(lambda request: request.get("expires") != "0", 8, "SUBSCRIBE in the dialog")
    await usage.notify(pidf(f"sip:{jid}", ("t1", "open")))
    side.phone.usages.pop(usage.call)
    again = await side.phone.asked.next(lambda again: again.user == usage.user, 10, "SUBSCRIBE in a new dialog")
    await again.notify(pidf(f"sip:{jid}", ("t1", "open", "<note>Anew</note>")))
    await side.friend.sees(jid, lambda told: told.status == "Anew")
    equal(side.friend.of_kind("unsubscribed", "subscribe"), [], "what the friend heard besides")
    return f"SIP received: refresh, CSeq {refresh.get('cseq')}; after 481 a new SUBSCRIBE; roster: {side.friend.roster[jid]}"


@story("x2s-too-brief", places=("component",))
async def _(side):
    side.phone.policy = lambda request: "200 OK" if int(request.get("expires")) >= 7200 else "423 Interval Too Brief\r\nMin-Expires: 7200"
    jid, usage = await watched(side)
    equal(usage.first.get("expires"), "7200", "Expires of the second SUBSCRIBE")
    return f"after 423 with Min-Expires 7200 SIP received Expires {usage.first.get('expires')}; roster: to"


# A SIP user watches.

@story("s2x-approved")
async def _(side):
    """Nothing about her before she agreed; then a valid document with her device."""
    side.friend.be("away", {None: "Soon back"}, 5)
    name, jid = side.someone()
    subscription, answer = await side.phone.subscribe(side.friend.jid, sender=f"{name}@{side.domain}")
    first = await subscription.notify()
    equal((state_of(first), first.body), ("pending", b""), "first NOTIFY")
    await side.friend.next("subscribe", jid)
    await subscription.told.stays_empty(0.5)
    side.friend.presence(jid, "subscribed")
    got = await until(subscription, lambda notify: "open" in tuples(notify).values())
    has(got.text, "Soon back", "document")
    await side.friend.listed(jid, "from")
    side.friend.be()
    return f"SIP received: {answer.answer}; NOTIFY {first.get('subscription-state')} without body; then {got.get('subscription-state')}, valid PIDF, tuples {tuples(got)}"


@story("s2x-denied")
async def _(side):
    jid, subscription = await watches(side, agree=False)
    side.friend.presence(jid, "unsubscribed")
    last = await subscription.notify("terminated")
    has(last.get("subscription-state"), "reason=rejected", "Subscription-State")
    equal(last.body, b"", "its body")
    return f"SIP received: NOTIFY {last.get('subscription-state')}, no body"


@story("s2x-revoked", places=("component", "ejabberd"))
async def _(side):
    jid, subscription = await watches(side)
    side.friend.presence(jid, "unsubscribed")
    last = await subscription.notify("terminated")
    has(last.get("subscription-state"), "reason=rejected", "Subscription-State")
    return f"SIP received: NOTIFY {last.get('subscription-state')}"


@story("s2x-two-devices", limit=60)
async def _(side):
    """A tuple for each, one closed tuple when the last has gone."""
    side.friend.be("chat", {"en": "Come in", "de": "Herein"}, 10)
    jid, subscription = await watches(side)
    await side.other.login()
    try:
        both = await until(subscription, lambda notify: len(tuples(notify)) == 2)
    finally:
        await side.other.logout()
    one = await until(subscription, lambda notify: len(tuples(notify)) == 1)
    has(one.text, "Come in", "document")
    has(one.text, "Herein", "document")
    side.friend.leave()
    none = await until(subscription, lambda notify: set(tuples(notify).values()) == {"closed"})
    side.friend.be()
    await until(subscription, lambda notify: set(tuples(notify).values()) == {"open"})
    return f"SIP received: {tuples(both)}; then {tuples(one)}; then {tuples(none)}; then open again"


@story("s2x-mood", limit=45)
async def _(side):
    """The friend's mood, as her client publishes it (XEP-0107, XEP-0163): her server tells it to a contact whose capabilities
    say that he wants it."""
    def publish(mood):
        side.friend.write_raw("<iq type='set' id='mood'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='http://jabber.org/protocol/mood'>"
                              f"<item id='current'><mood xmlns='http://jabber.org/protocol/mood'>{mood}</mood></item></publish></pubsub></iq>")
    publish("<happy/><text>Spring</text>")
    jid, usage = await watched(side)
    await side.friend.sees(jid, "online")
    subscription, answer = await side.phone.subscribe(side.friend.jid, sender=jid)
    has("200 202", str(answer.status), f"answer to SUBSCRIBE, {answer.answer},")
    await side.friend.next("subscribe", jid)
    side.friend.presence(jid, "subscribed")
    mood = lambda notify: document(notify).find(f".//{{{RPID}}}mood")
    first = await until(subscription, lambda notify: mood(notify) is not None, 15)
    publish("<sad/>")
    then = await until(subscription, lambda notify: mood(notify) is not None and mood(notify).find(f"{{{RPID}}}sad") is not None)
    publish("")
    last = await until(subscription, lambda notify: mood(notify) is None)
    names = [one.tag.partition("}")[2] for one in mood(first)]
    equal(sorted(names), ["happy", "note"], "the mood that she had before")
    equal(list(tuples(last).values())[:1], ["open"], "status in the end")
    return f"SIP received: {', '.join(names)}, then {mood(then)[0].tag.partition('}')[2]}, then none"


@story("s2x-coalesced", limit=40, places=("component",))
async def _(side):
    """Five changes in a second: one NOTIFY with the last of them, as long after the one before as is set."""
    jid, subscription = await watches(side)
    await shortly(EVERY + 0.5)
    subscription.told.clear()
    times = []
    side.friend.be(texts={None: "change 0"})
    await until(subscription, lambda notify: "change 0" in notify.text)
    times.append(time.monotonic())
    for number in range(1, 6):
        side.friend.be(texts={None: f"change {number}"})
        await asyncio.sleep(0.2)
    last = await until(subscription, lambda notify: "change" in notify.text)
    waited = time.monotonic() - times[0]
    has(last.text, "change 5", "document")
    assert EVERY - 0.5 < waited < EVERY + 2, f"second NOTIFY after {waited:.1f} s"
    await subscription.told.stays_empty(0.5)
    side.friend.be()
    return f"SIP received: change 0 at once, change 5 after {waited:.1f} s, nothing between"


@story("s2x-polled", places=("component", "prosody"))
async def _(side):
    """Expires 0: one NOTIFY, with what is known if she had agreed, and with nothing if she had not."""
    jid, subscription = await watches(side)
    sender = f"{jid.partition('@')[0]}@{side.domain}"
    poll, answer = await side.phone.subscribe(side.friend.jid, expires=0, sender=sender)
    known = await poll.notify("terminated")
    has(known.get("subscription-state"), "reason=timeout", "Subscription-State")
    equal(set(tuples(known).values()), {"open"}, "what is known")
    stranger, _ = side.someone()
    poll, answer = await side.phone.subscribe(side.friend.jid, expires=0, sender=f"{stranger}@{side.domain}")
    unknown = await poll.notify("terminated")
    assert b"open" not in unknown.body and b"closed" not in unknown.body, f"one whom she does not know received {unknown.text}"
    await shortly(0.3)
    equal(side.friend.of_kind("subscribe"), [], "what she was asked")
    return f"SIP received: {known.get('subscription-state')} with {tuples(known)}; one without permission: {unknown.get('subscription-state')}, {len(unknown.body)} bytes"


@story("s2x-refreshed", places=("component", "prosody"))
async def _(side):
    """The whole state again, by a later CSeq; nobody is asked."""
    jid, subscription = await watches(side)
    await until(subscription, lambda notify: "open" in tuples(notify).values())
    answer = await subscription.refresh(600)
    again = await until(subscription, lambda notify: "open" in tuples(notify).values())
    equal(subscription.heard, sorted(set(subscription.heard)), "order of the CSeqs")
    answer = await subscription.refresh(0)
    last = await subscription.notify("terminated")
    has(last.get("subscription-state"), "reason=timeout", "Subscription-State")
    equal(side.friend.of_kind("subscribe"), [], "what she was asked")
    equal(side.friend.roster.get(jid), "from", "roster")
    return f"SIP received: {answer.answer}, {tuples(again)}; Expires 0: {last.get('subscription-state')}; CSeqs {subscription.heard}; roster: from"


@story("s2x-subscribes-again", places=("component", "prosody", "ejabberd"))
async def _(side):
    """A new dialog of one whom she has agreed to: nobody is asked."""
    jid, subscription = await watches(side)
    await subscription.refresh(0)
    await subscription.notify("terminated")
    side.friend.told.clear()
    sender = f"{jid.partition('@')[0]}@{side.domain}"
    again, answer = await side.phone.subscribe(side.friend.jid, sender=sender)
    got = await until(again, lambda notify: "open" in tuples(notify).values())
    equal(side.friend.of_kind("subscribe"), [], "what she was asked")
    twin, _ = await side.phone.subscribe(side.friend.jid, sender=sender)
    await until(twin, lambda notify: "open" in tuples(notify).values())
    side.friend.be("dnd")
    for one in (again, twin):
        await until(one, lambda notify: "dnd" in notify.text)
    side.friend.be()
    return f"SIP received: {got.get('subscription-state')} with {tuples(got)}; two phones of one watcher: both told of dnd"


@story("s2x-too-brief", places=("component",))
async def _(side):
    """Two seconds are refused, and what is said instead is granted. It is not refreshed; see the last of this place."""
    name, jid = side.someone()
    subscription, refused = await side.phone.subscribe(side.friend.jid, expires=2, sender=f"{name}@{side.domain}")
    equal(refused.status, 423, "answer to SUBSCRIBE with Expires 2")
    least = int(refused.get("min-expires"))
    jid, side.lapses = await watches(side, expires=least)
    side.lapses_at = time.monotonic() + least
    return f"SIP received: {refused.answer}, Min-Expires {least}; then {side.lapses.expires} s"


@story("s2x-nobody", places=("component", "prosody", "ejabberd"))
async def _(side):
    """There is no such user: no state, and no word that tells more than of one who says no."""
    name, jid = side.someone()
    subscription, answer = await side.phone.subscribe(f"nobody@{side.friend.jid.partition('@')[2]}", sender=f"{name}@{side.domain}")
    if answer.status >= 300:
        return f"SIP received: {answer.answer}"
    await shortly(1)
    told = [notify.get("subscription-state") for notify in subscription.told.kept]
    assert not any(notify.body for notify in subscription.told.kept), f"SIP received {subscription.told.kept}"
    return f"SIP received: {answer.answer}, NOTIFY {told}"


tell("component")


# With the programs of others.

@check("presence-x2s-kamailio", 40, stage=Theatre)
async def _(s):
    """A presence server that wants a password; tybalt's rules say nothing, then yes, then no. His baresip publishes."""
    jid = "tybalt@presence.example"
    async with s.phone("tybalt") as phone:
        s.rosaline.add(jid)
        async def pending():
            return ("rosaline@xmpp.example", "presence", 2) in [row[:3] for row in s.server.watchers("tybalt")]
        await s.server.until(pending, "pending watcher")
        await s.rosaline.listed(jid, "none+ask")
        await shortly()
        equal(s.rosaline.of_kind("subscribed", "available"), [], "what rosaline heard while pending")
        await s.server.decide("tybalt", "rosaline@xmpp.example", "allow")
        await s.rosaline.next("subscribed", jid)
        await s.rosaline.listed(jid, "to")
        online = await s.rosaline.sees(jid, "online")
        await phone.command("presence_offline")
        offline = await s.rosaline.sees(jid, "unavailable")
        await phone.command("presence_online")
        await s.rosaline.sees(jid, "online")
        await s.server.decide("tybalt", "rosaline@xmpp.example", "block")
        await s.rosaline.next("unsubscribed", jid)
        await s.rosaline.listed(jid, "none")
        equal(s.server.watchers("tybalt"), [], "Kamailio's watchers")
    return f"Kamailio: watcher pending, active, gone; rosaline received: {online}; {offline}; at last unsubscribed; roster: none+ask, to, none"


@check("presence-x2s-kamailio-removed", 40, stage=Theatre)
async def _(s):
    """On the list, and off it: Kamailio's own list of watchers follows."""
    jid = "paris@presence.example"
    await s.server.decide("paris", "rosaline@xmpp.example", "allow")
    async def count(number):
        await s.server.until(lambda: len(s.server.watchers("paris")) == number, f"{number} watchers", 12)
    s.rosaline.add(jid)
    await s.rosaline.next("subscribed", jid)
    await count(1)
    s.rosaline.remove(jid)
    await count(0)
    await s.rosaline.listed(jid, None)
    return "Kamailio's watchers of paris: 1, removed 0; roster: not listed"


@check("presence-x2s-baresip", 40, stage=Theatre)
async def _(s):
    """baresip tells of itself."""
    jid = "mercutio@own.example"
    async with s.phone("mercutio", "own.example", s.port, publishes=False) as phone:
        await phone.command("presence_online")
        s.rosaline.add(jid)
        await s.rosaline.next("subscribed", jid)
        online = await s.rosaline.sees(jid, "online")
        await phone.command("presence_offline")
        offline = await s.rosaline.sees(jid, "unavailable")
    return f"rosaline received: subscribed; {online}; {offline}"


async def contact(phone, looks, within=12, who="rosaline"):
    """How rosaline, or who else, looks in baresip's list of contacts, as soon as it is so."""
    async def look():
        said = re.sub(r"\x1b\[[\d;]*m", "", await phone.command("contacts"))
        return next((line for line in said.splitlines() if who in line and looks in line), None)
    return (await phone.until(look, f"contact that is {looks}", within)).strip("> ").partition(" <")[0]


def by_baresip(name, where):
    @check(f"presence-s2x-baresip-{name}", 60, stage=Theatre)
    async def _(s):
        user, domain, port, publishes = where(s)
        async with s.phone(user, domain, port, watches=["rosaline@xmpp.example"], publishes=publishes) as phone:
            await s.rosaline.next("subscribe", f"{user}@{domain}")
            unknown = await contact(phone, "Unknown")
            s.rosaline.presence(f"{user}@{domain}", "subscribed")
            online = await contact(phone, "Online")
            s.rosaline.leave()
            offline = await contact(phone, "Offline")
            s.rosaline.be("dnd")
            busy = await contact(phone, "Busy")
            s.rosaline.be()
        return f"baresip shows: {unknown}; {online}; {offline}; {busy}"


by_baresip("kamailio", lambda s: ("capulet", "presence.example", s.sip, True))
by_baresip("direct", lambda s: ("montague", "own.example", s.port, False))


@check("presence-s2x-expires-component", 120, stage=Theatre)
async def _(s):
    """One who does not refresh is told that it is over."""
    side = s.side
    if not side.lapses:
        _, side.lapses = await watches(side, expires=30)
        side.lapses_at = time.monotonic() + side.lapses.expires
    last = await side.lapses.notify("terminated", max(0, side.lapses_at - time.monotonic()) + 10)
    has(last.get("subscription-state"), "reason=timeout", "Subscription-State")
    return f"SIP received, {max(0.0, time.monotonic() - side.lapses_at):.0f} s after the end at most: NOTIFY {last.get('subscription-state')}"


tell("prosody", "ejabberd")
