"""What one conversion may use up."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """`wall_seconds` and `cpu_seconds` are for one document; `memory_bytes` is what a process may map
    beyond what it was born with, `output_bytes` the longest answer that is read from it. A process is
    replaced after `documents`, and before it serves another owner."""

    processes: int = 2
    wall_seconds: int = 60
    cpu_seconds: int = 45
    memory_bytes: int = 1024 * MEGABYTE
    output_bytes: int = 64 * MEGABYTE
    documents: int = 200
