"""Fuzzes every converter, through the sandbox.

    .venv/bin/python -m tests.fuzz --inputs 1000000 --state fuzz.json [--seed 1] [--seconds 600] [--seeds DIR]

Input N is made from the seed and N alone. With `--state` a run that was ended goes on where it stopped;
`--inputs` is the number at which the whole is done. Prints the outcomes as JSON; ends with status 1 where a converter
broke, a document hung for 20 seconds, or blocks lay in the wrong place. `--only N` writes input N to standard output.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from pathlib import Path

from knowledge.sandbox.limits import MEGABYTE, Limits
from knowledge.sandbox.pool import Pool
from tests.fuzz.harness import Tally, made, run
from tests.fuzz.seeds import seeds

TOGETHER = 500
BAD = ("converter_broke", "conversion_timeout", "misplaced")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seeds", type=Path, help="a folder with more documents to mutate")
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    corpus = seeds(options.seeds)
    if options.only is not None:
        sys.stdout.buffer.write(made(options.seed, options.only, corpus)[1])
        return 0
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    tally = Tally(seed=options.seed)
    if options.state and options.state.exists():
        tally = Tally.load(options.state)
    until = time.monotonic() + options.seconds
    pool = Pool(Limits(wall_seconds=20, cpu_seconds=20, memory_bytes=512 * MEGABYTE))
    while tally.next < options.inputs and time.monotonic() < until:
        run(tally, range(tally.next, min(tally.next + TOGETHER, options.inputs)), corpus, pool)
        if options.state:
            tally.save(options.state)
    pool.close()
    print(json.dumps(tally.__dict__, indent=1))
    return 1 if any(tally.count(code) for code in BAD) else 0


if __name__ == "__main__":
    sys.exit(main())
