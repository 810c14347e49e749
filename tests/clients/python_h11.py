"""h11, a reader of HTTP/1.1 that refuses whatever the grammar does not allow, as the client: every
answer of the server to requests of all kinds must be well formed.

    python3 python_h11.py PORT
"""
import socket
import sys

import h11

PORT = int(sys.argv[1])


class Connection:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=20)
        self.wire = h11.Connection(our_role=h11.CLIENT)

    def send(self, method, target, headers=(), body=b"", expects=False):
        request = h11.Request(method=method, target=target, headers=[("Host", "localhost"), *headers])
        self.socket.sendall(self.wire.send(request))
        informed = self.event() if expects else None
        if body:
            self.socket.sendall(self.wire.send(h11.Data(data=body)))
        self.socket.sendall(self.wire.send(h11.EndOfMessage()))
        return informed

    def event(self):
        while True:
            event = self.wire.next_event()
            if event is not h11.NEED_DATA:
                return event
            self.wire.receive_data(self.socket.recv(65536))

    def answer(self):
        head, body = self.event(), b""
        assert isinstance(head, h11.Response), head
        while True:
            event = self.event()
            if isinstance(event, h11.EndOfMessage):
                return head, body
            body += event.data

    def again(self):
        self.wire.start_next_cycle()


JSON = ("Content-Type", "application/json")
ACCOUNT = b'{"email":"viewer@riverton.example","password":"Fixxit-demo-2026"}'
LENGTH = ("Content-Length", str(len(ACCOUNT)))
CHUNKED = ("Transfer-Encoding", "chunked")

# method, target, headers, body, status
EXCHANGES = [
    ("GET", "/health", (), b"", 200),
    ("HEAD", "/health", (), b"", 200),
    ("HEAD", "/dashboard", (("Accept-Encoding", "gzip"),), b"", 200),
    ("OPTIONS", "*", (), b"", 204),
    ("OPTIONS", "/api/v1/reports", (), b"", 204),
    ("GET", "/nothing", (), b"", 404),
    ("HEAD", "/nothing", (), b"", 404),
    ("DELETE", "/health", (), b"", 405),
    ("GET", "/api/v1/openapi.json", (("Accept-Encoding", "gzip"),), b"", 200),
    ("GET", "/dashboard/detail.js", (("Range", "bytes=5-99"),), b"", 206),
    ("GET", "/dashboard/detail.js", (("Range", "bytes=9999999-"),), b"", 416),
    ("GET", "/dashboard/detail.js", (("If-None-Match", "*"),), b"", 304),
    ("GET", "/dashboard/detail.js", (("If-Match", '"x"'),), b"", 412),
    ("POST", "/api/v1/auth/login", (JSON, LENGTH), ACCOUNT, 200),
    ("POST", "/api/v1/auth/login", (JSON, CHUNKED), ACCOUNT, 200),
    ("POST", "/api/v1/auth/login", (JSON, ("Content-Length", "3")), b"{} ", 400),
    ("POST", "/api/v1/auth/login", (("Content-Type", "text/plain"), LENGTH), ACCOUNT, 415),
    ("GET", "/api/v1/reports", (("Authorization", "Bearer x"),), b"", 401),
    ("GET", "/health", (), b"", 200),
]


def main():
    passed = failed = 0
    connection = Connection()
    for method, target, headers, body, status in EXCHANGES:
        connection.send(method, target, headers, body)
        head, _ = connection.answer()
        if head.status_code == status:
            passed += 1
        else:
            failed += 1
            print("not ok %s %s: %d instead of %d" % (method, target, head.status_code, status))
        connection.again()
    informed = connection.send("POST", "/api/v1/auth/login", (JSON, LENGTH, ("Expect", "100-continue")),
                               ACCOUNT, expects=True)
    assert isinstance(informed, h11.InformationalResponse) and informed.status_code == 100
    assert connection.answer()[0].status_code == 200
    connection.again()
    connection.send("GET", "/health", (("Connection", "close"),))
    assert connection.answer()[0].status_code == 200
    assert isinstance(connection.event(), h11.ConnectionClosed)
    print("%d passed, %d failed" % (passed + 2, failed))
    return failed


sys.exit(1 if main() else 0)
