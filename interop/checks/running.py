"""stox as a program that an administrator runs."""

import asyncio
import re

from . import check, equal, has, quote

MISTAKES = """\
[[xmpp.component]]
domain = "sip.example"
server = "127.0.0.1:notaport"
secret = "s"
colour = "red"
[sip]
listen = ["udp:not-an-address"]
"""


@check("running-check-good")
async def _(w):
    code, output = await w.stox.command("check")
    equal(code, 0, f"exit code, with {output!r}")
    return f"exit 0: {quote(output.strip())}"


@check("running-check-mistakes")
async def _(w):
    """All at once, each with its line and key."""
    config = w.place.run / "mistakes.toml"
    config.write_text(MISTAKES)
    code, output = await w.stox.command("check", config=config)
    equal(code, 1, "exit code")
    for line, key in ((3, "server"), (5, "colour"), (7, "listen")):
        assert re.search(rf"mistakes\.toml:{line}\b.*{key}", output), f"line {line} {key} is not in {output!r}"
    has(output, "domain", "the missing part")
    return f"exit 1 with {len(output.splitlines())} lines: {quote(output.splitlines()[0])} …"


@check("running-explain")
async def _(w):
    shown = []
    for address, other in (("romeo@sip.example", "sip:romeo@pbx.example"), ("sip:juliet@xmpp.example", "juliet@xmpp.example")):
        code, output = await w.stox.command("explain", address)
        equal(code, 0, f"exit code for {address}, with {output!r}")
        has(output, other, f"explanation of {address}")
        shown.append(quote(" ".join(output.split()), 70))
    return "; ".join(shown)


@check("running-metrics")
async def _(w):
    w.juliet.write("benvolio@sip.example", "Count me.")
    await w.benvolio.mail.next()

    counters = await w.stox.until(lambda: counted(w), "counter of messages above zero")
    return f"HTTP client received {len(counters)} counters of messages above zero, e.g. {counters[0]}"


async def counted(w):
    """The counters of messages that are above zero."""
    status, body = await w.stox.get("/metrics")
    equal(status, 200, "status")
    return [line for line in body.splitlines() if re.match(r"stox_\w*message\w*.* [1-9]", line)]


@check("running-ready")
async def _(w):
    """Not ready while Prosody is away, ready again after it is back, without help."""
    equal((await w.stox.get("/ready"))[0], 200, "status before")
    await w.prosody.stop()
    await w.stox.until(lambda: not_ready(w), "503 from /ready")
    down = await w.stox.down()
    answer = await w.benvolio.message("juliet@xmpp.example", "Nobody is there.", within=10)
    assert answer.status >= 400, f"the phone received {answer.answer} while Prosody was away"
    await w.prosody.start()
    await w.stox.until(w.stox.ready, "200 from /ready", 15)
    await asyncio.wait_for(asyncio.gather(w.juliet.online.wait(), w.nurse.online.wait()), 10)
    return f"/ready said 503 with {down}; the phone meanwhile: {answer.answer}, Retry-After: {answer.get('retry-after')}"


async def not_ready(w):
    return (await w.stox.get("/ready"))[0] == 503


@check("running-sigterm")
async def _(w):
    """SIGTERM while a phone still thinks: its answer is waited for, the stream closed, all within 5 s."""
    w.benvolio.answers = lambda request: ("404 Late but true", 1.5)
    id = w.juliet.write("benvolio@sip.example", "Last words.")
    await w.benvolio.mail.next()
    began = asyncio.get_running_loop().time()
    code = await w.stox.stop(within=8)
    took = asyncio.get_running_loop().time() - began
    try:
        equal(code, 0, "exit code")
        assert took < 5, f"it took {took:.1f} s"
        error = await w.juliet.error_for(id, 2)
        equal(error.text, "Late but true", "the outcome of what was open")
        # Prosody names a reason when it answered the closing tag, and none when the connection just ended.
        ending = re.findall(r"component disconnected: sip\.example \((.*)\)", w.prosody.said())[-1]
        assert ending != "(nil)", "the stream to Prosody was cut, not closed"
    finally:
        await w.bridge()
    return f"exit 0 after {took:.1f} s, stream closed; juliet received: {error.error}: {quote(error.text)}"
