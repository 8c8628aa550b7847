"""Sends so many bytes to every connection once one of them says GO, with epoll and nothing else. The bytes' own
cost: port and length are the arguments."""

import resource
import select
import socket
import sys

FILES = 20_000


def main(port, length):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), max(hard, FILES)))
    data = memoryview(b"v" * length)
    poll = select.epoll()
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    poll.register(listener, select.EPOLLIN)
    peers, left = {}, {}
    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                peer, _ = listener.accept()
                peer.setblocking(False)
                peers[peer.fileno()] = peer
                poll.register(peer, select.EPOLLIN)
            elif number in left:
                advance(poll, peers[number], data, left)
            elif told(poll, peers, number):
                for other in [peer for peer in peers.values() if peer.fileno() != number]:
                    left[other.fileno()] = length
                    advance(poll, other, data, left)


def told(poll, peers, number):
    """Whether this connection said GO; one that closed is forgotten."""
    said = peers[number].recv(16)
    if not said:
        poll.unregister(number)
        peers.pop(number).close()
    return said == b"GO"


def advance(poll, peer, data, left):
    number = peer.fileno()
    try:
        left[number] -= peer.send(data[-left[number]:])
    except BlockingIOError:
        pass
    poll.modify(number, select.EPOLLOUT if left[number] else select.EPOLLIN)
    if not left[number]:
        del left[number]


main(int(sys.argv[1]), int(sys.argv[2]))
