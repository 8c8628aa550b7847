"""Connections that carry one request at a time, pooled: for the origin and for memcached."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Line:
    """One connection to a server that answers lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, request: bytes) -> None:
        self._writer.write(request)

    async def line(self) -> str:
        """The next line without its end. Raises ConnectionError when the server has closed."""
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("the server closed the connection")
        return line.rstrip(b"\r\n").decode()

    async def block(self, length: int) -> str:
        """A data block of `length` bytes with its line end."""
        block = await self._reader.readexactly(length + 2)
        return block[:-2].decode()

    def close(self) -> None:
        self._writer.close()


class Pool:
    """As many connections as requests were ever open at once; the last one used is used next."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Line] = []
        self.opened = 0

    @contextlib.asynccontextmanager
    async def take(self) -> AsyncIterator[Line]:
        """A connection for one request. It is dropped if that fails: an answer may still be under way."""
        if self._idle:
            line = self._idle.pop()
        else:
            self.opened += 1
            line = Line(*await asyncio.open_connection("127.0.0.1", self._port))
        try:
            yield line
        except BaseException:
            line.close()
            raise
        self._idle.append(line)

    def close(self) -> None:
        for line in self._idle:
            line.close()
        self._idle.clear()
