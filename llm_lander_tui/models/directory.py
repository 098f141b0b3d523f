"""Models in a local directory: config.json and the headers of its safetensors files."""

from __future__ import annotations

from collections.abc import Mapping
from json import loads
from pathlib import Path

from llm_lander_tui.errors import RefusedModel, SourceError
from llm_lander_tui.models import safetensors
from llm_lander_tui.models.gguf_model import GgufSource
from llm_lander_tui.models.gguf_names import choose, gguf_choices
from llm_lander_tui.models.hub_errors import adapter_only
from llm_lander_tui.models.model import Checkpoint, Model
from llm_lander_tui.models.profile import Profile, modelopt_quantization, quantization_of

_LARGEST_JSON = 64 * 1024**2


class DirectorySource:
    """Local directories as Transformers and the Hub's download lay them out."""

    def load(self, name: str) -> Model:
        """The model in that directory. Raises `SourceError` or `RefusedModel`."""
        return self.profile(name).model()

    def profile(self, name: str) -> Profile:
        """What the directory, or the config.json, at the path `name` holds."""
        path = Path(name).expanduser()
        if path.is_dir():
            if not (path / "config.json").is_file():
                gguf = gguf_choices({file.name: file.stat().st_size for file in path.glob("*")})
                choice = choose(gguf)
                if choice is not None:
                    return GgufSource().profile(str(path / choice.name))
            return _of_directory(path)
        return _of_config(path)


def _of_config(path: Path) -> Profile:
    config = _object(path)
    if "peft_type" in config or "base_model_name_or_path" in config:
        raise adapter_only(str(path), str(config.get("base_model_name_or_path") or ""))
    name = path.parent if path.name == "config.json" else path
    return Profile(str(name), "directory", config, quantization_of(config))


def _of_directory(path: Path) -> Profile:
    name = path.resolve().name
    if not (path / "config.json").is_file():
        adapter = path / "adapter_config.json"
        if adapter.is_file():
            raise adapter_only(name, str(_object(adapter).get("base_model_name_or_path") or ""))
        raise RefusedModel(
            "No config.json",
            f"{path} holds neither a config.json nor a .gguf file.",
            "Give the directory of a whole model, as the Hub's download makes it.",
        )
    config = _object(path / "config.json")
    quantization = quantization_of(config)
    modelopt = path / "hf_quant_config.json"
    if quantization is None and modelopt.is_file():
        quantization = modelopt_quantization(_object(modelopt))
    checkpoint, warnings = _checkpoint(path, quantization)
    return Profile(str(path), "directory", config, quantization, checkpoint, warnings)


def _checkpoint(
    path: Path, quantization: Mapping[str, object] | None
) -> tuple[Checkpoint | None, tuple[str, ...]]:
    index = path / "model.safetensors.index.json"
    if index.is_file():
        weights = _object(index).get("weight_map")
        named = weights.values() if isinstance(weights, Mapping) else ()
        files = sorted({str(shard) for shard in named})
    else:
        found = sorted(file.name for file in path.glob("*.safetensors"))
        files = [f for f in found if f.startswith("model")] or [
            f for f in found if not f.startswith(("consolidated", "adapter"))
        ]
    missing = [file for file in files if not (path / file).is_file()]
    if missing:
        return None, (
            f"{len(missing)} of {len(files)} weight files are missing, {missing[0]} first: "
            "sizes follow from config.json.",
        )
    if not files:
        return None, ("No safetensors files here: sizes follow from config.json alone.",)
    tensors = [tensor for file in files for tensor in safetensors.read_file(path / file)]
    return safetensors.checkpoint(tensors, quantization), ()


def _object(path: Path) -> Mapping[str, object]:
    """The JSON object in the file at `path`. Raises `SourceError`."""
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise _broken(path, "is larger than any such file is")
        found = loads(path.read_bytes())
    except OSError as error:
        raise SourceError(
            "File not readable",
            f"{path} could not be read ({error.strerror or error}).",
            "Check the path and its permissions.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise _broken(path, "is not valid JSON") from error
    if not isinstance(found, dict):
        raise _broken(path, "does not hold a JSON object")
    return found


def _broken(path: Path, how: str) -> SourceError:
    return SourceError("Broken file", f"{path} {how}.", "Download it again.")
