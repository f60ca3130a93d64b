#!/usr/bin/env python3
"""Stands before Nova and writes down what it is asked: nova_proxy.py ADDRESS PORT NOVAS_PORT LOG

Whoever takes Nova's `admin` endpoint out of the catalogue comes through here, others do not. Of each request
there is one line of JSON in LOG:

  at          when it had arrived whole, before Nova got it: seconds of the monotonic clock; `wall`, of the day
  method, path
  key         the first key of its body: the action, for a POST to /servers/ID/action
  forced_down what the body says of that, if anything
  status      Nova's answer; none where there came none
  request_id  Nova's own name for it
  took_ms     until the last byte of the answer was passed on

It decides nothing, keeps nothing and changes no byte. Nova closes each connection after its answer
(`Connection: close`, see uwsgi_app in lib.sh), so one connection is one request here too. While nobody listens
at Nova's port it answers 503, as the balancer before a real Nova does.
"""
import asyncio
import json
import sys
import time

HEAD_MAX = 65536
NOBODY = (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def headers(head):
    lines = head.decode("latin-1").split("\r\n")
    pairs = (line.split(":", 1) for line in lines[1:] if ":" in line)
    return lines[0], {name.strip().lower(): value.strip() for name, value in pairs}


def of_body(body):
    """The first key of a JSON object, and its `forced_down`."""
    try:
        asked = json.loads(body)
    except ValueError:
        return {}
    if not isinstance(asked, dict) or not asked:
        return {}
    told = {"key": next(iter(asked))}
    if "forced_down" in asked:
        told["forced_down"] = asked["forced_down"]
    return told


class Proxy:
    def __init__(self, address, nova, log):
        self.address, self.nova, self.log = address, nova, log

    async def connected(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            line, given = headers(head)
            body = await reader.readexactly(int(given.get("content-length") or 0))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, OSError):
            writer.close()
            return
        method, path = line.split(" ")[:2]
        told = {"at": time.monotonic(), "wall": time.time(), "method": method, "path": path,
                **of_body(body), "status": None, "request_id": None}
        try:
            await self.pass_on(head + body, writer, told)
        except OSError:
            # Nova or who asked is gone in the middle: the other one is told so by the end of its connection.
            pass
        finally:
            writer.close()
            told["took_ms"] = round((time.monotonic() - told["at"]) * 1000, 1)
            self.log.write(json.dumps(told) + "\n")
            self.log.flush()

    async def pass_on(self, request, writer, told):
        try:
            behind, nova = await asyncio.open_connection(self.address, self.nova)
        except OSError:
            told["status"] = 503
            writer.write(NOBODY)
            await writer.drain()
            return
        try:
            nova.write(request)
            await nova.drain()
            begin = b""
            while data := await behind.read(65536):
                writer.write(data)
                await writer.drain()
                if told["status"] is None:
                    begin += data
                    if b"\r\n\r\n" in begin:
                        line, given = headers(begin.split(b"\r\n\r\n")[0])
                        told["status"] = int(line.split(" ")[1])
                        told["request_id"] = given.get("x-openstack-request-id")
        finally:
            nova.close()


async def main(address, port, nova, log):
    with open(log, "a", encoding="ascii") as lines:
        proxy = Proxy(address, nova, lines)
        server = await asyncio.start_server(proxy.connected, address, port, limit=HEAD_MAX, backlog=256)
        async with server:
            await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
