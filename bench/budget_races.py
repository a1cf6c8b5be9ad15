"""Calls that race for too little money, in processes that are killed while they hold it.

    .venv/bin/python bench/budget_races.py --races 10000 --processes 6

Every race is one call through `gateway.client` to a model that bills a random part of what it may,
breaks midway now and then, and now and then kills its own process (SIGKILL); more are killed from
outside, wherever they are. Fifty races share a user's budget that holds some twenty of them. A
trigger in the database looks at every change of every line, so nothing is missed between two looks,
and the model keeps its own list of what it billed.

Prints what became of the calls, and then seven numbers; ends with 1 unless all of them are 0: lines
that were ever above their limit, the furthest that one was above (overspend), reservations left
after the sweep, money still held, the difference between lines and audit records, that between
audit records and the model's bills, and calls that the model saw and no record tells of. What a
killed process's call was billed is in no book: its record says "abandoned".
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import AsyncGenerator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connections as databases
from django.utils import timezone

from accounts.tenancy import in_database
from config.postgres.embedded import create_database, drop_database, socket_folder
from gateway import budgets, client, connections, profiles
from gateway.errors import BudgetExceeded, GatewayError, StreamBroken
from gateway.metering import prompt_tokens
from gateway.profiles import ModelProfile, Price
from gateway.types import (
    Call,
    Caller,
    Finished,
    FinishReason,
    Message,
    Options,
    StreamEvent,
    TextDelta,
    Trace,
    Usage,
    UsageReport,
)

PER_BUDGET, LIMIT, DIES, BREAKS, KILLED = 50, Decimal("2.4"), 0.02, 0.15, 0.03
PRICE = Price(input=Decimal(1000), output=Decimal(2000), cached_input=Decimal(1000))
FIRST = ModelProfile("first", "racing", "first", context=10_000, max_output=1_000, price=PRICE)
SECOND = ModelProfile("second", "racing", "second", context=10_000, max_output=1_000, price=PRICE)
WATCH = """
CREATE SEQUENCE race;
CREATE TABLE above (budget bigint, amount numeric);
CREATE TABLE bill (call uuid, amount numeric);
GRANT INSERT ON bill TO citedesk_app;
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO above SELECT NEW.budget_id, NEW.reserved + NEW.settled - "limit" FROM gateway_budget
    WHERE id = NEW.budget_id AND NEW.reserved + NEW.settled > "limit";
    RETURN NULL;
END $$;
CREATE TRIGGER watch AFTER INSERT OR UPDATE ON gateway_budgetuse FOR EACH ROW EXECUTE FUNCTION watch();
GRANT USAGE ON SEQUENCE race TO citedesk_app;
"""


class Racing:
    """A provider that bills what it likes, breaks, and takes its process down."""

    name = "racing"

    def __init__(self, profile: ModelProfile) -> None:
        self.profile = profile

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        await in_database(_bill, call, Decimal(0))
        _perhaps_die()
        written = random.randint(1, call.options.max_tokens)
        yield TextDelta("x" * 3 * (written // 2))
        await asyncio.sleep(random.uniform(0, 0.005))
        if random.random() < BREAKS:
            await in_database(_bill, call, PRICE.cost(Usage(prompt_tokens(call), written // 2)))
            raise StreamBroken("cut")
        usage = Usage(sum(len(message.content) for message in call.messages), written)
        await in_database(_bill, call, PRICE.cost(usage))
        _perhaps_die()
        yield UsageReport(usage)
        yield Finished(FinishReason.STOP)

    async def aclose(self) -> None:
        return None


def _perhaps_die() -> None:
    if random.random() < DIES:
        os.kill(os.getpid(), signal.SIGKILL)


def _bill(call: Call, amount: Decimal) -> None:
    with databases["default"].cursor() as cursor:
        cursor.execute("INSERT INTO bill VALUES (%s, %s)", [call.id, amount])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--races", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=6)
    options = parser.parse_args()
    folder, name = socket_folder(Path(settings.DATA_DIR) / "postgres"), f"races_{os.getpid()}"
    create_database(folder, name, fresh=True)
    try:
        report = race(folder, name, options.races, options.processes)
    finally:
        databases.close_all()
        databases["default"].close_pool()
        drop_database(folder, name)
    print(json.dumps(report, indent=2))
    sys.exit(1 if any(list(report.values())[-7:]) else 0)


def race(folder: Path, name: str, races: int, processes: int) -> dict[str, Any]:
    for alias in ("default", "owner"):
        settings.DATABASES[alias]["NAME"] = databases[alias].settings_dict["NAME"] = name
    call_command("migrate", database="owner", verbosity=0, skip_checks=True)
    databases.close_all()
    with psycopg.connect(host=str(folder), user="postgres", dbname=name, autocommit=True) as admin:
        admin.execute(WATCH)
        tenant = _people(admin, -(-races // PER_BUDGET))
        begun = time.monotonic()
        killed = _run(tenant, races, processes)
        seconds = time.monotonic() - begun
        while budgets.sweep_tenant(tenant, timezone.now() + timedelta(hours=1)):
            pass
        return {
            "races": races,
            "seconds": round(seconds, 1),
            "processes killed": killed,
            **_counted(admin),
        }


def _people(admin: psycopg.Connection, users: int) -> int:
    """A tenant with money enough, and users with too little, every third one's budget daily and
    with a soft one of the purpose beside it, which must keep nobody out."""
    tenant: int = admin.execute(
        "INSERT INTO accounts_tenant (slug, name, accent, example_questions, signup_open, created_at)"
        " VALUES ('races', 'Races', '#2457c5', '', true, now()) RETURNING id"
    ).fetchone()[0]  # type: ignore[index]
    insert = (
        'INSERT INTO gateway_budget (tenant_id, user_id, purpose, period, "limit", soft) VALUES (%s,%s,%s,%s,%s,%s)'
    )
    admin.execute(insert, [tenant, None, "", "monthly", 1_000_000, False])
    admin.execute(insert, [tenant, None, "draft", "total", 1_000_000, True])
    for number in range(users):
        admin.execute(
            "INSERT INTO accounts_user (id, password, is_superuser, email, name, is_active, date_joined)"
            " VALUES (%s, '', false, %s, '', true, now())",
            [number + 1, f"{number}@example.com"],
        )
        admin.execute(insert, [tenant, number + 1, "", "total" if number % 3 else "daily", LIMIT, False])
    return tenant


def _run(tenant: int, races: int, processes: int) -> int:
    """Keeps as many processes going until all races are run; says how many of them were killed."""
    fork = multiprocessing.get_context("fork")
    running = [fork.Process(target=_work, args=(tenant, races)) for _ in range(processes)]
    for process in running:
        process.start()
    killed = 0
    while running:
        time.sleep(0.05)
        if random.random() < KILLED:
            random.choice(running).kill()
        for process in [each for each in running if not each.is_alive()]:
            running.remove(process)
            if process.exitcode == -signal.SIGKILL:
                killed += 1
                running.append(fork.Process(target=_work, args=(tenant, races)))
                running[-1].start()
            elif process.exitcode:
                raise SystemExit(f"a process ended with {process.exitcode}")
    return killed


def _work(tenant: int, races: int) -> None:
    random.seed()
    by_id = {profile.id: profile for profile in (FIRST, SECOND)}
    profiles.completion_profiles = lambda: by_id  # type: ignore[assignment]
    connections.provider = lambda profile, *_key: Racing(profile)  # type: ignore[assignment]
    conf = {"answer_models": tuple(by_id), "budget_wait": 0.2}
    settings.GATEWAY = type(settings.GATEWAY)(**{**vars(settings.GATEWAY), **conf})
    asyncio.run(_races(tenant, races))
    databases["default"].close_pool()


async def _races(tenant: int, races: int) -> None:
    while (number := await in_database(_next)) <= races:
        caller = Caller(tenant, (number - 1) // PER_BUDGET + 1, purpose=random.choice(["answer", "draft"]))
        call = Call(caller, (Message("user", "How do I reset it?"),), Options(max_tokens=100))
        try:
            await client.complete(call)
        except (BudgetExceeded, GatewayError):
            continue


def _next() -> int:
    with databases["default"].cursor() as cursor:
        cursor.execute("SELECT nextval('race')")
        return int(cursor.fetchone()[0])


def _counted(admin: psycopg.Connection) -> dict[str, Any]:
    def one(query: str) -> Any:
        return admin.execute(query).fetchone()[0]  # type: ignore[index]

    records = "SELECT count(*) FROM gateway_auditrecord WHERE error_code"
    hard = "SELECT {} FROM above JOIN gateway_budget ON id = budget WHERE NOT soft"
    return {
        "answered": one(f"{records} = ''"),
        "refused": one(f"{records} = 'budget_exceeded'"),
        "broken": one(f"{records} = 'stream_broken'"),
        "abandoned": one(f"{records} = 'abandoned'"),
        "lines above their limit": one(hard.format("count(DISTINCT budget)")),
        "overspend": float(one(hard.format("coalesce(max(amount), 0)"))),
        "reservations left": one("SELECT count(*) FROM gateway_reservation"),
        "still held": float(one("SELECT coalesce(sum(reserved), 0) FROM gateway_budgetuse")),
        "lines less records": float(
            one(
                "SELECT coalesce(sum(abs(settled - spent)), 0) FROM gateway_budgetuse"
                " JOIN gateway_budget AS budget ON budget.id = budget_id JOIN"
                " (SELECT user_id, sum(cost) AS spent FROM gateway_auditrecord"
                " JOIN gateway_auditsubject AS actor ON actor.id = actor_id GROUP BY 1) AS said USING (user_id)"
            )
        ),
        "records less bills": float(
            one(
                "SELECT coalesce(sum(abs(cost - billed)), 0) FROM gateway_auditrecord JOIN"
                " (SELECT call, sum(amount) AS billed FROM bill GROUP BY call) AS bills ON call = id"
                " WHERE error_code <> 'abandoned'"
            )
        ),
        "calls without a record": one(
            "SELECT count(*) FROM (SELECT DISTINCT call FROM bill) AS seen"
            " WHERE NOT EXISTS (SELECT FROM gateway_auditrecord WHERE id = call)"
        ),
    }


if __name__ == "__main__":
    main()
