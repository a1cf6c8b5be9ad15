"""`healthcheck.py HOST PATH`: asks the web process of this container, as a client of HOST would.
Exit status 0 when it answers 200."""

from __future__ import annotations

import http.client
import sys

PORT = 8000


def main(host: str, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=8)
    try:
        connection.request("GET", path, headers={"Host": host})
        return 0 if connection.getresponse().status == 200 else 1
    except OSError:
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
