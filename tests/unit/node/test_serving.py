"""The node's server stops while somebody waits for an answer, and while somebody reads a stream."""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from mithaq.node.serving import serve


async def _wait(request: Request) -> Response:
    Path(request.query_params["begun"]).touch()
    await asyncio.sleep(float(request.query_params["s"]))
    return PlainTextResponse("news")


async def _stream(request: Request) -> Response:
    async def events() -> AsyncIterator[bytes]:
        yield b"first\n"
        Path(request.query_params["begun"]).touch()
        await asyncio.sleep(60)

    return StreamingResponse(events())


def _serve(port: int, log: str) -> None:
    logging.basicConfig(filename=log, level=logging.INFO, force=True)
    serve(Starlette(routes=[Route("/wait", _wait), Route("/stream", _stream)]), "127.0.0.1", port)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[int, int, Path]]:
    """The port and the process of a server, and its log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    child = get_context("spawn").Process(target=_serve, args=(port, str(tmp_path / "log")), daemon=True)
    child.start()
    assert child.pid is not None
    yield port, child.pid, tmp_path / "log"
    child.join(30)
    child.kill()
    assert child.exitcode in {0, -signal.SIGTERM}


def _asked(port: int, path: str, begun: Path, seconds: float = 60) -> httpx.Response:
    transport = httpx.HTTPTransport(retries=60)  # until the server is there
    with httpx.Client(transport=transport, timeout=60) as client:
        return client.get(f"http://127.0.0.1:{port}/{path}", params={"begun": str(begun), "s": seconds})


def test_whoever_waits_is_told_that_the_node_stops_and_whoever_is_nearly_done_gets_the_answer(
    served: tuple[int, int, Path], tmp_path: Path
) -> None:
    port, process, log = served
    marks = [tmp_path / name for name in ("waits", "reads", "is-nearly-done")]
    with ThreadPoolExecutor() as pool:
        asked = [
            pool.submit(_asked, port, "wait", marks[0]),
            pool.submit(_asked, port, "stream", marks[1]),
            pool.submit(_asked, port, "wait", marks[2], 0.5),
        ]
        while not all(mark.exists() for mark in marks):
            assert not any(each.done() and each.exception() for each in asked)
            time.sleep(0.01)
        os.kill(process, signal.SIGTERM)
        waited, stream, answered = (each.result(60) for each in asked)
    assert (waited.status_code, waited.headers["retry-after"]) == (503, "5")
    assert (stream.status_code, stream.content) == (200, b"first\n")
    assert (answered.status_code, answered.text) == (200, "news")
    told = log.read_text("utf-8")
    assert "Shutting down" in told
    assert ("ERROR" in told, "Traceback" in told) == (False, False)
