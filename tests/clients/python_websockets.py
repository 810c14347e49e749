"""The Python package websockets against /ws: an implementation of its own of RFC 6455 and 7692.

    python3 python_websockets.py PORT
"""
import asyncio
import json
import sys

import websockets

URL = "ws://127.0.0.1:%s/ws" % sys.argv[1]
MIB = 1024 * 1024


def connect(**options):
    return websockets.connect(URL, max_size=None, **options)


async def heard(socket, kind):
    while True:
        frame = json.loads(await asyncio.wait_for(socket.recv(), 20))
        if frame["type"] == kind:
            return frame


async def closed_with(socket, code):
    try:
        while True:
            await asyncio.wait_for(socket.recv(), 20)
    except websockets.ConnectionClosed as end:
        assert end.code == code, end


async def plain():
    async with connect(compression=None) as socket:
        await heard(socket, "welcome")
        await socket.send('{"type":"ping"}')
        await heard(socket, "pong")
        assert not socket.extensions


async def compressed():
    async with connect() as socket:
        assert socket.extensions
        for size in (10, 1000, 100000, MIB - 20):
            await socket.send('{"type":"ping"%s}' % (" " * size))
            await heard(socket, "pong")


async def fragments():
    async with connect() as socket:
        await socket.send(iter(['{"ty', 'pe":"pi', 'ng"}']))
        await heard(socket, "pong")


async def control_frames():
    async with connect() as socket:
        for payload in (b"", b"x" * 125):
            await asyncio.wait_for(await socket.ping(payload), 20)
        await socket.pong(b"nobody asked")
        await socket.send('{"type":"ping"}')
        await heard(socket, "pong")


async def close_codes():
    for code in (1000, 1001, 1003, 1011, 3000, 4999):
        socket = await connect()
        await heard(socket, "welcome")
        await socket.close(code, "bye")
        assert socket.close_code == code, (code, socket.close_code)


async def too_large():
    for compression in ("deflate", None):
        async with connect(compression=compression) as socket:
            await socket.send('{"type":"ping"%s}' % (" " * MIB))
            await closed_with(socket, 1009)


async def many():
    sockets = await asyncio.gather(*(connect() for _ in range(100)))
    await asyncio.gather(*(heard(socket, "welcome") for socket in sockets))
    await asyncio.gather(*(socket.close() for socket in sockets))


async def refused():
    for options, status in (({"origin": "https://evil.example"}, 403),):
        try:
            await connect(**options)
            raise AssertionError("was let in")
        except websockets.InvalidStatusCode as answer:
            assert answer.status_code == status


async def main():
    cases = [plain, compressed, fragments, control_frames, close_codes, too_large, many, refused]
    failed = 0
    for case in cases:
        try:
            await asyncio.wait_for(case(), 60)
        except Exception as problem:
            failed += 1
            print("not ok %s: %r" % (case.__name__, problem))
    print("%d passed, %d failed" % (len(cases) - failed, failed))
    return failed


sys.exit(1 if asyncio.run(main()) else 0)
