"""GGUF models through the one parser: counts equal to the model library's own, by architecture."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_lander_tui.errors import LanderError, RefusedModel, SourceError
from llm_lander_tui.memory.gguf_tensors import gguf_tensors
from llm_lander_tui.memory.own_format import recipe_of
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models import presets
from llm_lander_tui.models.config import parse_config
from llm_lander_tui.models.gguf_architectures import config_of
from llm_lander_tui.models.gguf_facts import GgufFacts
from llm_lander_tui.models.gguf_file import GgufHeader, Skipped
from llm_lander_tui.models.gguf_model import GgufSource, gguf_profile, metadata_profile
from llm_lander_tui.models.model import StoredTensor

DATA = json.loads(
    (Path(__file__).parents[1] / "data" / "gguf_metadata.json").read_text(encoding="utf-8")
)["models"]


def tuples(value):
    return tuple(tuples(item) for item in value) if isinstance(value, list) else value


def facts_of(entry) -> GgufFacts:
    """The metadata with those tensors that tell something; the others' shapes do not matter."""
    arch, keys = entry["architecture"], entry["keys"]
    metadata = {f"{arch}.{key}": tuples(value) for key, value in keys.items()}
    tensors = [("token_embd.weight", (entry["vocab"], keys["embedding_length"]))]
    if not entry["tied"]:
        tensors.append(("output.weight", (1, 1)))
    if entry["head_bias"]:
        tensors.append(("output.bias", (1,)))
    rows = {
        "ffn_up.weight": entry.get("ffn_up_rows", 1),
        "attn_gate.weight": entry.get("gate_rows", 1),
    }
    for stem, where in entry["tensors"].items():
        blocks = range(keys["block_count"]) if where == "all" else where
        tensors += [(f"blk.{block}.{stem}", (rows.get(stem, 1), 1)) for block in blocks]
    stored = [StoredTensor(name, "F16", shape, 0) for name, shape in tensors]
    return GgufFacts({"general.architecture": arch} | metadata, stored)


@pytest.mark.parametrize("entry", DATA, ids=lambda entry: entry["model"])
def test_counts_equal_the_model_librarys(entry):
    """Metadata as llama.cpp's converter writes it against transformers' own counts."""
    architecture = parse_config(config_of(facts_of(entry)), entry["model"])
    assert architecture.parameters == entry["parameters"]
    if "kv_bytes_per_token" in entry:
        assert architecture.kv_bytes_per_token == entry["kv_bytes_per_token"]
        assert architecture.state_bytes_per_sequence == entry["state_bytes"]


@pytest.mark.parametrize(
    "entry",
    [entry for entry in DATA if entry["model"] in presets.names()],
    ids=lambda entry: entry["model"],
)
def test_metadata_and_tensors_of_a_file_agree(entry):
    """A whole header: the tensors that the converter makes, each counted once and weighed."""
    tensors = []
    for one in gguf_tensors(presets.load(entry["model"]).architecture):
        shape = (*(n for n in (one.tensor.copies, one.tensor.rows) if n > 1), one.tensor.columns)
        tensors.append(tensor(one.name, *shape))
    model = metadata_profile("x", "gguf", facts_of(entry).metadata, tuple(tensors)).model()
    assert model.warnings == ()
    assert weights_of(model.architecture, recipe_of(model)).bytes == model.checkpoint.bytes


def test_the_data_cover_the_architectures_in_use():
    assert len({entry["architecture"] for entry in DATA}) >= 60


def tensor(name, *shape, kind="F16"):
    size = 2
    for extent in shape:
        size *= extent
    return StoredTensor(name, kind, shape, size)


LLAMA = {
    "general.architecture": "llama",
    "general.file_type": 15,
    "llama.block_count": 1,
    "llama.embedding_length": 64,
    "llama.feed_forward_length": 128,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.context_length": 2048,
}
TENSORS = (
    tensor("token_embd.weight", 1000, 64),
    tensor("output_norm.weight", 64),
    tensor("blk.0.attn_norm.weight", 64),
    tensor("blk.0.attn_q.weight", 64, 64, kind="Q4_K"),
    tensor("blk.0.attn_k.weight", 32, 64),
    tensor("blk.0.attn_v.weight", 32, 64),
    tensor("blk.0.attn_output.weight", 64, 64),
    tensor("blk.0.ffn_norm.weight", 64),
    tensor("blk.0.ffn_gate.weight", 128, 64),
    tensor("blk.0.ffn_up.weight", 128, 64),
    tensor("blk.0.ffn_down.weight", 64, 128),
)


def profile(metadata=None, tensors=TENSORS, **rest):
    return metadata_profile("x", "gguf", metadata or LLAMA, tensors, **rest)


def test_tensors_tell_the_tied_head_the_vocabulary_and_the_bytes():
    found = profile()
    model = found.model()
    # 1000·64 embedding; q and o 2·64·64, k and v 2·32·64, MLP 3·64·128, three norms of 64.
    assert model.architecture.parameters == 64_000 + 8_192 + 4_096 + 24_576 + 192
    assert model.architecture.tied_embeddings
    assert model.architecture.vocab_size == 1000
    assert model.checkpoint.bytes == 2 * model.architecture.parameters
    assert model.checkpoint.format == "Q4_K_M"
    assert model.checkpoint.elements == (("F16", 64_000 + 4_096 + 4_096 + 24_576 + 192),
                                         ("Q4_K", 4_096))  # fmt: skip
    assert model.warnings == ()


def test_untied_head_and_biases():
    tensors = (*TENSORS, tensor("output.weight", 1000, 64), tensor("blk.0.attn_q.bias", 64))
    config = profile(tensors=tensors).config
    assert config["tie_word_embeddings"] is False
    assert config["attention_bias"] is True


def test_label_of_the_name_comes_before_the_files_own():
    assert profile(label="UD-Q4_K_XL").checkpoint.format == "UD-Q4_K_XL"
    without = {key: value for key, value in LLAMA.items() if key != "general.file_type"}
    assert profile(without).checkpoint.format == "F16"


def test_disagreement_of_tensors_and_metadata_is_said():
    odd = (*TENSORS, tensor("blk.0.surprise.weight", 500, 500))
    warnings = profile(tensors=odd).model().warnings
    assert len(warnings) == 1
    assert "may be wrong" in warnings[0]


def test_towers_and_prediction_layers_are_no_disagreement():
    metadata = LLAMA | {"llama.block_count": 2, "llama.nextn_predict_layers": 1}
    tensors = (*TENSORS, tensor("v.blk.0.attn_q.weight", 900, 900), tensor("rope_freqs.weight", 16))
    tensors += (tensor("blk.1.nextn.eh_proj.weight", 640, 1280),)
    found = profile(metadata, tensors)
    assert found.model().warnings == ()
    assert len(found.model().architecture.layers) == 1


def test_experts_make_a_mixtral():
    metadata = LLAMA | {"llama.expert_count": 8, "llama.expert_used_count": 2}
    assert profile(metadata, ()).config["model_type"] == "mixtral"


def test_vocabulary_without_tensors_is_the_token_lists():
    metadata = LLAMA | {"tokenizer.ggml.tokens": Skipped(777)}
    assert profile(metadata, ()).model().architecture.vocab_size == 777


def test_multi_query_falcon_is_told_by_its_fused_projection():
    metadata = {key.replace("llama.", "falcon."): value for key, value in LLAMA.items()}
    metadata |= {"general.architecture": "falcon", "falcon.attention.head_count_kv": 4}
    # 4 query heads and one head each of keys and values, 16 wide: 96 rows.
    facts = GgufFacts(metadata, [tensor("blk.0.attn_qkv.weight", 96, 64)])
    config = config_of(facts)
    assert config["num_kv_heads"] == 1
    assert config["multi_query"] is True


def test_old_latent_files_state_the_widths_without_a_suffix():
    """Before April 2025 `key_length` was the width of a head: 192 = 128 + 64 for rotation."""
    metadata = {
        "general.architecture": "deepseek2",
        "deepseek2.block_count": 1,
        "deepseek2.attention.head_count": 16,
        "deepseek2.attention.key_length": 192,
        "deepseek2.attention.value_length": 128,
        "deepseek2.attention.kv_lora_rank": 512,
        "deepseek2.rope.dimension_count": 64,
    }
    config = config_of(GgufFacts(metadata, []))
    assert (config["qk_nope_head_dim"], config["qk_rope_head_dim"]) == (128, 64)
    assert config["v_head_dim"] == 128
    assert config["q_lora_rank"] is None


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"general.architecture": "clip"}, "projector"),
        ({"general.architecture": "bert"}, "encoder"),
        ({"general.architecture": "t5"}, "encoder-decoder"),
        ({"general.architecture": "llada"}, "diffusion"),
        ({"general.architecture": "llama", "general.type": "adapter"}, "LoRA"),
        ({"general.architecture": "llama", "general.type": "mmproj"}, "projector"),
        ({"general.architecture": "llama"}, "llama.block_count"),
        ({"general.architecture": "llama", "llama.block_count": 10**9}, "1,000,000,000 layers"),
        ({"general.architecture": "llama", "llama.block_count": 0}, "at least 1"),
    ],
)
def test_what_is_no_decoder_is_refused_with_its_reason(metadata, says):
    with pytest.raises(RefusedModel, match=says):
        profile(metadata, ()).model()


def test_without_an_architecture_it_is_no_model():
    with pytest.raises(SourceError, match="does not say which architecture"):
        profile({"a": 1})


def renamed(arch, **more):
    metadata = {key.replace("llama.", f"{arch}."): value for key, value in LLAMA.items()}
    return metadata | {"general.architecture": arch} | more


def test_an_unknown_architecture_is_planned_by_its_shape_and_says_so():
    model = profile(renamed("newkind")).model()
    assert "newkind" in model.architecture.notes[0]
    assert model.architecture.parameters == 64_000 + 8_192 + 4_096 + 24_576 + 192
    assert model.warnings == ()


def test_the_shape_is_told_by_the_tensors():
    normed = (
        *TENSORS,
        tensor("blk.0.attn_q_norm.weight", 16),
        tensor("blk.0.attn_k_norm.weight", 16),
    )
    assert profile(renamed("newkind"), normed).model().architecture.parts["norm"] == 192 + 32


def test_a_name_that_config_files_know_brings_none_of_their_defaults():
    """ "arctic" is no line of the table: nothing may be assumed of it."""
    assert "arctic" in profile(renamed("arctic")).model().architecture.notes[0]


@pytest.mark.parametrize(
    "odd",
    [{"newkind.ssm.state_size": 128}, {"newkind.wkv.head_size": 64},
     {"newkind.block_count": 2, "newkind.attention.head_count_kv": (0, 2)}],
)  # fmt: skip
def test_unknown_layers_of_another_kind_are_refused(odd):
    with pytest.raises(RefusedModel, match="newkind"):
        profile(renamed("newkind", **odd), ()).model()


def write(path, metadata, tensors):
    gguf = pytest.importorskip("gguf", reason="the gguf package is not installed")
    np = pytest.importorskip("numpy", reason="numpy is not installed")
    writer = gguf.GGUFWriter(path, "llama")
    for key, value in metadata.items():
        if key != "general.architecture":
            writer.add_uint32(key, value)
    for one in tensors:
        writer.add_tensor(one.name, np.zeros(one.shape, dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_split_file_by_any_of_its_parts(tmp_path):
    first, second = (tmp_path / f"x-Q8_0-0000{i}-of-00002.gguf" for i in (1, 2))
    write(first, LLAMA, TENSORS[:5])
    write(second, {}, TENSORS[5:])
    for part in (first, second):
        model = GgufSource().load(str(part))
        assert len(model.checkpoint.tensors) == len(TENSORS)
        assert model.checkpoint.format == "Q8_0"
        assert (model.source, model.name) == ("gguf", str(part))
    second.unlink()
    with pytest.raises(SourceError, match="1 of the 2 parts"):
        GgufSource().load(str(first))


def test_headers_of_parts_are_joined():
    half = [GgufHeader(3, LLAMA if i == 0 else {}, part, 0, 0, 0)
            for i, part in enumerate((TENSORS[:4], TENSORS[4:]))]  # fmt: skip
    assert gguf_profile("x", "hub", half).checkpoint.tensors == TENSORS


ODD = st.sampled_from(
    [None, 0, -1, 1, 3, 2**31, 2**63, 1.5, float("nan"), "", "x", True, (), (0,), (1, 0, 2), ("a",),
     (2**40,) * 3, Skipped(5)]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(DATA), st.lists(st.tuples(st.integers(0, 60), ODD), max_size=4), st.data())
def test_metadata_of_any_value_makes_a_model_or_a_refusal(entry, edits, data):
    """Keys of real files, a few of them given odd values or left out, with and without tensors."""
    metadata = dict(facts_of(entry).metadata)
    keys = sorted(set(metadata) - {"general.architecture"})
    for place, value in edits:
        key = keys[place % len(keys)]
        if value is None:
            metadata.pop(key, None)
        else:
            metadata[key] = value
    tensors = tuple(facts_of(entry).tensors.values()) if data.draw(st.booleans()) else ()
    with suppress(LanderError):
        model = metadata_profile("x", "gguf", metadata, tensors).model()
        assert model.architecture.parameters > 0
        assert model.architecture.kv_bytes_per_token >= 0


@pytest.mark.parametrize(
    "entry",
    list({entry["architecture"]: entry for entry in DATA}.values()),
    ids=lambda entry: entry["architecture"],
)
def test_no_key_may_be_zero_or_missing_without_a_typed_answer(entry):
    facts = facts_of(entry)
    for key in facts.metadata:
        for metadata in (facts.metadata | {key: 0}, {k: v for k, v in facts.metadata.items()
                                                     if k != key}):  # fmt: skip
            with suppress(LanderError):
                metadata_profile("x", "gguf", metadata, ()).model()


def config_from(arch, tensors=(), **keys):
    metadata = {f"{arch}.{key.replace('__', '.')}": value for key, value in keys.items()}
    return config_of(GgufFacts({"general.architecture": arch} | metadata, tensors))


def test_qwen3_next_without_a_list_of_layers_goes_by_the_interval():
    config = config_from(
        "qwen3next", block_count=8, ssm__time_step_rank=32, ssm__group_count=16,
        ssm__state_size=128, ssm__inner_size=4096, ssm__conv_kernel=4,
    )  # fmt: skip
    assert config["model_type"] == "qwen3_next"
    assert [kind[0] for kind in config["layer_types"]] == list("lllflllf")
    assert (config["linear_num_key_heads"], config["linear_num_value_heads"]) == (16, 32)
    assert (config["linear_key_head_dim"], config["linear_value_head_dim"]) == (128, 128)


def test_gemma_3n():
    config = config_from(
        "gemma3n", [tensor("per_layer_token_embd.weight", 262_144, 8960)],
        block_count=5, embedding_length_per_layer_input=256, attention__shared_kv_layers=2,
        altup__num_inputs=4, attention__sliding_window=512,
        attention__sliding_window_pattern=(True, True, True, True, False),
    )  # fmt: skip
    assert config["num_kv_shared_layers"] == 2
    assert config["vocab_size_per_layer_input"] == 262_144
    assert config["layer_types"] == ["sliding_attention"] * 4 + ["full_attention"]


def test_step_has_other_heads_in_sliding_layers():
    config = config_from(
        "step35", [tensor("blk.1.ffn_gate_inp.weight", 288, 4096)],
        block_count=4, nextn_predict_layers=1, expert_count=288, expert_used_count=8,
        attention__head_count=(64, 96, 96, 64), attention__head_count_kv=(8, 8, 8, 8),
        attention__sliding_window_pattern=(False, True, True, True),
    )  # fmt: skip
    assert config["num_hidden_layers"] == 3
    assert config["num_attention_heads"] == 64
    assert config["attention_other_setting"]["num_attention_heads"] == 96
    assert config["moe_layers_enum"] == "1"


def test_rope_scaling_is_carried_over():
    scaled = config_from(
        "qwen2", block_count=1, context_length=131_072, rope__scaling__type="yarn",
        rope__scaling__factor=4.0, rope__scaling__original_context_length=32_768,
    )  # fmt: skip
    assert scaled["rope_scaling"] == {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768,
    }  # fmt: skip
    assert "rope_scaling" not in config_from("qwen2", block_count=1, rope__scaling__type="none")
