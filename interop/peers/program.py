"""A program that a run started: its output goes to the run directory, and it is ended by its own process id."""

import asyncio
import os
import signal
import time


class Program:
    """Starts, waits for, and stops one process. Should the harness die, the process gets SIGTERM from the kernel."""

    def __init__(self, name, place, *argv):
        self.name, self.place = name, place
        self.argv = [str(word) for word in argv]
        self.log = place.run / f"{name}.log"
        self.process = None

    @property
    def running(self):
        return self.process is not None and self.process.returncode is None

    async def start(self, *ports, within=20):
        """Starts it and returns when it accepts connections on every port of `ports`."""
        for port in ports:
            if await accepts(port):
                raise RuntimeError(f"{self.name}: port {port} is taken by another program; set INTEROP_PORT")
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                "setpriv", "--pdeathsig", "TERM", "--", *self.argv,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        for port in ports:
            await self.until(lambda port=port: accepts(port), f"a listener on port {port}", within)

    async def stop(self, how=signal.SIGTERM, within=10):
        """Ends it and returns its exit code. After `within` seconds it gets SIGKILL, and so do its children, which
        cannot be told by a parent that is killed."""
        if not self.running:
            return self.process and self.process.returncode
        try:
            if how != signal.SIGKILL:
                self.process.send_signal(how)
                return await asyncio.wait_for(self.process.wait(), within)
        except asyncio.TimeoutError:
            pass
        os.killpg(self.process.pid, signal.SIGKILL)
        return await self.process.wait()

    async def until(self, true, what, within=10):
        """Waits until the coroutine function or function `true` says so, as long as the program lives."""
        deadline = time.monotonic() + within
        while True:
            answer = true()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return answer
            if not self.running:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}: {self.last_words()}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name}: no {what} in {within} s, see {self.log}")
            await asyncio.sleep(0.05)

    def said(self):
        """All it wrote so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def last_words(self):
        return " | ".join(self.said().splitlines()[-3:]) or "it said nothing"


async def accepts(port, host="127.0.0.1"):
    """Whether something listens there."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
