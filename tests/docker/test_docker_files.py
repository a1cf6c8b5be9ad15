"""No Docker engine is asked: the files are parsed and each name in them is looked up in the project."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from celery.bin.celery import celery as celery_command
from django.conf import settings
from django.core.management import get_commands
from django.urls import resolve

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
OURS = ("migrate", "web", "worker", "beat")
SAMPLE = {
    "CITEDESK_DOMAIN": "support.example.com",
    "POSTGRES_PASSWORD": "a" * 40,
    "CITEDESK_OWNER_PASSWORD": "b" * 40,
    "CITEDESK_APP_PASSWORD": "c" * 40,
    "CITEDESK_SECRET_KEY": "d" * 40,
    "CITEDESK_AUDIT_KEY": "e" * 40,
    "CITEDESK_EMAIL_URL": "smtp://mail:secret@mail.example.com:587",
}
VARIABLE = re.compile(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, rest), comments dropped and continued lines joined."""
    lines = [line for line in (DOCKER / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [(word.upper(), rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def arguments(name: str) -> list[str]:
    return [rest for word, rest in instructions() if word == name]


def filled_in(node: Any) -> Any:
    """Variables replaced as compose does: after parsing, within texts."""
    if isinstance(node, dict):
        return {key: filled_in(value) for key, value in node.items()}
    if isinstance(node, list):
        return [filled_in(value) for value in node]
    return _filled_in(node) if isinstance(node, str) else node


def _filled_in(text: str) -> str:
    def value(match: re.Match[str]) -> str:
        name, kind, other = match.groups()
        if name in SAMPLE:
            return SAMPLE[name]
        assert kind == ":-", f"{name} has no default and docker/README.md does not ask for it"
        return str(other)

    return VARIABLE.sub(value, text)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return filled_in(yaml.safe_load((DOCKER / "compose.yaml").read_text()))  # type: ignore[no-any-return]


def load_settings(environment: dict[str, str], data: Path) -> dict[str, Any]:
    """What the project makes of a service's environment, and nothing but it."""
    code = (
        "import json, django; from django.conf import settings as s; django.setup();"
        "print(json.dumps([s.EMBEDDED_DATABASE, sorted(s.DATABASES), s.DATABASES['default']['USER'],"
        "s.CELERY_BROKER_URL, s.CACHES['default']['BACKEND'], s.ALLOWED_HOSTS, s.EMAIL_HOST]))"
    )
    base = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings", "CITEDESK_DATA_DIR": str(data)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=base | environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr.splitlines()[-1]
    keys = ("embedded", "aliases", "user", "broker", "cache", "hosts", "mail")
    return dict(zip(keys, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("service", OURS)
def test_the_settings_accept_what_each_service_is_given(compose: dict[str, Any], service: str, tmp_path: Path) -> None:
    found = load_settings(compose["services"][service]["environment"], tmp_path)
    assert not found["embedded"]
    assert found["user"] == "citedesk_app"
    assert found["broker"].startswith("redis://")
    assert found["cache"].endswith("RedisCache")
    assert found["hosts"] == [SAMPLE["CITEDESK_DOMAIN"]]
    assert found["mail"] == "mail.example.com"
    assert list(tmp_path.iterdir()) == [], "no key of its own is made in production"


@pytest.mark.threat("T7")
def test_only_the_migration_is_given_the_owners_password(compose: dict[str, Any], tmp_path: Path) -> None:
    holders = [
        name for name in compose["services"] if SAMPLE["CITEDESK_OWNER_PASSWORD"] in str(compose["services"][name])
    ]
    assert holders == ["postgres", "migrate"]
    aliases = {name: load_settings(compose["services"][name]["environment"], tmp_path)["aliases"] for name in OURS}
    assert aliases == {"migrate": ["default", "owner"], "web": ["default"], "worker": ["default"], "beat": ["default"]}


def test_the_readme_asks_for_each_secret_and_for_nothing_else() -> None:
    block = (DOCKER / "README.md").read_text().split("```sh")[1].split("```")[0]
    assert set(re.findall(r"^(\w+)=", block, re.M)) == set(SAMPLE)
    text = (DOCKER / "compose.yaml").read_text()
    assert set(SAMPLE) <= {match[1] for match in VARIABLE.finditer(text)}


def test_every_copied_path_exists_and_every_app_is_copied() -> None:
    sources = [part for rest in arguments("COPY") if "--from" not in rest for part in rest.split()[:-1]]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    apps = {name.split(".")[0] for name in settings.INSTALLED_APPS}
    own = {name for name in apps if (ROOT / name / "__init__.py").exists()}
    assert own | {"static", "templates", "manage.py"} <= set(sources)
    ignored = set((ROOT / ".dockerignore").read_text().split())
    assert not ignored & set(sources)
    assert {".env", "docker/.env", ".git", ".data"} <= ignored


def test_mounted_files_exist(compose: dict[str, Any]) -> None:
    mounts = [each for service in compose["services"].values() for each in service.get("volumes", [])]
    files = [mount.split(":")[0] for mount in mounts if mount.startswith(".")]
    assert sorted(files) == ["./Caddyfile", "./postgres-init.sql"]
    assert all((DOCKER / file).is_file() for file in files)
    assert {mount.split(":")[0] for mount in mounts if not mount.startswith(".")} == set(compose["volumes"])
    build = compose["services"]["web"]["build"]
    assert (DOCKER / build["context"] / build["dockerfile"]).resolve() == DOCKER / "Dockerfile"


def commands(compose: dict[str, Any]) -> list[list[str]]:
    found = [compose["services"][name]["command"] for name in OURS if "command" in compose["services"][name]]
    found += [json.loads(rest) for rest in arguments("CMD")]
    return found + [shlex.split(part) for rest in arguments("RUN") for part in rest.split("&&")]


def test_every_management_command_exists(compose: dict[str, Any]) -> None:
    named = [each[each.index("manage.py") + 1] for each in commands(compose) if "manage.py" in each]
    assert sorted(named) == ["collectstatic", "migrate"]
    assert set(named) <= set(get_commands())


def test_daphne_serves_our_application_on_the_port_that_the_proxy_and_the_check_ask(compose: dict[str, Any]) -> None:
    (daphne,) = [each for each in commands(compose) if "daphne" in each]
    assert daphne[-1] == ".".join(settings.ASGI_APPLICATION.rsplit(".", 1)[:-1]) + ":application"
    assert daphne[daphne.index("-p") + 1] == arguments("EXPOSE")[0] == str(healthcheck().PORT) == "8000"
    caddy = (DOCKER / "Caddyfile").read_text()
    assert "reverse_proxy web:8000" in caddy
    assert "flush_interval -1" in caddy, "streams must not wait in a buffer"


def test_celery_knows_its_application_and_options(compose: dict[str, Any]) -> None:
    from config.celery import app

    assert app.main == "citedesk"
    found = [each for each in commands(compose) if "celery" in each]
    assert {"worker", "beat"} == {word for each in found for word in each} & {"worker", "beat"}
    for each in found:
        rest = each[each.index("celery") + 1 :]
        assert rest[:2] == ["-A", "config"]
        name = next(word for word in rest if word in celery_command.commands)
        at = rest.index(name)
        for command, given in ((celery_command, rest[:at]), (celery_command.commands[name], rest[at + 1 :])):
            command.make_parser(click.Context(command)).parse_args(list(given))  # raises on an unknown option
    app.loader.import_default_modules()
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(app.tasks)


def test_the_image_runs_as_nobody_special_and_holds_no_secret() -> None:
    assert len(arguments("FROM")) == 2
    assert arguments("USER")[-1] == "citedesk"
    last = [word for word, _ in instructions()]
    assert "COPY" not in last[len(last) - last[::-1].index("USER") :], "nothing is copied after privileges are dropped"
    named = " ".join(arguments("ENV") + arguments("ARG"))
    assert not re.search(r"KEY|PASSWORD|SECRET|TOKEN", named)
    (collect,) = [rest for rest in arguments("RUN") if "collectstatic" in rest]
    assert "CITEDESK_DATA_DIR=/tmp/" in collect, "keys made while building stay outside of what is copied on"


def test_torch_comes_first_at_the_version_that_the_makefile_pins() -> None:
    installs = [rest for rest in arguments("RUN") if "pip install" in rest]
    pin = re.search(r"torch==[\d.]+", (ROOT / "Makefile").read_text())
    assert pin is not None
    assert installs[0].endswith(pin[0])
    assert "--constraint requirements.lock" in installs[1]


def healthcheck() -> Any:
    spec = importlib.util.spec_from_file_location("healthcheck", DOCKER / "healthcheck.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_health_check_asks_an_address_that_exists() -> None:
    (check,) = arguments("HEALTHCHECK")
    path = check.split()[-1]
    assert path == "/ready"
    assert resolve(path).url_name == "ready"
    assert check.count("/opt/citedesk/healthcheck.py") == 1
    assert "docker/healthcheck.py /opt/citedesk/healthcheck.py" in arguments("COPY")


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (503, 1), (400, 1)])
def test_the_health_check_passes_on_200_alone_and_sends_the_host(status: int, expected: int) -> None:
    hosts: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hosts.append(self.headers["Host"])
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    module = healthcheck()
    module.PORT = server.server_port
    assert module.main("support.example.com", "/ready") == expected
    thread.join()
    server.server_close()
    assert hosts == ["support.example.com"]
    assert module.main("support.example.com", "/ready") == 1, "nobody listens any more"
