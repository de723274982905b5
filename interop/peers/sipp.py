"""SIPp: many MESSAGEs from the Montagues to juliet, by way of Kamailio."""

import asyncio
import csv

from .place import HERE, MONTAGUES
from .program import Program


class Sipp(Program):
    def __init__(self, place, calls, rate):
        users = place.run / "sipp.users.csv"
        users.write_text("SEQUENTIAL\n" + "".join(f"{user}\n" for user in MONTAGUES))
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
