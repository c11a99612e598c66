"""One HTTP request to a server on this machine. Not `urlopen`: it obeys proxy settings, which know no loopback."""

from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException

from infra.services.problems import NotServing

ANSWER_BYTES = 1_000_000


def ask(
    port: int,
    path: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 5,
) -> bytes:
    """The start of the answer's body; NotServing when the server answers with an error, or not at all."""
    line = HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        line.request(method, path, body, dict(headers or {}))
        answer = line.getresponse()
        told = answer.read(ANSWER_BYTES)
    except (OSError, HTTPException) as error:
        raise NotServing(str(error) or type(error).__name__) from error
    finally:
        line.close()
    if answer.status >= 400:
        raise NotServing(f"HTTP {answer.status}: {told[:300].decode(errors='replace')}")
    return told
