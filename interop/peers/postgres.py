"""PostgreSQL for a server that keeps its tables in one: its own cluster, empty at each start of a run."""

import glob
import os
import shutil
import signal
import tempfile
from pathlib import Path

from . import tool
from .program import Program

USER = "interop"


class Postgres(Program):
    """`schema` are files of SQL, `more` is what comes after them. It does not run as root, and what it runs as may not look
    into the run directory: its files lie in a folder of their own, which `stop` removes."""

    def __init__(self, place, name, port, schema, more=""):
        self.port, self.schema, self.more, self.folder = port, schema, more, None
        self.url = f"postgres://{USER}@127.0.0.1:{port}/postgres"
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        self.bin = Path(found[-1] if found else "/usr/lib/postgresql")
        self.becomes = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups", "--"] if os.getuid() == 0 else []
        super().__init__(name, place)

    async def start(self):
        self.folder = Path(tempfile.mkdtemp(prefix="stox-interop-postgres."))
        if self.becomes:
            shutil.chown(self.folder, "postgres")
        data = self.folder / "data"
        await self._done(*self.becomes, self.bin / "initdb", "-D", data, "-U", USER, "--auth=trust", "-E", "UTF8", "--locale=C")
        self.argv = [str(word) for word in (
            *self.becomes, self.bin / "postgres", "-D", data, "-p", self.port, "-c", "listen_addresses=127.0.0.1",
            "-c", f"unix_socket_directories={self.folder}", "-c", "fsync=off")]
        await super().start(self.port)
        await self.until(self._ready, "answer")
        for file in self.schema:
            await self.sql(Path(file).read_text())
        await self.sql(self.more)

    async def stop(self):
        # Its fast shutdown: nobody's connection is waited for.
        await super().stop(signal.SIGINT)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    async def sql(self, text):
        """Its answer: a tuple of texts for each row."""
        said = await self._done("psql", "-qAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", self.url, text=text.encode())
        return [tuple(line.split("\t")) for line in said.splitlines()]

    async def _ready(self):
        code, _ = await tool.run(self.bin / "pg_isready", "-q", "-d", self.url)
        return code == 0

    async def _done(self, *words, text=b""):
        code, said = await tool.run(*words, home=self.folder, text=text)
        assert code == 0, f"{self.name}: {said}"
        return said
