"""HTTP to the Hub through huggingface_hub's own session: bounded in time and in bytes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from llm_lander_tui import __version__
from llm_lander_tui.errors import LanderError
from llm_lander_tui.models import hub_errors
from llm_lander_tui.models.background import Ticket

MIB = 1024**2
_CONNECT_SECONDS = 4.0
_READ_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the Hub: header names in lower case, the body as far as it was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HubClient:
    """GET requests to the Hub.

    huggingface_hub gives the session (proxies, offline switch) and the sign-in (HF_TOKEN, stored
    login); HF_ENDPOINT gives the server. Requests are neither retried nor cached here, and carry
    no telemetry: the user agent is this program's name alone.
    """

    def __init__(
        self, endpoint: str | None = None, token: str | bool | None = None, near: Sequence[str] = ()
    ) -> None:
        self._endpoint = endpoint
        self._token = token
        self._near = tuple(near)

    @property
    def endpoint(self) -> str:
        """The server, without a slash at the end."""
        from huggingface_hub import constants

        chosen = self._endpoint or os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
        return chosen.rstrip("/")

    def get(
        self,
        path: str,
        ticket: Ticket,
        *,
        repo: str,
        what: str,
        limit: int,
        params: Sequence[tuple[str, str]] = (),
        span: tuple[int, int] | None = None,
        missing: bool = False,
    ) -> Reply | None:
        """The answer to GET `path`; `what` names it in failures and `limit` bounds its bytes.

        `span` asks for the bytes from `span[0]` to before `span[1]`; whatever the server sends, the
        body is that range. None when `missing` allows a file that is not there. Raises
        `SourceError`.
        """
        ticket.check()
        endpoint = self.endpoint
        try:
            reply, signed_in = self._get(
                f"{endpoint}{path}", ticket, what=what, limit=limit, params=params, span=span
            )
        except LanderError:
            raise
        except Exception as error:
            raise hub_errors.unreachable(error, endpoint, _READ_SECONDS) from error
        if reply.status in {200, 206}:
            return reply
        if missing and reply.status == 404:
            return None
        if span is not None and reply.status == 416:
            return Reply(206, reply.headers, b"")
        raise hub_errors.from_status(
            reply.status,
            reply.headers,
            repo=repo,
            endpoint=endpoint,
            near=self._near,
            signed_in=signed_in,
        )

    def json(
        self,
        path: str,
        ticket: Ticket,
        *,
        repo: str,
        what: str,
        limit: int = 8 * MIB,
        params: Sequence[tuple[str, str]] = (),
        missing: bool = False,
    ) -> object:
        """The JSON at `path`; None when `missing` allows its absence. Raises `SourceError`."""
        reply = self.get(
            path, ticket, repo=repo, what=what, limit=limit, params=params, missing=missing
        )
        if reply is None:
            return None
        return parse_json(reply.body, what)

    def _get(
        self,
        url: str,
        ticket: Ticket,
        *,
        what: str,
        limit: int,
        params: Sequence[tuple[str, str]],
        span: tuple[int, int] | None,
    ) -> tuple[Reply, bool]:
        from huggingface_hub import get_session

        headers = {"user-agent": f"llm-lander-tui/{__version__}", "accept": "*/*"}
        token = self._signed_in()
        if token:
            headers["authorization"] = f"Bearer {token}"
        if span is not None:
            headers["range"] = f"bytes={span[0]}-{span[1] - 1}"
            headers["accept-encoding"] = "identity"
        client = get_session()
        timeout = min(_READ_SECONDS, max(ticket.remaining, 0.1))
        request = client.build_request(
            "GET",
            url,
            headers=headers,
            params=list(params) or None,
            timeout=(min(_CONNECT_SECONDS, timeout), timeout, timeout, timeout),
        )
        response = client.send(request, stream=True)
        try:
            ok = response.status_code in {200, 206}
            first, last = span if span is not None else (0, limit)
            skip = first if response.status_code == 200 else 0
            end = skip + (last - first if span is not None else limit)
            body = bytearray()
            seen = 0
            for chunk in response.iter_bytes() if ok else ():
                ticket.check()
                body += chunk[max(0, skip - seen) : max(0, end - seen)]
                seen += len(chunk)
                if seen > end and span is None:
                    raise hub_errors.too_large(what, limit)
                if seen >= end and span is not None:
                    break
            kept = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status_code, kept, bytes(body)), bool(token)
        finally:
            response.close()

    def _signed_in(self) -> str | None:
        """The token to send: the given one, else HF_TOKEN or the stored login."""
        from huggingface_hub import constants, get_token

        if isinstance(self._token, str):
            return self._token
        if self._token is False or constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
            return None
        return get_token()


def parse_json(raw: bytes, what: str) -> object:
    """The value of JSON text; refuses what is no JSON, or nested beyond reason."""
    try:
        found: object = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise hub_errors.broken_json(what) from error
    return found


def resolve_path(repo: str, file: str, revision: str) -> str:
    """The path of a file of a repository."""
    return f"/{repo}/resolve/{quote(revision, safe='')}/{quote(file)}"
