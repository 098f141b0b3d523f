"""Models of an Ollama server, at OLLAMA_HOST or on this machine."""

from __future__ import annotations

import json
import os
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPException
from urllib.parse import urlsplit

from llm_lander_tui.errors import SourceError
from llm_lander_tui.formats import GGML_TYPE_BY_NAME, Block
from llm_lander_tui.models.background import Ticket, run
from llm_lander_tui.models.gguf_model import metadata_profile
from llm_lander_tui.models.model import Checkpoint, Model, StoredTensor
from llm_lander_tui.models.profile import Profile

_PORT = 11434
_SCHEME_PORTS = {"http": 80, "https": 443}
_LARGEST = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class OllamaModel:
    """A model that the server has: its tag, size in bytes, and what its tag list says of it."""

    name: str
    bytes: int
    quantization: str
    parameters: str
    family: str
    modified: str


def host_url(host: str | None = None) -> str:
    """The server's address by the rules of OLLAMA_HOST, `host` instead of the variable if given.

    `host`, `:port`, `host:port`, `scheme://host[:port][/path]`. Without a port it is 11434, with a
    scheme that scheme's own; 0.0.0.0 and [::], which a server binds, are asked on this machine.
    Raises `SourceError`.
    """
    text = (os.environ.get("OLLAMA_HOST", "") if host is None else host).strip().strip("'\"")
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "http", text
    try:
        split = urlsplit(f"{scheme}://{rest}")
        name, port = split.hostname or "127.0.0.1", split.port
    except ValueError as error:
        raise _bad_host(text) from error
    if scheme not in _SCHEME_PORTS or re.search(r"\s", rest):
        raise _bad_host(text)
    port = port or (_SCHEME_PORTS[scheme] if found else _PORT)
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)  # noqa: S104 - read, not bound
    name = f"[{name}]" if ":" in name else name
    return f"{scheme}://{name}:{port}{split.path.rstrip('/')}"


class OllamaSource:
    """The list of an Ollama server's models, and each as a model to plan.

    `host` overrides OLLAMA_HOST; `deadline` bounds a call in seconds; `cancel` ends it at once.
    """

    def __init__(
        self,
        host: str | None = None,
        *,
        deadline: float = 5.0,
        cancel: threading.Event | None = None,
    ) -> None:
        self._host = host
        self._deadline = deadline
        self._cancel = cancel

    def models(self) -> tuple[OllamaModel, ...]:
        """The models of the server, the last changed first. Raises `SourceError`."""
        found = self._ask("/api/tags", None)
        entries = found.get("models") if isinstance(found, Mapping) else None
        if not isinstance(entries, list):
            raise _not_ollama(host_url(self._host))
        listed = [_listed(entry) for entry in entries if isinstance(entry, Mapping)]
        return tuple(sorted(listed, key=lambda model: model.modified, reverse=True))

    def load(self, name: str) -> Model:
        """The model of that tag. Raises `SourceError` or `RefusedModel`."""
        return self.profile(name).model()

    def profile(self, name: str) -> Profile:
        """What the server states of that tag."""
        name = name.strip()
        if not name:
            raise SourceError(
                "No model", "The name after ollama: is empty.", "List them with `ollama ls`."
            )
        shown = self._ask("/api/show", {"model": name, "verbose": True}, name)
        if not isinstance(shown, Mapping):
            raise _not_ollama(host_url(self._host))
        info = shown.get("model_info")
        if not isinstance(info, Mapping) or not info:
            raise SourceError(
                "Ollama too old",
                f"The Ollama server does not say what {name} is made of.",
                "Update Ollama, or plan the model by its Hub id.",
            )
        details = shown.get("details")
        label = str(details.get("quantization_level") or "") if isinstance(details, Mapping) else ""
        metadata = {str(key): _value(value) for key, value in info.items()}
        tensors = _tensors(shown.get("tensors"), metadata)
        profile = metadata_profile(f"ollama:{name}", "ollama", metadata, tensors, label=label)
        if tensors or profile.checkpoint is None:
            return profile
        return self._with_size(profile, profile.checkpoint, name)

    def _with_size(self, profile: Profile, checkpoint: Checkpoint, name: str) -> Profile:
        """The profile with the size of the tag list, where no tensors were listed."""
        tag = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
        size = next((model.bytes for model in self.models() if model.name == tag), None)
        return replace(
            profile,
            checkpoint=replace(checkpoint, bytes=size),
            warnings=(*profile.warnings, "Ollama lists no tensors: the size is that of its files."),
        )

    def _ask(self, path: str, body: Mapping[str, object] | None, model: str = "") -> object:
        url = host_url(self._host)
        overdue = SourceError(
            "Ollama does not answer",
            f"The Ollama server at {url} did not answer within {self._deadline:.0f} s.",
            "Check that it is not stuck (`ollama ps`), then retry.",
        )
        ticket = Ticket(self._deadline, overdue, self._cancel)
        return run(partial(self._request, url, path, body, model), ticket)

    def _request(
        self, url: str, path: str, body: Mapping[str, object] | None, model: str
    ) -> object:
        request = urllib.request.Request(  # noqa: S310 - http and https alone, see host_url
            url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "llm-lander-tui"},
        )
        # A proxy for the internet must not come between this machine and its own server.
        own = urlsplit(url).hostname in {"127.0.0.1", "::1", "localhost"}
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({} if own else None))
        try:
            with opener.open(request, timeout=self._deadline) as reply:
                raw = reply.read(_LARGEST)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404 and model:
                raise SourceError(
                    "Not in Ollama",
                    f"The Ollama server at {url} has no model {model!r}.",
                    f"List its models with `ollama ls`, or fetch it with `ollama pull {model}`.",
                ) from error
            raise _not_ollama(url) from error
        except TimeoutError as error:
            raise _not_running(url, "it did not answer in time") from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise _not_running(url, str(getattr(reason, "strerror", None) or reason)) from error
        try:
            found: object = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise _not_ollama(url) from error
        return found


def _listed(entry: Mapping[str, object]) -> OllamaModel:
    details = entry.get("details")
    stated = details if isinstance(details, Mapping) else {}
    size = entry.get("size")
    return OllamaModel(
        str(entry.get("name") or entry.get("model") or ""),
        size if isinstance(size, int) else 0,
        str(stated.get("quantization_level") or ""),
        str(stated.get("parameter_size") or ""),
        str(stated.get("family") or ""),
        str(entry.get("modified_at") or ""),
    )


def _tensors(listed: object, metadata: Mapping[str, object]) -> tuple[StoredTensor, ...]:
    """The tensors of a verbose answer: name, type and shape.

    Shapes are in ggml's order, columns first; the embedding, of which the columns are known, would
    show the other order.
    """
    width = metadata.get(f"{metadata.get('general.architecture')}.embedding_length")
    found = []
    reverse = False
    for entry in listed if isinstance(listed, list) else ():
        if not isinstance(entry, Mapping):
            return ()
        shape, kind = entry.get("shape"), str(entry.get("type", "")).upper()
        block = GGML_TYPE_BY_NAME.get(kind)
        if (
            block is None
            or not isinstance(shape, list)
            or not shape
            or not all(type(n) is int and 0 < n < 1 << 40 for n in shape)
        ):
            return ()
        if entry.get("name") == "token_embd.weight" and shape[0] != width == shape[-1]:
            reverse = True
        found.append((str(entry.get("name")), kind, block, shape))
    return tuple(
        _stored(name, kind, block, shape[::-1] if reverse else shape)
        for name, kind, block, shape in found
    )


def _stored(name: str, kind: str, block: Block, shape: list[int]) -> StoredTensor:
    size = block.row_bytes(shape[0])
    for extent in shape[1:]:
        size *= extent
    return StoredTensor(name, kind, tuple(reversed(shape)), size)


def _value(value: object) -> object:
    """A JSON value as GGUF metadata has it: lists as tuples, whole floats as whole numbers."""
    if isinstance(value, list):
        return tuple(_value(item) for item in value)
    return value


def _bad_host(text: str) -> SourceError:
    return SourceError(
        "OLLAMA_HOST not understood",
        f"{text[:80]!r} is no address of a server.",
        "Write it as host, host:port or http://host:port.",
    )


def _not_running(url: str, why: str) -> SourceError:
    return SourceError(
        "Ollama not running",
        f"No Ollama server answers at {url} ({why}).",
        "Start it with `ollama serve`, or set OLLAMA_HOST to where it runs.",
    )


def _not_ollama(url: str) -> SourceError:
    return SourceError(
        "Not an Ollama server",
        f"What answers at {url} is not an Ollama server.",
        "Set OLLAMA_HOST to the address and port of Ollama (its own port is 11434).",
    )
