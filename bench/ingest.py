"""How much of the embedding model's own speed is left when articles are taken in by the product's path.

    .venv/bin/python bench/ingest.py [PATH] [--rounds 3]
    .venv/bin/python bench/ingest.py --resync 10000

PATH is what `import_knowledge` takes; the demo help centre where it is left out. Each round lets
`SentenceTransformer.encode` alone work on the passages, then takes the articles in: read, converted,
split, embedded through the gateway with budget and audit, indexed for both searches, committed. The
database is a fresh one in a temporary folder. The order within a round changes from round to round,
so that what else the machine does falls on both.

Both use the same model with the same weights in the same precision. `encode` runs with its own batch
size and with ours, and the faster one counts. Titles, which ingestion embeds as well, do not count as
passages.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
FOLDER = Path(tempfile.mkdtemp(prefix="cd-"))
FOLDER.chmod(0o755)  # the embedded server runs as a user of its own where we are root
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)  # registered first, so after the server's end
os.environ["CITEDESK_DATA_DIR"] = str(FOLDER)

import django

django.setup()

from sentence_transformers import SentenceTransformer

from accounts.commands import migrate
from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from config.demo import HELP_CENTRE
from gateway.conf import configured
from gateway.profiles import embedding_profile
from gateway.providers.sentence_transformers import BATCH, shared
from knowledge import indexing
from knowledge.importing import import_path
from knowledge.models import Document


def ingest(path: Path, name: str) -> tuple[Tenant, int, float]:
    """(tenant, passages, seconds) of one ingestion into a tenant of its own."""
    tenant = Tenant.objects.create(slug=name, name=name)
    report = import_path(path, tenant, source_name="bench", quiet=True)
    return tenant, report.passages, report.seconds


def embedded(tenant: Tenant) -> list[str]:
    """The tenant's passages as they were embedded, in the order of the documents."""
    with tenant_scope(tenant.pk):
        documents = Document.objects.select_related("file").order_by("created_at")
        return [text for document in documents for _, text in indexing.prepare(document).chunks]


def encode(model: SentenceTransformer, texts: list[str], batch: int) -> float:
    started = time.perf_counter()
    model.encode(texts, batch_size=batch, normalize_embeddings=True, show_progress_bar=False)
    return time.perf_counter() - started


def processor_seconds() -> float:
    """Of this process and of the server in `FOLDER`, with its sessions, also those that have ended."""
    ticks, servers, found = os.sysconf("SC_CLK_TCK"), set[str](), dict[str, list[str]]()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found[process.name] = (process / "stat").read_text().rpartition(")")[2].split()
            if str(FOLDER) in (process / "cmdline").read_text() and process.name != str(os.getpid()):
                servers.add(process.name)
        except OSError:  # it has ended meanwhile
            continue
    server = sum(
        sum(map(int, fields[11 : 15 if number in servers else 13]))
        for number, fields in found.items()
        if number in servers or fields[1] in servers
    )
    return time.process_time() + server / ticks


def resync(articles: int) -> dict[str, float]:
    """Seconds of a first import of that many articles, and of a second after one has changed."""
    folder = FOLDER / "articles"
    folder.mkdir()
    for number in range(articles):
        (folder / f"{number}.md").write_text(f"# Part {number}\n\nPart {number} is kept on shelf {number % 97}.\n")
    tenant = Tenant.objects.create(slug="resync", name="resync")
    first = import_path(folder, tenant, source_name="bench", quiet=True)
    (folder / "0.md").write_text("# Part 0\n\nPart 0 is no longer kept.\n")
    second = import_path(folder, tenant, source_name="bench", quiet=True)
    counts = {name: second.counts[name] for name in ("unchanged", "indexed")}
    return {**counts, "first_s": round(first.seconds, 1), "second_s": round(second.seconds, 1)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path, nargs="?", default=HELP_CENTRE)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--resync", type=int, metavar="ARTICLES")
    options = parser.parse_args()
    migrate()
    if options.resync:
        print(json.dumps(resync(options.resync)))
        return
    model = shared(embedding_profile(configured().embedding_model))._model
    tenant, passages, _ = ingest(options.path, "warm")
    texts = embedded(tenant)
    alone: dict[int, list[float]] = {32: [], BATCH: []}
    whole: list[float] = []
    spent: dict[int, list[float]] = {0: [], **{size: [] for size in alone}}
    for number in range(options.rounds):
        steps = [*alone, 0]
        for step in steps if number % 2 == 0 else reversed(steps):
            before = processor_seconds()
            if step:
                alone[step].append(len(texts) / encode(model, texts, step))
            else:
                _, _, seconds = ingest(options.path, f"round-{number}")
                whole.append(passages / seconds)
            spent[step].append(processor_seconds() - before)
    fastest = max(statistics.median(rates) for rates in alone.values())
    print(
        json.dumps(
            {
                "passages": passages,
                "encode_alone_passages_per_s": {
                    size: round(statistics.median(each), 1) for size, each in alone.items()
                },
                "ingestion_passages_per_s": round(statistics.median(whole), 1),
                "encode_alone_processor_s": {
                    size: round(statistics.median(each), 2) for size, each in spent.items() if size
                },
                "ingestion_processor_s": round(statistics.median(spent[0]), 2),
                "ratio": round(statistics.median(whole) / fastest, 3),
                "precision": str(next(model.parameters()).dtype).removeprefix("torch."),
            }
        )
    )


if __name__ == "__main__":
    main()
