"""SIPp: many MESSAGEs from the Montagues to juliet, by way of Kamailio, and a phone that counts what it takes."""

import asyncio
import csv
import re

from .place import HERE, MONTAGUES
from .program import Program


class Sipp(Program):
    def __init__(self, place, calls, rate):
        users = place.run / "sipp.users.csv"
        users.write_text("SEQUENTIAL\n" + "".join(f"{user};pbx.example\n" for user in MONTAGUES))
        self.statistics = place.run / "sipp.statistics.csv"
        super().__init__("sipp", place, "sipp", f"127.0.0.1:{place.kamailio}", "-i", "127.0.0.1", "-p", place.sipp,
                         "-sf", HERE / "message.xml", "-inf", users, "-m", calls, "-r", rate, "-l", 2000, "-nostdin",
                         "-trace_stat", "-stf", self.statistics, "-fd", 1)

    async def finish(self, within):
        """Waits for the last call and returns (successful, failed, retransmitted), as SIPp counts them."""
        await asyncio.wait_for(self.process.wait(), within)
        with self.statistics.open() as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        return int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"]), int(last["Retransmissions(C)"])

    async def through(self, within):
        """From its start to its end; as `finish`."""
        await self.start()
        try:
            return await self.finish(within)
        finally:
            await self.stop()


class SippPhones(Program):
    """Sends straight to stox, at the address `to`, over UDP or TCP: `calls` messages of `user`@`domain` to juliet."""

    def __init__(self, place, name, port, to, transport, user, domain, calls, rate, host="127.0.0.1"):
        users = place.run / f"{name}.users.csv"
        users.write_text(f"SEQUENTIAL\n{user};{domain}\n")
        self.statistics = place.run / f"{name}.statistics.csv"
        super().__init__(name, place, "sipp", to, "-i", host, "-p", port, "-t", f"{transport[0]}1",
                         "-sf", HERE / "message.xml", "-inf", users, "-m", calls, "-r", rate, "-nostdin",
                         "-trace_stat", "-stf", self.statistics, "-fd", 1)

    finish, through = Sipp.finish, Sipp.through


class SippAnswers(Program):
    """A phone that answers every MESSAGE with 200 and ends after `calls` of them; `received` has their texts."""

    def __init__(self, place, name, port, transport, calls, host="127.0.0.1"):
        self.traffic = place.run / f"{name}.messages"
        super().__init__(name, place, "sipp", "-i", host, "-p", port, "-t", f"{transport[0]}1", "-sf", HERE / "uas.xml",
                         "-m", calls, "-nostdin", "-trace_msg", "-message_file", self.traffic, "-message_overwrite", "true")
        self.port, self.transport = port, transport

    async def start(self):
        await super().start(*([self.port] if self.transport == "tcp" else []))

    async def finish(self, within):
        """Waits for the last one; how many MESSAGEs came."""
        await asyncio.wait_for(self.process.wait(), within)
        return self.traffic.read_text(errors="replace").count("message received") if self.traffic.exists() else 0


class SippCall(Program):
    """One end of a call through stox: `scenario` is a file of `calls/`. Ends after `calls` calls."""

    def __init__(self, place, scenario, port, transport, calls, to=None):
        self.transport, self.port, self.to = transport, port, to
        self.traffic = place.run / f"sipp-{scenario}-{transport}.messages"
        super().__init__(f"sipp-{scenario}-{transport}", place, "sipp", *([f"127.0.0.1:{to}", "-r", 5] if to else []),
                         "-i", "127.0.0.1", "-p", port, "-t", f"{transport[0]}1", "-s", "callee", "-m", calls, "-nostdin",
                         "-sf", HERE / "calls" / f"{scenario}.xml", "-trace_msg", "-message_file", self.traffic)

    async def start(self):
        await super().start(*([self.port] if self.transport == "tcp" and not self.to else []))

    async def finish(self, within):
        """Waits for the last call; whether all went as the scenario says."""
        return await asyncio.wait_for(self.process.wait(), within) == 0

    def saw(self):
        """The first lines of the messages that it received, without repetitions, in order."""
        text = self.traffic.read_text(errors="replace") if self.traffic.exists() else ""
        blocks = re.findall(r"message received \[\d+\] bytes ?:\s+(\S.*?)\r?\n", text)
        return list(dict.fromkeys(block.removeprefix("SIP/2.0 ").removesuffix(" SIP/2.0") for block in blocks))
