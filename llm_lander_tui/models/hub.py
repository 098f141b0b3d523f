"""Models by their id on the Hugging Face Hub, without downloading weights."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from llm_lander_tui.errors import LanderError, SourceError
from llm_lander_tui.models import hub_errors, safetensors
from llm_lander_tui.models.background import Progress, Ticket, no_progress, run, run_all
from llm_lander_tui.models.gguf_names import GgufChoice, gguf_choices
from llm_lander_tui.models.hub_client import MIB, HubClient, parse_json, resolve_path
from llm_lander_tui.models.hub_gguf import hub_gguf_profile
from llm_lander_tui.models.hub_ref import HubRef, parse_ref
from llm_lander_tui.models.hub_search import HubHit, Order, find, find_quantised, quantised_from
from llm_lander_tui.models.model import Checkpoint, Model, StoredTensor
from llm_lander_tui.models.profile import Profile, modelopt_quantization, quantization_of

_THE_HUB = "https://huggingface.co"
_CONNECTIONS = 4
_HEADER_GUESS = 100_000
"""First bytes of a safetensors file that hold the header of most single files."""
_HEADERS_LIMIT = 96 * MIB


@dataclass(frozen=True, slots=True)
class RepoFiles:
    """What the Hub says of a repository: its own name, the file sizes, safetensors elements.

    `base` is the repository that it was quantised from, by its tags.
    """

    id: str
    sizes: Mapping[str, int]
    elements: tuple[tuple[str, int], ...]
    base: str = ""


@dataclass(frozen=True, slots=True)
class GgufRepo:
    """The GGUF models of a repository, smallest first, and what they were quantised from."""

    base: str
    choices: tuple[GgufChoice, ...]


class HubSource:
    """Models of the Hub (or of the server in HF_ENDPOINT).

    Two requests for a plain checkpoint (repository with sizes and element counts, config.json),
    a third for the tensor headers of a quantised one; GGUF repositories by the files' headers.
    `deadline` bounds a whole call in seconds, `cancel` ends it from another thread at once, and
    `near` are known names to offer when one is not found.
    """

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        token: str | bool | None = None,
        deadline: float = 30.0,
        progress: Progress = no_progress,
        cancel: threading.Event | None = None,
        near: Sequence[str] = (),
    ) -> None:
        self._client = HubClient(endpoint, token, near)
        self._deadline = deadline
        self._progress = progress
        self._cancel = cancel

    def load(self, name: str) -> Model:
        """The model of that reference. Raises `SourceError` or `RefusedModel`."""
        return self.profile(name).model()

    def profile(self, name: str) -> Profile:
        """What the Hub states of that reference. Raises `SourceError` or `RefusedModel`."""
        ref = parse_ref(name)
        ticket = self.ticket()
        return run(partial(self._profile, ref, ticket), ticket)

    def peek(self, name: str, base: str = "", *, quantised: bool = False) -> Model:
        """The model as its config.json alone tells it: one small request, nothing of its weights.

        `base` is read in its place where a repository has none, as those of GGUF files. With
        `quantised` the quantization has to be stated somewhere, or the size would not be known.
        Raises `SourceError` or `RefusedModel`.
        """
        ref = parse_ref(name)
        ticket = self.ticket()
        return run(partial(self._peek, ref, base, quantised, ticket), ticket)

    def key(self, ref: HubRef) -> str:
        """What a profile of `ref` is cached under: its name, after the server if not the Hub."""
        endpoint = self._client.endpoint
        return str(ref) if endpoint == _THE_HUB else f"{endpoint}/{ref}"

    def gguf_repo(self, name: str) -> GgufRepo:
        """The GGUF models of a repository. Raises `SourceError`."""
        ref, ticket = parse_ref(name), self.ticket()
        repo = run(partial(self._repo, ref, ticket), ticket)
        return GgufRepo(repo.base, gguf_choices(repo.sizes))

    def search(self, text: str, limit: int = 30, order: Order = "downloads") -> tuple[HubHit, ...]:
        """Models whose names hold `text`: the most downloaded, or the newest first.

        Raises `SourceError`.
        """
        ticket = self.ticket()
        return run(
            partial(find, self._client, text.strip(), ticket, limit=limit, order=order), ticket
        )

    def quantised_sisters(self, model_id: str, limit: int = 40) -> tuple[HubHit, ...]:
        """Repositories that were quantised from a model, most downloaded first."""
        ref, ticket = parse_ref(model_id), self.ticket()
        return run(partial(find_quantised, self._client, ref.repo, ticket, limit=limit), ticket)

    def ticket(self) -> Ticket:
        """Permission for one call: the deadline begins now."""
        overdue = hub_errors.timed_out(self._client.endpoint, self._deadline)
        return Ticket(self._deadline, overdue, self._cancel)

    def _peek(self, ref: HubRef, base: str, quantised: bool, ticket: Ticket) -> Model:
        config = self._small_json(ref, "config.json", ticket)
        if config is None and base:
            config = self._small_json(parse_ref(base), "config.json", ticket)
        if not isinstance(config, Mapping):
            raise hub_errors.no_config(ref.repo, "")
        quantization = quantization_of(config)
        if quantised and quantization is None:
            quantization = modelopt_quantization(
                self._small_json(ref, "hf_quant_config.json", ticket)
            )
            if quantization is None:
                raise hub_errors.unknown_format(ref.repo)
        return Profile(str(ref), "hub", config, quantization).model()

    def _small_json(self, ref: HubRef, file: str, ticket: Ticket) -> object:
        """The value of a JSON file of a repository, None where it has no such file."""
        return self._client.json(
            resolve_path(ref.repo, file, ref.revision),
            ticket,
            repo=ref.repo,
            what=f"{file} of {ref.repo}",
            missing=True,
        )

    def _profile(self, ref: HubRef, ticket: Ticket) -> Profile:
        self._progress(f"Asking the Hub for {ref.repo}", 0.0)
        wants_gguf = ref.file is not None or ref.quant is not None
        repo, config = run_all(
            (partial(self._repo, ref, ticket), partial(self._config, ref, ticket, wants_gguf)),
            ticket,
            workers=2,
        )
        assert isinstance(repo, RepoFiles)
        warnings: tuple[str, ...] = ()
        if repo.id.lower() != ref.repo.lower():
            warnings = (f"The Hub knows {ref.repo} as {repo.id} now.",)
        if wants_gguf or _holds_only_gguf(repo.sizes):
            return hub_gguf_profile(
                self._client,
                ref,
                repo.sizes,
                ticket=ticket,
                progress=self._progress,
                warnings=warnings,
            )
        if isinstance(config, LanderError):
            raise config
        if config is None:
            if "adapter_config.json" in repo.sizes:
                raise hub_errors.adapter_only(ref.repo, self._adapter_base(ref, ticket))
            raise hub_errors.no_config(ref.repo, _kinds(repo.sizes))
        if not isinstance(config, Mapping):
            raise hub_errors.broken_json(f"config.json of {ref.repo}")
        quantization = quantization_of(config) or self._modelopt(ref, repo, ticket)
        self._progress(f"Reading what {ref.repo} stores", 0.5)
        checkpoint, more = self._checkpoint(ref, repo, quantization, ticket)
        self._progress(f"{ref.repo} is known", 1.0)
        return Profile(str(ref), "hub", config, quantization, checkpoint, warnings + more)

    def _repo(self, ref: HubRef, ticket: Ticket) -> RepoFiles:
        what = f"the Hub's description of {ref.repo}"
        path = f"/api/models/{ref.repo}"
        if ref.revision != "main":
            path += f"/revision/{ref.revision.replace('/', '%2F')}"
        found = self._client.json(
            path, ticket, repo=ref.repo, what=what, limit=32 * MIB, params=(("blobs", "true"),)
        )
        if not isinstance(found, Mapping):
            raise hub_errors.broken_json(what)
        tags = found.get("tags")
        return RepoFiles(
            str(found.get("id") or ref.repo),
            _sizes(found.get("siblings")),
            _elements(found),
            quantised_from([str(tag) for tag in tags] if isinstance(tags, list) else ()),
        )

    def _config(self, ref: HubRef, ticket: Ticket, wants_gguf: bool) -> object:
        """The decoded config.json, None without one, or the failure where it may not matter."""
        if wants_gguf:
            return None
        try:
            return self._small_json(ref, "config.json", ticket)
        except SourceError as error:
            return error

    def _modelopt(
        self, ref: HubRef, repo: RepoFiles, ticket: Ticket
    ) -> Mapping[str, object] | None:
        """The quantization that NVIDIA ModelOpt states in a file of its own."""
        file = "hf_quant_config.json"
        if file not in repo.sizes:
            return None
        return modelopt_quantization(self._small_json(ref, file, ticket))

    def _adapter_base(self, ref: HubRef, ticket: Ticket) -> str:
        found = self._small_json(ref, "adapter_config.json", ticket)
        return str(found.get("base_model_name_or_path") or "") if isinstance(found, Mapping) else ""

    def _checkpoint(
        self,
        ref: HubRef,
        repo: RepoFiles,
        quantization: Mapping[str, object] | None,
        ticket: Ticket,
    ) -> tuple[Checkpoint | None, tuple[str, ...]]:
        """What is stored, by the cheapest exact way, and what to say about it.

        The Hub's own element counts are exact for plain checkpoints; for quantised ones it counts
        unpacked weights, so their headers are read.
        """
        if quantization is None and repo.elements:
            bits = [safetensors.BITS.get(kind) for kind, _ in repo.elements]
            total = sum((b or 0) * n for b, (_, n) in zip(bits, repo.elements, strict=True)) // 8
            label = safetensors.format_label(repo.elements, None)
            return Checkpoint(label, None if None in bits else total, repo.elements), ()
        shards = _weight_files(repo.sizes)
        if not shards:
            return None, ("Its weights are not safetensors: sizes follow from config.json alone.",)
        try:
            tensors = self._headers(ref, repo, shards, ticket)
        except SourceError as error:
            ticket.check()
            size = sum(repo.sizes[shard] for shard in shards)
            label = safetensors.format_label(repo.elements, quantization)
            return Checkpoint(label, size, repo.elements), (
                f"The tensor headers could not be read ({error.title.lower()}): "
                "the stored size is that of the files.",
            )
        return safetensors.checkpoint(tensors, quantization), ()

    def _headers(
        self, ref: HubRef, repo: RepoFiles, shards: Sequence[str], ticket: Ticket
    ) -> list[StoredTensor]:
        """Every stored tensor; all shards in one request where the Hub offers it."""
        index = "model.safetensors.index.json"
        if index in repo.sizes and ref.revision == "main":
            what = f"the tensor headers of {ref.repo}"
            reply = self._client.get(
                f"/api/models/{ref.repo}/safetensors-metadata/{index}",
                ticket,
                repo=ref.repo,
                what=what,
                limit=_HEADERS_LIMIT,
                missing=True,
            )
            if reply is not None:
                found = parse_json(reply.body, what)
                headers = found.get("headers") if isinstance(found, Mapping) else None
                if isinstance(headers, Mapping) and headers:
                    return [
                        tensor
                        for shard, header in headers.items()
                        for tensor in safetensors.tensors_of(header, str(shard))
                    ]
        tasks = [partial(self._header, ref, shard, ticket) for shard in shards]
        each = run_all(tasks, ticket, _CONNECTIONS)
        return [tensor for tensors in each for tensor in tensors]

    def _header(self, ref: HubRef, shard: str, ticket: Ticket) -> tuple[StoredTensor, ...]:
        path = resolve_path(ref.repo, shard, ref.revision)

        def part(first: int, last: int) -> bytes:
            reply = self._client.get(
                path,
                ticket,
                repo=ref.repo,
                what=f"the header of {shard}",
                limit=safetensors.LONGEST_HEADER,
                span=(first, last),
            )
            return reply.body if reply is not None else b""

        start = part(0, _HEADER_GUESS)
        length = safetensors.header_length(start, shard)
        raw = start[safetensors.PREFIX : safetensors.PREFIX + length]
        if len(raw) < length:
            raw += part(safetensors.PREFIX + len(raw), safetensors.PREFIX + length)
        return safetensors.parse_header(raw, shard)


def _sizes(siblings: object) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for sibling in siblings if isinstance(siblings, list) else ():
        if isinstance(sibling, Mapping) and isinstance(sibling.get("rfilename"), str):
            size = sibling.get("size")
            sizes[sibling["rfilename"]] = size if isinstance(size, int) and size > 0 else 0
    return sizes


def _elements(found: Mapping[str, object]) -> tuple[tuple[str, int], ...]:
    stated = found.get("safetensors")
    by_type = stated.get("parameters") if isinstance(stated, Mapping) else None
    if not isinstance(by_type, Mapping):
        return ()
    kept = [(str(k), n) for k, n in by_type.items() if type(n) is int and n > 0]
    return tuple(sorted(kept, key=lambda counted: -counted[1]))


def _weight_files(sizes: Mapping[str, int]) -> list[str]:
    """The safetensors files of the model itself: not those of adapters or other layouts."""
    files = [f for f in sizes if f.endswith(".safetensors") and "/" not in f]
    model = [f for f in files if f.startswith("model")]
    return sorted(model or [f for f in files if not f.startswith(("consolidated", "adapter"))])


def _holds_only_gguf(sizes: Mapping[str, int]) -> bool:
    weights = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack")
    return bool(gguf_choices(sizes)) and not any(file.endswith(weights) for file in sizes)


def _kinds(sizes: Mapping[str, int]) -> str:
    if "model_index.json" in sizes:
        return "a diffusion pipeline"
    if any(file.endswith(".onnx") for file in sizes):
        return "ONNX files"
    if not set(sizes) - {".gitattributes", "README.md"}:
        return "nothing yet"
    return ""
