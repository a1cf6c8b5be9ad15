"""Runs the parsers of foreign bytes in processes that can do nothing else (F2).

`pool.py` is the side that asks and `template.py`, `worker.py` the side that answers; both import no
Django, and the answering side is started without environment, open files or secrets.
"""
