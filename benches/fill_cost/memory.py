"""Memory: of an open flight, and of a parked caller beyond its connection."""

from clients import Conn, Crowd, Server
from plan import say
from servers import request

PIPELINE = 100
LEASE_MS = 600_000
WAIT_MS = 60_000
# As many as fill-slots-per-connection lets park on one connection.
SLOTS = 50


def flights(plan):
    """Growth of used_memory and of the resident size per open flight, keys of 16 bytes."""
    result = []
    for connections in (1, 100):
        with Server(plan, plan.machine.split(1)[0]) as server:
            server.ask("CONFIG", "SET", "fill-flights", plan.flights)
            with Conn(server) as control:
                leaders = [Conn(server) for _ in range(connections)]
                for leader in leaders:
                    leader.ask("PING")
                used, resident = used_memory(control), server.resident()
                open_flights(leaders, plan.flights)
                point = {"connections": connections, "flights": plan.flights}
                point["used"] = (used_memory(control) - used) / plan.flights
                point["resident"] = (server.resident() - resident) / plan.flights
                for leader in leaders:
                    leader.socket.close()
        say(f"{plan.flights:,} flights of {connections:3} connections: {point['used']:.0f} B each")
        result.append(point)
    return result


def open_flights(leaders, count):
    """Each of the leaders leads its share, PIPELINE at a time."""
    for first in range(0, count, PIPELINE):
        leader = leaders[first // PIPELINE % len(leaders)]
        keys = [f"k{number:015}" for number in range(first, first + PIPELINE)]
        leader.socket.sendall(b"".join(request("FILL.GET", key, "LEASE", LEASE_MS) for key in keys))
        for _ in keys:
            if leader.reply()[0] != b"LEAD":
                raise SystemExit("a flight was not opened")


def parked(plan):
    """Growth of used_memory and of the resident size per caller parked for one key, its connection not counted."""
    result = []
    for per_connection in (1, SLOTS):
        connections = plan.callers // per_connection
        server_cores = plan.machine.split(1)[0]
        with Server(plan, server_cores) as server, Conn(server) as leader, Crowd(server.port, connections) as crowd:
            leader.lead("k")
            crowd.send(request("PING"))
            crowd.receive(len(b"+PONG\r\n") * connections)
            used, resident = used_memory(leader), server.resident()
            crowd.send(request("FILL.GET", "k", "WAIT", WAIT_MS) * per_connection)
            leader.until_parked("k", plan.callers)
            point = {"connections": connections, "callers": plan.callers}
            point["used"] = (used_memory(leader) - used) / plan.callers
            point["resident"] = (server.resident() - resident) / plan.callers
        say(f"{plan.callers:,} callers on {connections:,} connections: {point['used']:.0f} B each")
        result.append(point)
    return result


def used_memory(conn):
    """What the server says it uses, bytes."""
    info = conn.ask("INFO", "memory").decode()
    return int(next(line for line in info.splitlines() if line.startswith("used_memory:")).split(":")[1])
