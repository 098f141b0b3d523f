"""Models of an Ollama server, against a real HTTP server on loopback that answers as it does."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from llm_lander_tui.errors import SourceError
from llm_lander_tui.models.background import Cancelled
from llm_lander_tui.models.ollama import OllamaSource, host_url

INFO = {
    "general.architecture": "llama",
    "general.file_type": 15,
    "llama.block_count": 1,
    "llama.embedding_length": 256,
    "llama.feed_forward_length": 512,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.context_length": 2048,
    "llama.vocab_size": 1000,
    "llama.rope.freq_base": 500000,
    "tokenizer.ggml.tokens": None,
}
SHAPES = {
    "token_embd.weight": [256, 1000],
    "output_norm.weight": [256],
    "blk.0.attn_norm.weight": [256],
    "blk.0.attn_q.weight": [256, 256],
    "blk.0.attn_k.weight": [256, 128],
    "blk.0.attn_v.weight": [256, 128],
    "blk.0.attn_output.weight": [256, 256],
    "blk.0.ffn_norm.weight": [256],
    "blk.0.ffn_gate.weight": [256, 512],
    "blk.0.ffn_up.weight": [256, 512],
    "blk.0.ffn_down.weight": [512, 256],
}
TENSORS = [
    {"name": name, "type": "Q4_K" if len(shape) > 1 else "F32", "shape": shape}
    for name, shape in SHAPES.items()
]
# 256·1000 embedding; q and o 2·256·256, k and v 2·256·128, MLP 3·256·512, three norms of 256.
MATRICES = 256_000 + 131_072 + 65_536 + 393_216
DETAILS = {"family": "llama", "parameter_size": "8.0B", "quantization_level": "Q4_K_M"}
TAGS = {
    "models": [
        {"name": "old:latest", "size": 5, "modified_at": "2025-01-01T00:00:00Z"},
        {"name": "llama3.1:8b", "size": 4_920_000_000, "modified_at": "2026-02-01T00:00:00Z",
         "details": DETAILS},
    ]
}  # fmt: skip


@pytest.fixture
def ollama():
    state = {"show": {"model_info": INFO, "details": DETAILS, "tensors": TENSORS}, "raw": None,
             "wait": None, "asked": []}  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def answer(self, status, found):
            raw = state["raw"] if state["raw"] is not None else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def do_GET(self):
            if state["wait"]:
                state["wait"].wait(20)
            self.answer(200, TAGS)

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state["asked"].append(body)
            if body["model"] == "nowhere":
                self.answer(404, {"error": "model 'nowhere' not found"})
            else:
                self.answer(200, state["show"])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    state["host"] = f"127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    server.server_close()


def test_list(ollama):
    newest, oldest = OllamaSource(ollama["host"]).models()
    assert (newest.name, newest.bytes, newest.quantization) == (
        "llama3.1:8b", 4_920_000_000, "Q4_K_M",
    )  # fmt: skip
    assert (newest.parameters, newest.family) == ("8.0B", "llama")
    assert oldest.quantization == ""


def test_show_becomes_a_model(ollama):
    model = OllamaSource(ollama["host"]).load("llama3.1:8b")
    assert model.name == "ollama:llama3.1:8b"
    assert model.source == "ollama"
    assert model.architecture.parameters == MATRICES + 768
    assert model.checkpoint.format == "Q4_K_M"
    # 144 bytes for 256 elements of the matrices, four for each element of the norms.
    assert model.checkpoint.bytes == MATRICES // 256 * 144 + 4 * 768
    assert model.warnings == ()
    assert ollama["asked"] == [{"model": "llama3.1:8b", "verbose": True}]


def test_shapes_in_the_other_order_are_told_by_the_embedding(ollama):
    turned = [entry | {"shape": entry["shape"][::-1]} for entry in TENSORS]
    ollama["show"] = {"model_info": INFO, "details": DETAILS, "tensors": turned}
    model = OllamaSource(ollama["host"]).load("llama3.1:8b")
    assert model.architecture.vocab_size == 1000
    assert model.checkpoint.bytes == MATRICES // 256 * 144 + 4 * 768


def test_without_tensors_the_size_is_the_tag_lists(ollama):
    ollama["show"] = {"model_info": INFO, "details": DETAILS}
    model = OllamaSource(ollama["host"]).load("llama3.1:8b")
    assert model.checkpoint.bytes == 4_920_000_000
    assert "no tensors" in model.warnings[-1]


def test_tensors_that_make_no_sense_are_left_aside(ollama):
    bad = [*TENSORS, {"name": "x", "type": "Q4_K", "shape": [-1]}]
    ollama["show"] = {"model_info": INFO, "details": DETAILS, "tensors": bad}
    assert OllamaSource(ollama["host"]).load("llama3.1:8b").checkpoint.tensors == ()


def failure(host, name="llama3.1:8b", **options):
    with pytest.raises(SourceError) as caught:
        OllamaSource(host, **options).load(name)
    assert caught.value.message
    assert caught.value.remedy
    return caught.value


def test_missing_model_names_the_pull(ollama):
    error = failure(ollama["host"], "nowhere")
    assert error.title == "Not in Ollama"
    assert "ollama pull nowhere" in error.remedy


def test_empty_name(ollama):
    assert failure(ollama["host"], "  ").title == "No model"


def test_not_running():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = failure(f"127.0.0.1:{port}")
    assert error.title == "Ollama not running"
    assert "ollama serve" in error.remedy


@pytest.mark.parametrize("raw", [b"<html>nginx</html>", b"[]", b'"x"', b"[" * 100_000])
def test_another_server(ollama, raw):
    ollama["raw"] = raw
    assert failure(ollama["host"]).title == "Not an Ollama server"
    with pytest.raises(SourceError, match="not an Ollama server"):
        OllamaSource(ollama["host"]).models()


def test_server_without_model_info(ollama):
    ollama["show"] = {"details": DETAILS}
    assert failure(ollama["host"]).title == "Ollama too old"


def test_silent_server_hits_the_deadline(ollama):
    ollama["wait"] = threading.Event()
    with pytest.raises(SourceError) as caught:
        OllamaSource(ollama["host"], deadline=0.3).models()
    ollama["wait"].set()
    assert caught.value.title in {"Ollama does not answer", "Ollama not running"}


def test_cancel(ollama):
    ollama["wait"], cancel = threading.Event(), threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        OllamaSource(ollama["host"], cancel=cancel).models()
    ollama["wait"].set()


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("gpu-box", "http://gpu-box:11434"),
        ("gpu-box:8080", "http://gpu-box:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:9", "http://127.0.0.1:9"),
        ("[::]:9", "http://[::1]:9"),
        ("[::1]", "http://[::1]:11434"),
        ("http://gpu-box", "http://gpu-box:80"),
        ("https://gpu-box", "https://gpu-box:443"),
        ("https://gpu-box:1234/path/", "https://gpu-box:1234/path"),
        ("'gpu-box'", "http://gpu-box:11434"),
    ],
)
def test_ollama_host(monkeypatch, text, url):
    assert host_url(text) == url
    monkeypatch.setenv("OLLAMA_HOST", text)
    assert host_url() == url


@pytest.mark.parametrize("text", ["ftp://x", "x:port", "http://x:99999999", "a b", "http://[x"])
def test_ollama_host_that_is_none(text):
    with pytest.raises(SourceError) as caught:
        host_url(text)
    assert caught.value.title == "OLLAMA_HOST not understood"
