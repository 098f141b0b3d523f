"""A Hub on loopback that answers as the Hugging Face Hub does; the corpus of model facts."""

from __future__ import annotations

import json
import re
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from llm_lander_tui.models import presets
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.config import parse_config


@dataclass
class Repo:
    """A repository of the stand-in: its files, and what its description adds."""

    files: dict[str, bytes] = field(default_factory=dict)
    info: dict[str, object] = field(default_factory=dict)
    gated: bool = False
    sizes: dict[str, int] = field(default_factory=dict)


@dataclass
class Request:
    """A request as it came in."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]


class FakeHub:
    """The state of the server: repositories, the valid token, a fault to act out, the requests."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.token = "hf_good"
        self.fault: Callable[[BaseHTTPRequestHandler, str], bool] | None = None
        self.requests: list[Request] = []
        self.sent = 0
        self.found: list[dict[str, object]] = []
        self.ranges = True
        self.url = ""

    def add(self, name: str, files: Mapping[str, object], **rest: object) -> Repo:
        """A repository; files given as objects are stored as JSON."""
        raw = {
            path: body if isinstance(body, bytes) else json.dumps(body).encode()
            for path, body in files.items()
        }
        self.repos[name] = Repo(raw, **rest)
        return self.repos[name]


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            hub.sent += len(body)

        def refuse(self, status: int, code: str, message: str) -> None:
            self.answer(
                status,
                json.dumps({"error": message}).encode(),
                X_Error_Code=code,
                X_Error_Message=message,
            )

        def do_GET(self) -> None:
            split = urlsplit(self.path)
            path = unquote(split.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            hub.requests.append(Request(path, parse_qs(split.query), headers))
            if hub.fault is not None and hub.fault(self, path):
                return
            sent = headers.get("authorization", "").removeprefix("Bearer ")
            if sent and sent != hub.token:
                self.answer(
                    401,
                    b'{"error":"Invalid credentials in Authorization header"}',
                    X_Error_Message="Invalid credentials in Authorization header",
                )
            elif path == "/api/models":
                self.answer(200, json.dumps(hub.found).encode())
            else:
                self.repository(path, bool(sent))

        def repository(self, path: str, signed_in: bool) -> None:
            match = re.match(r"/(?:api/models/)?([^/]+/[^/]+|[^/]+)", path)
            name = match[1] if match else ""
            if name not in hub.repos and "/" in name:
                name = name.split("/")[0] if name.split("/")[0] in hub.repos else name
            repo = hub.repos.get(name)
            if repo is None:
                status = 404 if signed_in else 401
                self.refuse(status, "RepoNotFound", "Repository not found")
                return
            rest = path.split(name, 1)[1]
            if rest == "" or rest.startswith("/revision/"):
                siblings = [
                    {"rfilename": f, "size": repo.sizes.get(f, len(body))}
                    for f, body in repo.files.items()
                ]
                self.answer(
                    200, json.dumps({"id": name, "siblings": siblings, **repo.info}).encode()
                )
                return
            if repo.gated:
                self.refuse(
                    403 if signed_in else 401, "GatedRepo", f"Access to model {name} is restricted"
                )
                return
            file = re.sub(r"^/resolve/[^/]+/", "", rest)
            if rest.startswith("/safetensors-metadata/"):
                self.safetensors_metadata(repo)
            elif file not in repo.files:
                self.refuse(404, "EntryNotFound", "Entry not found")
            else:
                self.file(repo.files[file])

        def safetensors_metadata(self, repo: Repo) -> None:
            headers = {
                path: json.loads(body[8 : 8 + struct.unpack("<Q", body[:8])[0]])
                for path, body in repo.files.items()
                if path.endswith(".safetensors")
            }
            self.answer(200, json.dumps({"index": {"metadata": {}}, "headers": headers}).encode())

        def file(self, body: bytes) -> None:
            asked = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if not asked or not hub.ranges:
                self.answer(200, body)
                return
            first, last = int(asked[1]), min(int(asked[2]), len(body) - 1)
            if first >= len(body):
                self.answer(416, Content_Range=f"bytes */{len(body)}")
                return
            self.answer(
                206, body[first : last + 1], Content_Range=f"bytes {first}-{last}/{len(body)}"
            )

    return Handler


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A running stand-in for the Hub; `hub.url` is its endpoint. No token is stored."""
    from huggingface_hub import close_session, constants

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_RESOURCE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere/token")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    close_session()
    fake = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield fake
    fake.fault = None
    close_session()
    server.shutdown()
    server.server_close()


def stall(seconds: float) -> Callable[[BaseHTTPRequestHandler, str], bool]:
    """A fault: the request is read, and nothing comes back for `seconds`."""

    def fault(handler: BaseHTTPRequestHandler, _path: str) -> bool:
        time.sleep(seconds)
        handler.close_connection = True
        return True

    return fault


@pytest.fixture
def llama_config() -> dict[str, object]:
    """A small Llama: 2 layers, hidden 64, 4 heads, 2 KV heads, 1,000 tokens."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 1000,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }


@pytest.fixture
def safetensors_file() -> Callable[..., bytes]:
    """Makes the bytes of a safetensors file of `(name, type, shape)` entries, data left out."""
    widths = {"F32": 4, "F16": 2, "BF16": 2, "I32": 4, "U8": 1, "F8_E4M3": 1}

    def make(*tensors: tuple[str, str, tuple[int, ...]], data: bool = False) -> bytes:
        header: dict[str, object] = {"__metadata__": {"format": "pt"}}
        end = 0
        for name, kind, shape in tensors:
            size = widths[kind]
            for extent in shape:
                size *= extent
            header[name] = {"dtype": kind, "shape": shape, "data_offsets": [end, end + size]}
            end += size
        raw = json.dumps(header).encode()
        return struct.pack("<Q", len(raw)) + raw + (bytes(end) if data else b"")

    return make


_DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(scope="session")
def facts() -> Callable[[str], dict[str, Any]]:
    """The table of facts of that name under tests/data, by model."""

    def read(name: str) -> dict[str, Any]:
        table: dict[str, Any] = json.loads((_DATA / f"{name}.json").read_text("utf-8"))
        return table["models"]

    return read


@pytest.fixture(scope="session")
def architecture(facts: Callable[[str], dict[str, Any]]) -> Callable[[str], Architecture]:
    """The architecture of a model of the corpus: of a preset, or of tests/data/configs.json."""
    configs, found = facts("configs"), {}

    def parse(name: str) -> Architecture:
        if name not in found:
            config = configs.get(name)
            found[name] = (
                presets.load(name).architecture if config is None else parse_config(config, name)
            )
        return found[name]

    return parse
