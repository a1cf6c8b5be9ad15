"""A model server that answers at once: OpenAI's Chat Completions, in one piece or as a stream.

python bench/loopback/upstream.py PORT
"""

from __future__ import annotations

import asyncio
import json
import sys

WORDS = "The lamp resets when you press its key for five seconds until it turns green .".split()  # noqa: SIM905
USAGE = {"prompt_tokens": 40, "completion_tokens": len(WORDS), "total_tokens": 40 + len(WORDS)}
HEAD = {"id": "chatcmpl-1", "created": 1, "model": "bench"}


def _answered() -> bytes:
    message = {"role": "assistant", "content": " ".join(WORDS)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = json.dumps({**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _streamed() -> bytes:
    """Everything at once: what a gateway adds to the first token is its own time."""
    deltas = [{"role": "assistant", "content": ""}, *({"content": word + " "} for word in WORDS)]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    rows = [{**HEAD, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices]
    rows.append({**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": USAGE})
    body = b"".join(b"data: " + json.dumps(row).encode() + b"\n\n" for row in rows) + b"data: [DONE]\n\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


ANSWERED, STREAMED = _answered(), _streamed()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            asked = json.loads(await reader.readexactly(length))
            writer.write(STREAMED if asked.get("stream") else ANSWERED)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
