"""Every failure between this machine and the Hub: its own sentence, its own remedy, no hang."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

import pytest

from llm_lander_tui.errors import RefusedModel, SourceError
from llm_lander_tui.models import hub_errors
from llm_lander_tui.models.background import Cancelled
from llm_lander_tui.models.hub import HubSource
from llm_lander_tui.models.hub_errors import HubUnreachable


def failure(source, name="org/small"):
    with pytest.raises(SourceError) as caught:
        source.load(name)
    error = caught.value
    assert error.message.endswith(".")
    assert error.remedy.endswith(".")
    assert "Traceback" not in str(error)
    return error


@pytest.fixture
def source(hub):
    return HubSource(endpoint=hub.url, deadline=5, near=("Qwen/Qwen3-8B",))


def answer(status, body=b"", **headers):
    def fault(handler, _path):
        handler.answer(status, body, **headers)
        return True

    return fault


def test_not_found_without_sign_in(source):
    error = failure(source, "org/nowhere")
    assert error.title == "Model not found"
    assert "may be misspelt or private" in error.message
    assert "Qwen/Qwen3-8B" in error.remedy
    assert "hf auth login" in error.remedy


def test_not_found_when_signed_in(hub):
    error = failure(HubSource(endpoint=hub.url, token="hf_good"), "org/nowhere")
    assert error.title == "Model not found"
    assert "your account" in error.message


def test_gated_without_sign_in(hub, source, llama_config):
    hub.add("meta/gated", {"config.json": llama_config}, gated=True)
    error = failure(source, "meta/gated")
    assert error.title == "Gated model"
    assert "not signed in" in error.message
    assert f"{hub.url}/meta/gated" in error.remedy


def test_gated_when_signed_in(hub, llama_config):
    hub.add("meta/gated", {"config.json": llama_config}, gated=True)
    error = failure(HubSource(endpoint=hub.url, token="hf_good"), "meta/gated")
    assert error.title == "Gated model"
    assert "has not been granted access" in error.message


def test_wrong_token(hub, monkeypatch, llama_config):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    hub.add("org/small", {"config.json": llama_config})
    error = failure(HubSource(endpoint=hub.url))
    assert error.title == "Token rejected"
    assert "hf_wrong" not in str(error)


def test_hf_token_is_sent_and_telemetry_is_not(hub, monkeypatch, llama_config):
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    hub.add("org/small", {"config.json": llama_config})
    HubSource(endpoint=hub.url).load("org/small")
    for request in hub.requests:
        assert request.headers["authorization"] == "Bearer hf_good"
        assert request.headers["user-agent"].startswith("llm-lander-tui/")
        assert "python" not in request.headers["user-agent"]


def test_token_with_a_line_break_in_it_is_told_and_not_shown(hub):
    error = failure(HubSource(endpoint=hub.url, token="hf_secret\r\nx: y"))
    assert "hf_secret" not in str(error)


def test_no_such_revision(hub, source):
    def fault(handler, _path):
        handler.refuse(404, "RevisionNotFound", "Invalid rev id: v9")
        return True

    hub.fault = fault
    assert failure(source, "org/small@v9").title == "No such revision"


def test_forbidden_without_a_gate(hub, source):
    hub.fault = answer(403, b"{}", X_Error_Message="Your token lacks the right to read")
    error = failure(source)
    assert error.title == "Access refused"
    assert "lacks the right" in error.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "17"}, "in 17 s"),
        ({"RateLimit": '"api";r=0;t=55'}, "in 55 s"),
        ({}, "in a few minutes"),
    ],
)
def test_rate_limit_says_when(hub, source, headers, seconds):
    hub.fault = answer(429, b"{}", **headers)
    error = failure(source)
    assert error.title == "Too many requests"
    assert seconds in error.remedy


@pytest.mark.parametrize("status", [500, 502, 503])
def test_server_error(hub, source, status):
    hub.fault = answer(status, b"<html>oops</html>")
    error = failure(source)
    assert error.title == "The Hub has a problem"
    assert str(status) in error.message
    assert isinstance(error, HubUnreachable)


def test_odd_status(hub, source):
    hub.fault = answer(418, b"")
    assert "HTTP 418" in failure(source).message


def test_broken_json(hub, source):
    hub.add("org/small", {"config.json": b'{"model_type": "llama", '})
    error = failure(source)
    assert error.title == "Broken answer"
    assert "config.json of org/small" in error.message


def test_json_nested_beyond_reason(hub, source):
    hub.add("org/small", {"config.json": b"[" * 200_000})
    assert failure(source).title == "Broken answer"


def test_json_that_is_no_object(hub, source):
    hub.add("org/small", {"config.json": b"[1, 2]"})
    assert failure(source).title == "Broken answer"


def test_cut_off_body(hub, source):
    def fault(handler, _path):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"id": ')
        handler.close_connection = True
        return True

    hub.fault = fault
    assert failure(source).title == "Answer cut off"


def test_connection_reset(hub, source):
    def fault(handler, _path):
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.connection.close()
        handler.close_connection = True
        return True

    hub.fault = fault
    assert isinstance(failure(source), HubUnreachable)


def test_endless_body(hub, source):
    def fault(handler, _path):
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b" " * 2**20)

    hub.fault = fault
    assert failure(source).title == "Answer too large"


def test_silent_server_hits_the_deadline(hub):
    release = threading.Event()
    hub.fault = lambda handler, _path: release.wait(30)
    begun = time.monotonic()
    error = failure(HubSource(endpoint=hub.url, deadline=0.4))
    release.set()
    assert error.title == "The Hub does not answer"
    assert time.monotonic() - begun < 5


def test_dripping_server_hits_the_deadline(hub):
    release = threading.Event()

    def fault(handler, _path):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not release.wait(0.05):
            handler.wfile.write(b" ")
        return True

    hub.fault = fault
    error = failure(HubSource(endpoint=hub.url, deadline=0.5))
    release.set()
    assert error.title == "The Hub does not answer"


def test_cancel_ends_a_hanging_request(hub):
    release, cancel = threading.Event(), threading.Event()

    def fault(_handler, _path):
        cancel.set()
        return release.wait(30)

    hub.fault = fault
    with pytest.raises(Cancelled):
        HubSource(endpoint=hub.url, deadline=60, cancel=cancel).load("org/small")
    release.set()


def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = failure(HubSource(endpoint=f"http://127.0.0.1:{port}", deadline=5))
    assert error.title == "No connection"


def test_name_not_resolved(hub):
    error = failure(HubSource(endpoint="http://no-such-host.invalid", deadline=5))
    assert error.title == "No network"
    assert "no-such-host.invalid" in error.message


def test_server_without_tls(hub):
    error = failure(HubSource(endpoint=hub.url.replace("http:", "https:"), deadline=5))
    assert error.title == "No secure connection"


def test_certificate_not_trusted():
    cause = ssl.SSLCertVerificationError("certificate verify failed: self-signed certificate")
    error = hub_errors.unreachable(cause, "https://hub.example", 5)
    assert error.title == "Certificate not trusted"
    assert "SSL_CERT_FILE" in error.remedy


def test_broken_proxy(hub, monkeypatch, llama_config):
    from huggingface_hub import close_session

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HTTP_PROXY", f"http://user:secret@127.0.0.1:{port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    close_session()
    error = failure(HubSource(endpoint="http://hub.example", deadline=5))
    assert isinstance(error, HubUnreachable)
    assert "secret" not in str(error)


def test_proxy_of_an_unknown_kind():
    """In a program of its own: the client is made once, with the proxies of that moment."""
    program = (
        "from llm_lander_tui.errors import LanderError\n"
        "from llm_lander_tui.models.hub import HubSource\n"
        "try:\n"
        "    HubSource(endpoint='http://hub.example', deadline=20).load('a/b')\n"
        "except LanderError as error:\n"
        "    print(error.title)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"ALL_PROXY": "ftp://proxy.example:1"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == "Proxy problem\n"


def test_proxy_that_wants_a_password(hub, source):
    hub.fault = answer(407)
    assert failure(source).title == "Proxy problem"


def test_offline_switch(hub, source, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    error = failure(source)
    assert error.title == "Offline"
    assert hub.requests == []


def test_no_config(hub, source):
    hub.add("org/onnx", {"README.md": b"", "model.onnx": b"x"})
    error = failure(source, "org/onnx")
    assert isinstance(error, RefusedModel)
    assert "ONNX" in error.message


def test_adapter_names_its_base(hub, source):
    hub.add(
        "org/lora",
        {
            "adapter_config.json": {"base_model_name_or_path": "Qwen/Qwen3-8B"},
            "adapter_model.safetensors": b"",
        },
    )
    error = failure(source, "org/lora")
    assert isinstance(error, RefusedModel)
    assert "Qwen/Qwen3-8B" in error.message


def test_not_a_decoder(hub, source):
    hub.add("org/bert", {"config.json": {"model_type": "bert", "hidden_size": 768}})
    with pytest.raises(RefusedModel, match="bert"):
        source.load("org/bert")


@pytest.mark.parametrize(
    "name",
    [
        "", "  ", "/", "org/", "/name", "a/b/c", "org/[/red]", "[/x]", "org/na me", "org/..",
        "org/-name", "org/name-", "org/na--me", "org/name.git", "x" * 97, "org/" + "x" * 97,
        "org/name:[/x]", "org/näme", "org/a/../b.gguf", "https://",
    ],
)  # fmt: skip
def test_bad_id_costs_no_request(hub, source, name):
    error = failure(source, name)
    assert error.title == "Not a Hub id"
    assert hub.requests == []


def test_every_failure_has_its_own_title(hub, source):
    """A person tells failures apart by their titles: none is used for two causes."""
    made = [
        hub_errors.bad_id("x", "y"), hub_errors.not_found("x", (), signed_in=False),
        hub_errors.gated("x", "y", signed_in=True), hub_errors.token_rejected(),
        hub_errors.forbidden("x", ""), hub_errors.rate_limited(None),
        hub_errors.server_error(500), hub_errors.odd_status(418, ""),
        hub_errors.timed_out("x", 1), hub_errors.offline(), hub_errors.cut_off("x"),
        hub_errors.broken_json("x"), hub_errors.too_large("x", 1),
        hub_errors.no_config("x", ""), hub_errors.adapter_only("x", ""),
        hub_errors.no_such_file("x", "y", ()),
    ]  # fmt: skip
    titles = [error.title for error in made]
    assert len(set(titles)) == len(titles)
    assert all(error.message and error.remedy for error in made)
