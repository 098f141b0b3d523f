"""Start commands that are programs: Python around `from_pretrained`, and Ollama's Modelfile."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from llm_lander_tui.errors import UsageError
from llm_lander_tui.planner.dialects import DTYPES, OLLAMA_PARAMETERS

Found = dict[str, object]

_ENGINES = (
    ("AutoGPTQForCausalLM", "autogptq"),
    ("GPTQModel", "autogptq"),
    ("AutoAWQForCausalLM", "autoawq"),
    ("AutoModelForCausalLM", "transformers"),
)
_GPTQ_BACKENDS = {"exllama_v1": "exllama", "exllama_v2": "exllamav2"}
"""GPTQModel's words for the kernels."""


def read_snippet(code: str) -> tuple[str, Found] | None:
    """The engine of a Python snippet, and what its calls set; None for other text.

    A heredoc around the code is taken off. Raises `UsageError` for code that does not parse.
    """
    engine = next((engine for name, engine in _ENGINES if f"{name}.from_" in code), None)
    if engine is None:
        return None
    body = re.search(r"<<\s*['\"]?(\w+)['\"]?\n(.*?)\n\1", code, re.DOTALL)
    try:
        tree = ast.parse(body[2] if body else code)
    except (SyntaxError, ValueError) as error:
        raise UsageError("Not a command", f"The Python in it cannot be read: {error}.") from error
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {name for name, of in _ENGINES if of == engine}
    load = next((c for c in calls if _called(c)[0] in names and _called(c)[1:] != ("",)), None)
    found: Found = {}
    if load is not None and load.args and isinstance(load.args[0], ast.Constant):
        found["model"] = load.args[0].value
    values = {name: value for call in calls for name, value in _keywords(call)}
    found.update(_loading(values, calls))
    found.update(_generating(values, engine))
    for node in ast.walk(tree):
        match node:
            case ast.BinOp(ast.List(), ast.Mult(), ast.Constant(int(copies))):
                found["concurrency"] = copies
    return engine, found


def _called(call: ast.Call) -> tuple[str, str]:
    """The owner and the name of what is called: ("AutoModelForCausalLM", "from_pretrained")."""
    function = call.func
    if isinstance(function, ast.Attribute):
        owner = function.value.id if isinstance(function.value, ast.Name) else ""
        return owner, function.attr
    return "", function.id if isinstance(function, ast.Name) else ""


def _keywords(call: ast.Call) -> Iterable[tuple[str, object]]:
    for keyword in call.keywords:
        if keyword.arg is None:
            continue
        value = keyword.value
        if isinstance(value, ast.Attribute):
            yield keyword.arg, value.attr
        else:
            try:
                yield keyword.arg, ast.literal_eval(value)
            except ValueError:
                continue


def _loading(values: Found, calls: list[ast.Call]) -> Found:
    found: Found = {}
    dtype = DTYPES.get(str(values.get("dtype", values.get("torch_dtype"))))
    if dtype is not None:
        found["quantize"] = dtype
    if values.get("load_in_8bit") is True:
        found["quantize"] = "LLM.int8"
    elif values.get("load_in_4bit") is True:
        kind = str(values.get("bnb_4bit_quant_type", "fp4")).upper()
        found["quantize"] = kind + ("-DQ" if values.get("bnb_4bit_use_double_quant") else "")
    elif any(_called(call)[1] == "HqqConfig" for call in calls):
        bits, group = values.get("nbits", 4), values.get("group_size", 64)
        found["quantize"] = f"HQQ-{bits}bit-g{group}"
    elif any(_called(call)[1] == "FineGrainedFP8Config" for call in calls):
        found["quantize"] = "FP8-block"
    if isinstance(values.get("attn_implementation"), str):
        found["attention"] = values["attn_implementation"]
    if "fuse_layers" in values:
        found["fuse_layers"] = values["fuse_layers"]
    if "disable_exllamav2" in values:
        found["kernel"] = "exllama" if values["disable_exllamav2"] else "exllamav2"
    elif str(values.get("backend")) in _GPTQ_BACKENDS:
        found["kernel"] = _GPTQ_BACKENDS[str(values["backend"])]
    return found


def _generating(values: Found, engine: str) -> Found:
    found: Found = {}
    prompt, new = values.get("max_length"), values.get("max_new_tokens")
    if isinstance(values.get("max_seq_len"), int):
        found["context"] = values["max_seq_len"]
    elif isinstance(prompt, int) and isinstance(new, int):
        found["context"] = prompt + new
    if values.get("cache_implementation") == "static":
        found["cache"] = "static"
    cache = values.get("cache_config")
    if isinstance(cache, dict) and engine == "transformers":
        found["kv"] = f"int{cache.get('nbits', 4)}"
    if isinstance(values.get("batch_size"), int):
        found["concurrency"] = values["batch_size"]
    return found


def read_modelfile(lines: Iterable[str]) -> Found:
    """What the FROM and PARAMETER lines of a Modelfile set. Raises `UsageError` for a bad value."""
    found: Found = {}
    for line in lines:
        instruction, _, rest = line.strip().partition(" ")
        if instruction.upper() == "FROM":
            found["model"] = rest.strip()
        elif instruction.upper() == "PARAMETER":
            name, _, value = rest.strip().partition(" ")
            flag = OLLAMA_PARAMETERS.get(name)
            if flag is not None:
                try:
                    found[flag.sets] = flag.read(value)
                except ValueError as error:
                    raise UsageError("Not a value", f"{name} cannot be {value!r}.") from error
    return found
