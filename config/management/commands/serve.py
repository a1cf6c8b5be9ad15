"""manage.py serve [--kb PATH]: what `make run` starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from accounts.commands import DatabaseCommand
from config import demo


class Command(DatabaseCommand):
    help = "Migrates, loads the demo (or --kb), and runs the web server and a worker until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--kb", type=Path, help="a folder, file, zip or corpus.jsonl to serve instead of the demo")
        parser.add_argument("--port", type=int, default=settings.PORT)

    def handle(self, *args: Any, kb: Path | None, port: int, **options: Any) -> None:
        if kb is not None and not kb.exists():
            raise CommandError(f"{kb} does not exist")
        slug = settings.DEMO_TENANT if kb is None else "kb"
        tenant, passwords = demo.make_tenant(slug, kb)
        for report in demo.load(tenant, kb):
            self.stdout.write(f"  {report.counts['indexed']} indexed, {report.counts['unchanged']} unchanged")
            for failure in report.failures[:20]:
                self.stderr.write(f"  {failure['name']}: {failure['code']}: {failure['hint']}")
        for folder in ("messages", "control"):
            (settings.DATA_DIR / "queue" / folder).mkdir(parents=True, exist_ok=True)
        if kb is None:
            demo.open_tickets(tenant)
        self._greet(slug, passwords, port)
        run(port)

    def _greet(self, slug: str, passwords: dict[str, str], port: int) -> None:
        site = f"http://localhost:{port}"
        self.stdout.write(f"\nPortal     {site}/t/{slug}/\nAdmin      {site}/admin/\nAPI        {site}/api/docs/\n")
        for email, password in passwords.items():
            self.stdout.write(f"  {email:28} {password}   (shown this once)")
        self.stdout.write("\nCtrl-C stops.\n")


def shared_environment() -> dict[str, str]:
    """The children count into one folder, which is emptied: what dead processes counted is over."""
    folder = Path(settings.METRICS_DIR or settings.DATA_DIR / "metrics")
    for counted in folder.rglob("*.db"):
        counted.unlink()
    return {**os.environ, "CITEDESK_METRICS_DIR": str(folder)}


def run(port: int) -> None:
    """Web server and worker as children, stopped together: when one ends, so does the other."""
    commands = [
        [
            sys.executable,
            "-m",
            "daphne",
            "-b",
            "127.0.0.1",
            "-p",
            str(port),
            "--verbosity",
            "0",
            "config.asgi:application",
        ],
        [
            sys.executable,
            "-W",  # as root, which a container or a try-out may be, it would warn at length
            "ignore:You're running the worker",
            "-m",
            "celery",
            "-A",
            "config",
            "--quiet",
            "worker",
            "--pool",
            "solo",
            "--loglevel",
            "WARNING",
            "--beat",
            "--schedule",
            str(settings.DATA_DIR / "queue" / "beat"),
        ],
    ]
    environment = shared_environment()
    children = [
        subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment)  # noqa: S603  ours alone
        for command in commands
    ]

    def stop(number: int, frame: FrameType | None) -> None:
        for child in children:
            child.terminate()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    while all(child.poll() is None for child in children):
        time.sleep(0.2)
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
