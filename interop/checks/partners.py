"""Whom stox believes, whom it refuses, and what those hear who wrote."""

import asyncio
import re
import shutil
import signal

from federation import Federation
from peers.tool import run

from . import check, equal, has, quote


async def refused(s, domain, condition, text=None, to="friar@gate.example", within=10):
    """Juliet of this domain writes; she gets exactly one error."""
    chat = s.chats[domain]
    id = chat.write(to, "Can you hear me?")
    error = await chat.error_for(id, within)
    assert error.error in (condition if isinstance(condition, tuple) else (condition,)), f"condition: {error}"
    if text:
        equal(error.text, text, "text")
    await chat.errors.stays_empty(0.3)
    return f"juliet@{domain} received: {error.error}: {quote(error.text)}"


# Errors, both ways.

def errors(name, domain):
    @check(f"partners-{name}-x2s-refused", 40, stage=Federation)
    async def _(s):
        """What the SIP side says comes back by the stream."""
        told = []
        for line, condition in (("404 No such friar", "item-not-found"), ("403 Not at this hour", "forbidden"),
                                ("486 Busy praying", "recipient-unavailable"), ("603 Never", "recipient-unavailable")):
            s.phone.answers = lambda request, line=line: line
            await refused(s, domain, condition, line[4:])
            told.append(f"{line[:3]} {condition}")
        await refused(s, domain, "recipient-unavailable", "No phone registered", "mercutio@gate.example")
        return f"juliet@{domain} received, with the phone's own words: {', '.join(told)}; recipient-unavailable for one without a phone"

    @check(f"partners-{name}-x2s-no-such-domain", 40, stage=Federation)
    async def _(s):
        """A name that leads to stox, and is not one of its domains."""
        return await refused(s, domain, ("remote-server-not-found", "remote-server-timeout", "item-not-found"),
                             to="friar@stranger.gate.example", within=20)

    @check(f"partners-{name}-s2x-unknown-user", stage=Federation)
    async def _(s):
        answer = await s.message(f"nobody@{domain}", "Is anybody there?")
        assert answer.status in (403, 404, 405, 604), f"phone received {answer.answer}"
        return f"phone received: {answer.answer} from {domain}"


errors("prosody", "verona.example")
errors("ejabberd", "venice.example")


def nowhere(domain, statuses, why):
    @check(f"partners-s2x-{domain.partition('.')[0]}", 30, stage=Federation)
    async def _(s):
        began = asyncio.get_running_loop().time()
        answer = await s.message(f"juliet*{domain}@gw.example", why)
        assert answer.status in statuses, f"phone received {answer.answer}"
        took = asyncio.get_running_loop().time() - began
        return f"phone received: {answer.answer} for {domain}, {why}, after {took:.1f} s"


NOT_FOUND, TIMEOUT = (404, 604), (408, 504)
nowhere("missing.example", NOT_FOUND, "which does not exist")
nowhere("dot.example", NOT_FOUND, "whose SRV record says that there is no service")
nowhere("dead.example", TIMEOUT, "where nothing listens")
nowhere("silent.example", TIMEOUT, "whose server says nothing")


# Certificates.

def logged(s, before, *words):
    """The first line of stox's log that has all of these, once there is one."""
    return next((line.partition(" stox::")[2] for line in s.bridge.said()[before:].splitlines()
                 if " stox::" in line and all(word in line for word in words)), None)


def untrusted(name, why):
    domain = f"{name}.mantua.example"

    @check(f"partners-s2x-certificate-{name}", 30, stage=Federation)
    async def _(s):
        """stox dials: the server gets no message, the phone an error, and one line of the log says why."""
        before = len(s.bridge.said())
        answer = await s.message(f"juliet@{domain}", "Who are you?")
        assert answer.status in TIMEOUT + (502, 503), f"phone received {answer.answer}"
        line = await s.bridge.until(lambda: logged(s, before, domain, why), f"line with {domain} and {why!r}")
        await s.chats[domain].mail.stays_empty(0.3)
        return f"phone received: {answer.answer}; log: {line}"

    @check(f"partners-x2s-certificate-{name}", 40, stage=Federation)
    async def _(s):
        """The server dials: it is not believed, its user is told, and one line of the log says why."""
        before = len(s.bridge.said())
        told = await refused(s, domain, ("remote-server-timeout", "remote-server-not-found", "not-authorized"), within=25)
        line = await s.bridge.until(lambda: logged(s, before, domain, why), f"line with {domain} and {why!r}")
        await s.phone.mail.stays_empty(0.2)
        return f"{told}; log: {line}"


untrusted("expired", "expired")
untrusted("wrong", "elsewhere.example")
untrusted("self", "signed by nobody we trust")


@check("partners-blocked", 40, stage=Federation)
async def _(s):
    """An entry with allow = false: neither side gets through, and both are told."""
    before = len(s.bridge.said())
    answer = await s.message("juliet@blocked.mantua.example", "May I?")
    assert answer.status >= 400, f"phone received {answer.answer}"
    told = await refused(s, "blocked.mantua.example", ("remote-server-timeout", "remote-server-not-found", "not-authorized"), within=25)
    line = logged(s, before, "blocked.mantua.example")
    await s.phone.mail.stays_empty(0.2)
    return f"phone received: {answer.answer}; {told}; log: {line}"


async def shown(s):
    """The serial of the certificate that stox shows."""
    _, output = await run("bash", "-c", f"openssl s_client -connect 127.0.0.1:{s.direct} -alpn xmpp-server </dev/null 2>/dev/null"
                          " | openssl x509 -noout -serial")
    return output.strip()


@check("partners-certificate-replaced", 30, stage=Federation)
async def _(s):
    """The files change while streams are open: those stay, and who comes next is shown the new one."""
    got = [await s.stanza("verona.example", "before"), await s.stanza("venice.example", "before")]
    old = await shown(s)
    for end in ("crt", "key"):
        shutil.copy(s.certificates / f"stox.{end}", s.certificates / f"stox.{end}.old")
        shutil.copy(s.certificates / f"next.{end}", s.certificates / f"stox.{end}")
    s.bridge.process.send_signal(signal.SIGHUP)
    async def new():
        return (serial := await shown(s)) != old and serial
    serial = await s.bridge.until(new, "other certificate")
    told = []
    for domain, one in zip(("verona.example", "venice.example"), got):
        again = await s.stanza(domain, "after")
        streams = [(await s.seen(domain, message.id, "received")).stream for message in (one, again)]
        equal(streams[0], streams[1], f"the stream to {domain}")
        told.append(f"{domain} had both messages by one stream")
    return f"{old} before, {serial} after; {', '.join(told)}"


@check("partners-certificate-broken", 30, stage=Federation)
async def _(s):
    """A file that is no certificate is not taken, and the log says so."""
    before, old = len(s.bridge.said()), await shown(s)
    good = (s.certificates / "stox.crt").read_bytes()
    try:
        (s.certificates / "stox.crt").write_text("no certificate\n")
        s.bridge.process.send_signal(signal.SIGHUP)
        line = await s.bridge.until(lambda: logged(s, before, "stox.crt"), "line about stox.crt")
        equal(await shown(s), old, "the certificate that is shown")
    finally:
        (s.certificates / "stox.crt").write_bytes(good)
        s.bridge.process.send_signal(signal.SIGHUP)
    await s.stanza("verona.example", "all is well")
    return f"still {old}; log: {line}"


@check("partners-check", stage=Federation)
async def _(s):
    """`stox check` says how long the certificate is good."""
    code, output = await s.bridge.command("check")
    equal(code, 0, f"exit code, with {output!r}")
    metrics = await s.bridge.metrics("stox_s2s")
    return f"exit 0: {quote(' '.join(output.split()), 200)}; /metrics: {metrics}"
