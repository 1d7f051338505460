#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An engine with one container, that does what a real one will not do on demand.

fake-engine.py (SOCKET | PORT CERTIFICATE KEY CA) MODE COUNT LINES

The container "fake" writes LINES numbered lines, two of three to stdout and the third to stderr, five of which have the same time, and
exits when somebody has got them all. The first COUNT requests go wrong as MODE says.
"""

import os
import random
import socket
import socketserver
import ssl
import struct
import sys
import time
from datetime import datetime, timezone
from urllib.parse import parse_qs, urlparse

ID = "f" * 64
BEGIN = 1_700_000_000
HUGE = 64 * 1024 * 1024


def stamp(nsec):
    seconds = datetime.fromtimestamp(nsec // 1_000_000_000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{seconds}.{nsec % 1_000_000_000:09}Z ".encode()


def to_nsec(text):
    seconds, _, fraction = text.partition(".")
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)


def frame(stream, payload, size=None):
    return struct.pack(">BxxxL", stream, len(payload) if size is None else size) + payload


class Engine:
    def __init__(self, mode, count, lines):
        self.mode, self.count = mode, count
        self.exited = False
        if mode == "huge":
            self.entries = [(1, BEGIN * 1_000_000_000, b"x" * HUGE + b"\n")]
        else:
            self.entries = [(2 if i % 3 == 2 else 1, BEGIN * 1_000_000_000 + i // 5 * 1000, b"%d\n" % i)
                            for i in range(lines)]

    def goes_wrong(self, mode):
        if self.mode != mode or self.count == 0:
            return False
        self.count -= 1
        return True


class Handler(socketserver.StreamRequestHandler):
    def reply(self, status, body):
        self.wfile.write(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                         "Connection: close\r\n\r\n".encode() + body.encode())

    def chunk(self, data):
        if data:
            self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n")

    def handle(self):
        engine = self.server.engine
        path = urlparse(self.rfile.readline().decode().split()[1])
        while self.rfile.readline().strip():
            pass
        if engine.goes_wrong("hang"):
            time.sleep(1000)
        if engine.goes_wrong("headers"):
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for i in range(200_000):
                self.wfile.write(b"X-Header-%d: %s\r\n" % (i, b"x" * 1000))
        if engine.goes_wrong("reply"):
            self.reply("200 OK", "x" * (64 * 1024 * 1024))
        elif engine.goes_wrong("500"):
            self.reply("500 Internal Server Error", '{"message": "out of order"}')
        elif not path.path.startswith(("/containers/fake/", f"/containers/{ID}/")):
            self.reply("404 Not Found", '{"message": "No such container"}')
        elif path.path.endswith("/json"):
            running = "false" if engine.exited else "true"
            self.reply("200 OK", f'{{"Id": "{ID}", "State": {{"Running": {running}, "StartedAt": "now"}}}}')
        else:
            self.send_log(engine, {key: value[0] for key, value in parse_qs(path.query).items()})

    def send_log(self, engine, query):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        if engine.goes_wrong("silent"):
            engine.exited = True
            time.sleep(1000)
        since = to_nsec(query["since"])
        entries = [entry for entry in engine.entries if entry[1] >= since]
        frames = [frame(stream, stamp(nsec) + text) for stream, nsec, text in entries]
        data = b"".join(frames)
        if engine.goes_wrong("cut"):
            self.send_in_pieces(data[:random.randrange(max(1, min(len(data), 30_000)))])
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if engine.goes_wrong("garbage"):
            keep = random.randrange(len(frames))
            self.chunk(b"".join(frames[:keep]) + b"\x01garbage, and more of it" * 1000)
        elif engine.goes_wrong("huge"):
            self.chunk(frame(1, stamp(entries[0][1]), 0xFFFFFFF0))
            for _ in range(HUGE // 65536):
                self.chunk(b"x" * 65536)
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        elif engine.goes_wrong("message"):
            self.chunk(b"".join(frames[:len(frames) // 2]) + frame(3, b"the daemon has a problem"))
        elif engine.mode == "drip":
            self.send_in_pieces(data, 1)
        elif engine.mode == "pieces":
            self.send_in_pieces(data)
        else:
            for at in range(0, len(data), 60_000):
                self.chunk(data[at:at + 60_000])
        self.wfile.write(b"0\r\n\r\n")
        engine.exited = engine.count == 0

    def send_in_pieces(self, data, largest=100):
        at = 0
        while at < len(data):
            size = random.randint(1, largest)
            self.chunk(data[at:at + size])
            at += size


class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class Tcp(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True


def main():
    where, (mode, count, lines) = sys.argv[1:-3], sys.argv[-3:]
    if len(where) == 1:
        if os.path.exists(where[0]):
            os.unlink(where[0])
        server = Unix(where[0], Handler)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(where[1], where[2])
        context.load_verify_locations(where[3])
        context.verify_mode = ssl.CERT_REQUIRED
        server = Tcp(("127.0.0.1", int(where[0])), Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None
    server.engine = Engine(mode, int(count), int(lines))
    server.serve_forever()


main()
