"""A wire between two servers that a check can cut: it passes bytes on, and reads no more of them than which TLS was agreed."""

import asyncio
import socket
import struct

from .place import LOOPBACK

VERSIONS = {0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}


def agreed(said):
    """The version in the first ServerHello of these bytes (RFC 8446 section 4.1.3), or None."""
    at = said.find(b"\x16\x03")
    hello = said[at + 5:] if at >= 0 else b""
    if len(hello) < 44 or hello[0] != 2:
        return None
    at = 38 + 1 + hello[38] + 3
    end = at + 2 + int.from_bytes(hello[at:at + 2], "big")
    at += 2
    while at + 4 <= end:
        kind, length = struct.unpack(">HH", hello[at:at + 4])
        if kind == 43:
            return VERSIONS.get(int.from_bytes(hello[at + 4:at + 6], "big"))
        at += 4 + length
    return VERSIONS.get(int.from_bytes(hello[4:6], "big"))


class Relay:
    """Takes connections on `port` and opens one to the port `to` for each."""

    def __init__(self, place, to):
        self.port, self.to = place.ports(), to
        #: How many connections came, and which TLS they agreed on.
        self.came, self.tls = 0, []
        self.server, self.writers, self.frozen = None, set(), asyncio.Event()
        self.frozen.set()

    async def start(self):
        self.server = await asyncio.start_server(self.carry, LOOPBACK, self.port)

    async def stop(self):
        self.cut()
        if self.server:
            self.server.close()
            self.server = None

    def freeze(self):
        """Nothing passes any more, and nobody is told."""
        self.frozen.clear()

    def thaw(self):
        self.frozen.set()

    def cut(self):
        """Every connection is reset, with what is on its way."""
        for writer in self.writers:
            if sock := writer.get_extra_info("socket"):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self.writers.clear()

    @property
    def open(self):
        """How many connections there are."""
        return len(self.writers) // 2

    async def carry(self, reader, writer):
        self.came += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self.to)
        except OSError:
            return writer.close()
        mine = {writer, far_writer}
        self.writers |= mine
        await asyncio.gather(self.copy(reader, far_writer), self.copy(far_reader, writer, watch=True))
        for one in mine:
            one.close()
        self.writers -= mine

    async def copy(self, reader, writer, watch=False):
        said = b""
        try:
            while data := await reader.read(1 << 16):
                await self.frozen.wait()
                if watch and len(said) < 1 << 14:
                    said += data
                    if version := agreed(said):
                        self.tls.append(version)
                        watch = False
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except (OSError, RuntimeError):
            writer.transport.abort()
