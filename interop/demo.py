"""The demonstration: a message each way and one to nobody each way, and the ladder of what crossed. `demo` starts it.

Every arrow stands for something that one of the other programs logged or received; stox's own log is not asked.
"""

import asyncio
import os
import re
import signal
import sys

import ladder
from checks import quote
from world import World


class Story:
    """One message, and what each program saw of it."""

    def __init__(self, world):
        self.world = world
        self.prosody = {hop: len(world.prosody.witnessed(hop)) for hop in ("client>prosody", "prosody>stox", "stox>prosody")}
        self.kamailio = len(world.kamailio.witnessed())

    def stanzas(self, hop):
        """`message`, or the condition of an error, for each stanza that took the hop in this story."""
        lines = self.world.prosody.witnessed(hop)[self.prosody[hop]:]
        return [label(line) for line in lines]

    def sip(self):
        """An arrow for each line of Kamailio: sender, receiver, label."""
        names = {self.world.place.stox: "stox", self.world.place.baresip: "phone"}
        for way, port, line in self.world.kamailio.witnessed()[self.kamailio:]:
            other, label = names.get(port), line.split()[0] if " sip:" in line else line
            if other:
                yield (other, "Kamailio", label) if way == "in" else ("Kamailio", other, label)

    def xmpp(self, hop):
        sender, receiver = {"client>prosody": ("chat client", "Prosody"), "prosody>stox": ("Prosody", "stox"),
                            "stox>prosody": ("stox", "Prosody")}[hop]
        return [(sender, receiver, label) for label in self.stanzas(hop)]

    def from_chat(self, told):
        """Juliet wrote; `told` is the error that she received, if any."""
        back = [("Prosody", "chat client", told.error)] if told else []
        return self.xmpp("client>prosody") + self.xmpp("prosody>stox") + list(self.sip()) + self.xmpp("stox>prosody") + back

    def from_phone(self, told):
        """Romeo wrote; `told` is the message that juliet received, if any."""
        sip = list(self.sip())
        turn = next((n + 1 for n, arrow in enumerate(sip) if arrow[1] == "stox"), len(sip))
        shown = [("Prosody", "chat client", "message")] if told else []
        return sip[:turn] + self.xmpp("stox>prosody") + shown + self.xmpp("prosody>stox") + sip[turn:]


def label(line):
    """`message`, or an error's condition, of a line of Prosody's witness."""
    if "type='error'" not in line:
        return "message"
    return line.rpartition("> ")[2].partition(":")[0] or "error"


def show(title, arrows, last):
    print(f"\n{title}\n")
    print(ladder.head())
    for one in arrows:
        print(ladder.arrow(*one))
    print(f"\n  {last}", flush=True)


async def messages(w):
    story, text = Story(w), "Art thou not Romeo, and a Montague?"
    w.juliet.write("romeo@sip.example", text)
    got = await w.baresip.mail.next()
    await asyncio.sleep(0.5)
    show("1. juliet writes to romeo@sip.example", story.from_chat(None),
         f"romeo's phone received: {quote(got.text)} from {got.get('from').partition(';tag')[0]}")

    story, text = Story(w), "Neither, fair saint, if either thee dislike."
    answer = await w.baresip.message("juliet", text)
    got = await w.juliet.mail.next()
    await asyncio.sleep(0.5)
    show("2. romeo writes to sip:juliet@xmpp.example", story.from_phone(got),
         f"juliet received: {quote(got.body)} from {got.sender}; romeo's phone was told: {answer.answer}")

    story = Story(w)
    error = await w.juliet.error_for(w.juliet.write("nobody@sip.example", "Is anybody there?"))
    await asyncio.sleep(0.5)
    show("3. juliet writes to nobody@sip.example", story.from_chat(error),
         f"juliet was told: {error.error}: {quote(error.text)}")

    story = Story(w)
    answer = await w.baresip.message("nobody", "Is anybody there?")
    await asyncio.sleep(0.5)
    show("4. romeo writes to sip:nobody@xmpp.example", story.from_phone(None), f"romeo's phone was told: {answer.answer}")


HINT = """
All of it keeps running until Ctrl-C. Try it by hand:

  * here: a line that begins with "j " is sent by juliet to romeo, one with "r " by romeo to juliet;
  * with a chat client: nurse@xmpp.example, password pw-nurse, server 127.0.0.1 port {place.c2s}, no encryption;
    write to romeo@sip.example or to mercutio@sip.example;
  * with a SIP phone: account mercutio@pbx.example, any password, proxy 127.0.0.1 port {place.kamailio} (UDP or TCP);
    write to sip:juliet@xmpp.example or to sip:nurse@xmpp.example;
  * look: http://127.0.0.1:{place.admin}/metrics and /ready, configuration and logs in {place.run}
"""


async def keep(w):
    """Shows what arrives, and sends what is typed, until told to stop."""
    loop, stop, typed = asyncio.get_running_loop(), asyncio.Event(), asyncio.Queue()
    for how in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(how, stop.set)
    loop.add_reader(sys.stdin, lambda: typed.put_nowait(sys.stdin.readline()))
    print(HINT.format(place=w.place), flush=True)
    w.fresh()

    async def show_all(mailbox, words):
        while True:
            print(f"  {words(await mailbox.next(within=None))}", flush=True)

    async def send_all():
        while line := await typed.get():
            who, _, text = line.strip().partition(" ")
            if who == "j":
                w.juliet.write("romeo@sip.example", text)
            elif who == "r":
                print(f"  romeo's phone was told: {(await w.baresip.message('juliet', text)).answer}", flush=True)
        loop.remove_reader(sys.stdin)

    tasks = [asyncio.create_task(one) for one in (
        send_all(), show_all(w.baresip.mail, lambda got: f"romeo's phone received: {quote(got.text)} from {got.get('from')}"),
        show_all(w.juliet.mail, lambda got: f"juliet received: {got}"),
        show_all(w.juliet.errors, lambda got: f"juliet was told: {got}"))]
    await stop.wait()
    for task in tasks:
        task.cancel()


async def main():
    w = World("demo", os.environ["STOX"])
    try:
        print("starting Prosody, Kamailio, a chat client, a phone, and stox between them …", flush=True)
        await w.start()
        await w.bridge()
        await messages(w)
        if "--keep" in sys.argv:
            await keep(w)
    except (TimeoutError, RuntimeError) as error:
        print(f"\nThe demonstration failed: {error}")
        return 1
    finally:
        await w.stop()
        print(f"\nAll programs are stopped; their configurations and logs are in {w.place.run}")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
