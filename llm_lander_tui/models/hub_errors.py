"""What can go wrong between this machine and the Hub: each failure with its sentence and remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from llm_lander_tui.errors import RefusedModel, SourceError


class HubUnreachable(SourceError):
    """The Hub could not answer now: a cached profile may stand in for it."""


_MANUAL = "or enter the model by hand"


def bad_id(text: str, why: str) -> SourceError:
    """A text that cannot be a repository of the Hub; nothing was asked of the network."""
    return SourceError(
        "Not a Hub id",
        f"{text!r} cannot name a model on the Hub: {why}.",
        "Write it as owner/name, e.g. Qwen/Qwen3-8B, or owner/name:Q4_K_M for a GGUF file.",
    )


def not_found(repo: str, near: tuple[str, ...], *, signed_in: bool) -> SourceError:
    """404, or the 401 that the Hub answers for what an anonymous visitor may not know of."""
    hint = f"Near names: {', '.join(near)}. " if near else ""
    if signed_in:
        return SourceError(
            "Model not found",
            f"The Hub has no model {repo!r} that your account can see.",
            f"{hint}Check the spelling, {_MANUAL}.",
        )
    return SourceError(
        "Model not found",
        f"The Hub has no public model {repo!r}; it may be misspelt or private.",
        f"{hint}Check the spelling, or sign in with `hf auth login` if it is private.",
    )


def gated(repo: str, endpoint: str, *, signed_in: bool) -> SourceError:
    """The repository asks for its licence to be accepted first."""
    page = f"{endpoint}/{repo}"
    if signed_in:
        return SourceError(
            "Gated model",
            f"{repo} is gated and your account has not been granted access.",
            f"Accept its licence at {page}, then retry, {_MANUAL}.",
        )
    return SourceError(
        "Gated model",
        f"{repo} is gated and you are not signed in.",
        f"Accept its licence at {page}, sign in with `hf auth login` or set HF_TOKEN, then retry.",
    )


def token_rejected() -> SourceError:
    """The Hub does not accept the token that was sent."""
    return SourceError(
        "Token rejected",
        "The Hub does not accept your access token: it is wrong, expired or revoked.",
        "Sign in again with `hf auth login`, or correct or unset HF_TOKEN.",
    )


def forbidden(repo: str, says: str) -> SourceError:
    """403 without a gate: a token without the right, or a disabled repository."""
    return SourceError(
        "Access refused",
        f"The Hub refuses access to {repo}{f' ({says})' if says else ''}.",
        f"Use a token that may read this repository, {_MANUAL}.",
    )


def rate_limited(seconds: int | None) -> HubUnreachable:
    """429; `seconds` until it may be tried again, where the Hub says so."""
    when = f"in {seconds} s" if seconds is not None else "in a few minutes"
    return HubUnreachable(
        "Too many requests",
        "The Hub has had too many requests from this address.",
        f"Retry {when}; signing in with `hf auth login` raises the limit.",
    )


def server_error(status: int) -> HubUnreachable:
    """5xx: the fault is on the other side."""
    return HubUnreachable(
        "The Hub has a problem",
        f"The Hub answered with an error of its own (HTTP {status}).",
        f"Retry in a while, choose a preset, {_MANUAL}.",
    )


def odd_status(status: int, says: str) -> SourceError:
    """A status that no other sentence covers."""
    return SourceError(
        "The Hub refused",
        f"The Hub answered with HTTP {status}{f' ({says})' if says else ''}.",
        f"Check the name, {_MANUAL}.",
    )


def timed_out(endpoint: str, seconds: float) -> HubUnreachable:
    """No answer within the deadline."""
    return HubUnreachable(
        "The Hub does not answer",
        f"{endpoint} did not finish its answer within {seconds:.0f} s.",
        f"Retry, check the connection or HF_ENDPOINT, choose a preset, {_MANUAL}.",
    )


def offline() -> HubUnreachable:
    """HF_HUB_OFFLINE forbids the network."""
    return HubUnreachable(
        "Offline",
        "HF_HUB_OFFLINE is set, so the Hub is not asked.",
        f"Unset it, choose a preset or a cached model, {_MANUAL}.",
    )


def cut_off(what: str) -> HubUnreachable:
    """The connection ended inside an answer."""
    return HubUnreachable(
        "Answer cut off",
        f"The connection ended before {what} had arrived.",
        "Retry; if it happens again, a proxy or firewall on the way may be the cause.",
    )


def broken_json(what: str) -> SourceError:
    """A body that is not the JSON it should be."""
    return SourceError(
        "Broken answer",
        f"{what} is not valid JSON.",
        f"Retry; if it stays so, the file itself is damaged: choose another model, {_MANUAL}.",
    )


def too_large(what: str, limit: int) -> SourceError:
    """A body beyond any size that it can honestly have."""
    return SourceError(
        "Answer too large",
        f"{what} is larger than {limit // 2**20} MiB, which no such file is.",
        f"Choose another model, {_MANUAL}.",
    )


def no_config(repo: str, holds: str) -> RefusedModel:
    """A repository without config.json and without GGUF files."""
    return RefusedModel(
        "No config.json",
        f"{repo} has no config.json and no GGUF file{f'; it holds {holds}' if holds else ''}.",
        f"Choose the repository of the full model, {_MANUAL}.",
    )


def unknown_format(repo: str) -> SourceError:
    """A repository whose name says that it is quantised, and whose config.json does not say how."""
    return SourceError(
        "Format not stated",
        f"{repo} does not state in its config.json how its weights are quantised.",
        "Load it: its tensor headers tell.",
    )


def adapter_only(repo: str, base: str) -> RefusedModel:
    """A LoRA or another adapter, which is no model alone."""
    return RefusedModel(
        "An adapter, not a model",
        f"{repo} holds only an adapter"
        + (f" for {base}." if base else " and does not say for which model."),
        f"Plan its base model{f' {base}' if base else ''} with a LoRA of this rank.",
    )


def no_such_file(repo: str, wanted: str, choices: tuple[str, ...]) -> SourceError:
    """A GGUF file or quantization that the repository does not have."""
    listed = ", ".join(choices[:12]) + (" …" if len(choices) > 12 else "")
    return SourceError(
        "No such GGUF file",
        f"{repo} has no GGUF file {wanted!r}.",
        f"It has: {listed}." if choices else "It has no GGUF files at all.",
    )


def unreachable(error: BaseException, endpoint: str, seconds: float) -> SourceError:
    """The failure that kept a request from being made or answered, told by its kind.

    Kinds are told by class name, for the HTTP library is the Hub client's own affair.
    """
    chain = tuple(_chain(error))
    kinds = {kind.__name__ for link in chain for kind in type(link).__mro__}
    text = " ".join(str(link) for link in chain)
    host = re.sub(r"^\w+://|/.*$", "", endpoint)
    if "OfflineModeIsEnabled" in kinds:
        return offline()
    if "ProxyError" in kinds or "proxy" in text.lower() or "socksio" in text:
        return HubUnreachable(
            "Proxy problem",
            f"The proxy on the way to {host} does not work ({_first(chain)}).",
            "Check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, then retry.",
        )
    if "SSLCertVerificationError" in kinds or "CERTIFICATE_VERIFY_FAILED" in text:
        return HubUnreachable(
            "Certificate not trusted",
            f"The TLS certificate of {host} could not be verified.",
            "Set SSL_CERT_FILE to your company's certificates, and check the machine's clock.",
        )
    if "SSLError" in kinds or "SSL" in text:
        return HubUnreachable(
            "No secure connection",
            f"{host} does not speak TLS as expected ({_first(chain)}).",
            "Check HF_ENDPOINT (http or https?) and whatever stands between, then retry.",
        )
    if "gaierror" in kinds or "Name or service not known" in text:
        return HubUnreachable(
            "No network",
            f"The name {host} could not be resolved: no network, or no DNS.",
            f"Check the connection or HF_ENDPOINT, choose a preset, {_MANUAL}.",
        )
    if "TimeoutException" in kinds or "TimeoutError" in kinds:
        return timed_out(endpoint, seconds)
    if "ConnectError" in kinds or "ConnectionRefusedError" in kinds:
        return HubUnreachable(
            "No connection",
            f"No connection to {host} could be made ({_first(chain)}).",
            f"Check the network or HF_ENDPOINT, choose a preset, {_MANUAL}.",
        )
    if kinds & {"RemoteProtocolError", "ReadError", "NetworkError", "DecodingError"}:
        return cut_off(f"the answer of {host}")
    if kinds & {"UnsupportedProtocol", "InvalidURL", "LocalProtocolError", "UnicodeError"}:
        return SourceError(
            "Request not possible",
            f"A request to {endpoint} cannot be made as it is set up.",
            "Check HF_ENDPOINT and HF_TOKEN for characters that do not belong there.",
        )
    return SourceError(
        "Hub client failed",
        f"The Hub client failed with {type(error).__name__} ({_first(chain)}).",
        f"Retry, choose a preset, {_MANUAL}.",
    )


def from_status(
    status: int,
    headers: Mapping[str, str],
    *,
    repo: str,
    endpoint: str,
    near: tuple[str, ...],
    signed_in: bool,
) -> SourceError:
    """The failure that an HTTP status and the Hub's X-Error-Code and X-Error-Message mean."""
    code, says = headers.get("x-error-code", ""), headers.get("x-error-message", "")
    if code == "GatedRepo":
        return gated(repo, endpoint, signed_in=signed_in)
    if status == 401 and signed_in and code != "RepoNotFound":
        return token_rejected()
    if code == "RevisionNotFound":
        return SourceError(
            "No such revision",
            f"The repository {repo} has no branch, tag or commit of that name.",
            f"Leave the part after @ out to take main, {_MANUAL}.",
        )
    if status in {401, 404} or code == "RepoNotFound":
        return not_found(repo, near, signed_in=signed_in)
    if status == 403:
        return forbidden(repo, says)
    if status == 407:
        return SourceError(
            "Proxy problem",
            "The proxy asks for a user name and a password.",
            "Put them into HTTPS_PROXY (http://user:password@host:port), then retry.",
        )
    if status == 429:
        return rate_limited(retry_after(headers))
    if status >= 500:
        return server_error(status)
    return odd_status(status, says)


def retry_after(headers: Mapping[str, str]) -> int | None:
    """Seconds to wait by `Retry-After`, or by the `RateLimit` header (`"api";r=0;t=55`)."""
    after = headers.get("retry-after", "").strip()
    if after.isdigit() and len(after) < 7:
        return int(after)
    limit = re.search(r";\s*t\s*=\s*(\d{1,6})\b", headers.get("ratelimit", ""))
    return int(limit[1]) if limit else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _first(chain: tuple[BaseException, ...]) -> str:
    """The innermost sentence, in one short line, without passwords of proxies."""
    said = next((str(link) for link in reversed(chain) if str(link)), type(chain[0]).__name__)
    return re.sub(r"//[^/@\s]*@", "//", " ".join(said.split()))[:160]
