"""A load generator: connections that each send the next request when the answer to the last one is complete."""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle


@dataclass
class Load:
    """What came of it; latencies in seconds."""

    seconds: float
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        return sorted(self.latencies)[int(share * (len(self.latencies) - 1))] * 1000


class Client:
    """One connection that is kept alive."""

    def __init__(self, address: tuple[str, int], requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests = requests
        self.send()

    def send(self) -> None:
        self.head, self.missing, self.since = b"", 0, time.perf_counter()
        self.socket.sendall(next(self.requests))

    def receive(self) -> bool:
        """Take in what is there; whether the answer is complete."""
        content = self.socket.recv(2**20)
        if self.missing:
            self.missing -= len(content)
            return not self.missing
        self.head += content
        head, end, body = self.head.partition(b"\r\n\r\n")
        if not end:
            return False
        assert head.startswith(b"HTTP/1.1 200"), self.head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        self.missing = int(length[15:]) - len(body)
        return not self.missing

    def finish(self) -> float:
        """Wait for the answer to the request that was sent; its latency."""
        while not self.receive():
            pass
        return time.perf_counter() - self.since


def load(address: tuple[str, int], requests: Sequence[bytes], *, connections: int, seconds: float) -> Load:
    """Keep a server busy with these requests in turn."""
    with selectors.DefaultSelector() as selector:
        turn = cycle(requests)
        clients = [Client(address, turn) for _ in range(connections)]
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        done, now, start = Load(seconds), 0.0, time.perf_counter()
        while (now := time.perf_counter()) < start + seconds:
            for key, _ in selector.select(1.0):
                if key.data.receive():
                    done.latencies.append(time.perf_counter() - key.data.since)
                    key.data.send()
        done.seconds = now - start
        for client in clients:
            client.socket.close()
    return done


def in_turn(sides: Sequence[tuple[tuple[str, int], Sequence[bytes]]], *, seconds: float) -> list[list[float]]:
    """Latencies of each side, in seconds, one request at a time and each side after the other: what else the machine does hits
    all of them alike.
    """
    clients = [Client(address, cycle(requests)) for address, requests in sides]
    latencies: list[list[float]] = [[] for _ in clients]
    for client in clients:
        client.finish()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for client, own in zip(clients, latencies, strict=True):
            client.send()
            own.append(client.finish())
    for client in clients:
        client.socket.close()
    return latencies
