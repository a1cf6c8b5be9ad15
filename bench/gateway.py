"""What a gateway adds to a call, measured side by side: ours, LiteLLM's proxy, Portkey's gateway.

    .venv/bin/python bench/gateway.py --litellm PATH/bin/litellm --portkey PATH/build/start-server.js

A model server on loopback that answers at once stands behind each; the same requests go to it
directly and through each gateway in turn, on one connection and on sixteen, answered whole and
streamed. Ours is the door for other programs with everything on: budget and audit record durably in
PostgreSQL, personal data taken out, limits, routing, circuit. Peers run in environments of their own:
`pip install 'litellm[proxy]'`, `npm install @portkey-ai/gateway`; those not named are left out.

Prints a table of milliseconds and requests a second, the memory of each gateway's processes, and how
ours compares with each peer. Run it on cores that nothing else uses.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.loopback.load import Measured, Target, load

CASES = [(1, False), (16, False), (1, True), (16, True)]  # connections, streamed
WARM = 300  # requests before each case, so that what a process loads in its first seconds is loaded
PATIENCE = 120.0  # seconds for a server to listen


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def serving(command: list[str], port: int, environment: dict[str, str] | None = None) -> Iterator[int]:
    """The process id, once it listens. Killed at the end."""
    process = subprocess.Popen(  # noqa: S603  what the caller of this script names
        command, cwd=ROOT, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL
    )
    end = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                yield process.pid
                return
            time.sleep(0.2)
        raise SystemExit(f"{command[0]} does not listen on its port")
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


@contextmanager
def ours(upstream: int, data: Path) -> Iterator[tuple[Target, int]]:
    """The product's web process, on a database of its own, with a key for the door."""
    os.environ.update(
        CITEDESK_DATA_DIR=str(data),
        DJANGO_SETTINGS_MODULE="config.settings",
        CITEDESK_COMPATIBLE_URL=f"http://127.0.0.1:{upstream}/v1",
        CITEDESK_COMPATIBLE_MODEL="bench",
        CITEDESK_COMPATIBLE_INPUT_PRICE_USD="0.2",
        CITEDESK_COMPATIBLE_OUTPUT_PRICE_USD="0.8",
        CITEDESK_MONTHLY_BUDGET_USD="100000",
    )
    import django

    django.setup()
    key, port = _key(), free_port()
    command = [sys.executable, "-m", "daphne", "-p", str(port), "--verbosity", "0", "config.asgi:application"]
    with serving(command, port) as pid:
        headers = {"Authorization": f"Bearer {key}"}
        yield Target("Citedesk", f"http://127.0.0.1:{port}/v1/chat/completions", "compatible", headers), pid


def _key() -> str:
    from accounts.commands import migrate
    from accounts.models import ApiKey, Membership, Role, Tenant, User
    from accounts.tenancy import tenant_scope

    migrate()
    tenant = Tenant.objects.create(slug="bench", name="Bench")
    owner = User.objects.create_user("bench@example.com")
    with tenant_scope(tenant.pk):
        Membership.objects.create(tenant=tenant, user=owner, role=Role.AGENT)
        _row, text = ApiKey.issue(tenant=tenant, owner=owner, name="Bench", scopes=["gateway"])
    return text


@contextmanager
def litellm(program: Path, upstream: int, folder: Path) -> Iterator[tuple[Target, int]]:
    config, port = folder / "litellm.yaml", free_port()
    config.write_text(
        "model_list:\n- model_name: bench\n  litellm_params:\n    model: openai/bench\n"
        f"    api_base: http://127.0.0.1:{upstream}/v1\n    api_key: none\n"
    )
    command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    key = f"sk-{secrets.token_hex(32)}"
    with serving(command, port, {"LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": key}) as pid:
        headers = {"Authorization": f"Bearer {key}"}
        yield Target("LiteLLM", f"http://127.0.0.1:{port}/v1/chat/completions", headers=headers), pid


@contextmanager
def portkey(script: Path, upstream: int) -> Iterator[tuple[Target, int]]:
    port = free_port()
    headers = {
        "Authorization": "Bearer none",
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1",
    }
    environment = {"TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}
    with serving(["node", str(script), f"--port={port}", "--headless"], port, environment) as pid:
        yield Target("Portkey", f"http://127.0.0.1:{port}/v1/chat/completions", headers=headers), pid


def memory(pid: int) -> float:
    """Megabytes of a process and its children."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6 + sum(memory(int(child)) for child in children)


async def measured(target: Target, requests: int) -> list[Measured | None]:
    """None where it answers with an error, which is printed."""
    found: list[Measured | None] = []
    for connections, streamed in CASES:
        try:
            await load(target, requests=WARM, connections=connections, streamed=streamed)
            found.append(await load(target, requests=requests, connections=connections, streamed=streamed))
        except RuntimeError as error:
            print(error, file=sys.stderr)
            found.append(None)
    return found


def report(results: dict[str, list[Measured | None]], memories: dict[str, float]) -> Iterator[str]:
    yield "| Through | Connections | Answer | Median, ms | Added | p99 | Added | First word, added | Requests/s | MB |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for name, rows in results.items():
        for (connections, streamed), row, bare in zip(CASES, rows, results["direct"], strict=True):
            if row is not None and bare is not None:
                yield (
                    f"| {name} | {connections} | {'streamed' if streamed else 'whole'} | {row.median:.2f} "
                    f"| {row.median - bare.median:.2f} | {row.p99:.2f} | {row.p99 - bare.p99:.2f} "
                    f"| {row.first - bare.first:.2f} | {row.rate:.0f} | {memories.get(name, 0):.0f} |"
                )
    for peer in set(results) - {"direct", "Citedesk"}:
        for case, us, them, bare in zip(CASES, results["Citedesk"], results[peer], results["direct"], strict=True):
            if us is not None and them is not None and bare is not None:
                added, rate = (us.median - bare.median) / (them.median - bare.median), us.rate / them.rate
                yield f"{case}: Citedesk adds {added:.2f} of what {peer} adds, and carries {rate:.2f} of its requests/s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--litellm", type=Path)
    parser.add_argument("--portkey", type=Path)
    parser.add_argument("--requests", type=int, default=1000, help="of each kind, to each")
    options = parser.parse_args()
    upstream = free_port()
    results: dict[str, list[Measured | None]] = {}
    memories: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="citedesk-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # the database's own user passes through
        stack.enter_context(serving([sys.executable, "bench/loopback/upstream.py", str(upstream)], upstream))
        direct = Target("direct", f"http://127.0.0.1:{upstream}/v1/chat/completions")
        results["direct"] = asyncio.run(measured(direct, options.requests))
        gateways = [ours(upstream, folder / "data")]
        gateways += [litellm(options.litellm, upstream, folder)] if options.litellm else []
        gateways += [portkey(options.portkey, upstream)] if options.portkey else []
        for each in gateways:
            with each as (target, pid):
                results[target.name] = asyncio.run(measured(target, options.requests))
                memories[target.name] = memory(pid)
    for line in report(results, memories):
        print(line)


if __name__ == "__main__":
    main()
