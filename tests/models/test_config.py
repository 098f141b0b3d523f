"""Reading config.json: names, nesting, absences, refusals, unknown types."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from llm_lander_tui.errors import RefusedModel
from llm_lander_tui.models.architecture import Architecture, ContextLimit
from llm_lander_tui.models.attention import GroupedAttention, LatentAttention
from llm_lander_tui.models.config import parse_config
from llm_lander_tui.models.mlp import DenseMlp, ExpertsMlp
from llm_lander_tui.models.tensors import Part

LLAMA: dict[str, object] = {
    "model_type": "llama",
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 512,
    "vocab_size": 1000,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
SHAPE = {k: v for k, v in LLAMA.items() if k != "model_type"}


def without(config: dict[str, object], *names: str) -> dict[str, object]:
    return {k: v for k, v in config.items() if k not in names}


def attention(a: Architecture, layer: int = 0) -> GroupedAttention:
    mixer = a.layers[layer].mixers[0]
    assert isinstance(mixer, GroupedAttention)
    return mixer


def test_refused_files_say_what_they_are(facts: Callable[[str], dict[str, Any]]) -> None:
    said = {}
    for name, config in facts("refused").items():
        with pytest.raises(RefusedModel) as raised:
            parse_config(config, name)
        said[name] = raised.value.message
    assert "an encoder" in said["google-bert/bert-base-uncased"]
    assert "an encoder-decoder" in said["google-t5/t5-small"]
    assert "an encoder-decoder" in said["openai/whisper-large-v3"]
    assert "image-text encoder" in said["openai/clip-vit-large-patch14"]
    assert all(name in message for name, message in said.items())


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"peft_type": "LORA", "base_model_name_or_path": "org/base"}, "LoRA adapter of org/base"),
        ({"_class_name": "FluxPipeline", "_diffusers_version": "0.30"}, "diffusion"),
        (LLAMA | {"architectures": ["LlamaForSequenceClassification"]}, "classifier or reranker"),
        (LLAMA | {"architectures": ["LlamaForCausalLMEagle3"]}, "draft head"),
        (SHAPE | {"is_encoder_decoder": True}, "encoder-decoder"),
        ({"model_type": "llama3000"}, "not known, and it has no hidden_size"),
        (LLAMA | {"num_hidden_layers": 10**9}, "outside 0 to 2,000"),
        (LLAMA | {"num_hidden_layers": 0}, "at least 1"),
        ({"model_type": "llama"}, "states no dimensions"),
        (LLAMA | {"num_hidden_layers": "many"}, "must be a whole number"),
        (LLAMA | {"hidden_size": -1}, "outside 0"),
        (LLAMA | {"num_key_value_heads": 16}, "more than the 8 attention heads"),
        (LLAMA | {"tie_word_embeddings": "yes"}, "must be true or false"),
        (without(LLAMA, "vocab_size") | {"vocab_size": None}, "no vocab_size"),
    ],
)
def test_refusals_are_sentences(config: dict[str, object], words: str) -> None:
    with pytest.raises(RefusedModel) as raised:
        parse_config(config, "org/model")
    assert words in str(raised.value)
    assert str(raised.value).rstrip().endswith(".")


def test_no_object_is_refused() -> None:
    with pytest.raises(RefusedModel):
        parse_config([1, 2])  # type: ignore[arg-type]


def test_unknown_type_is_planned_by_its_shape() -> None:
    a = parse_config(SHAPE | {"model_type": "brandnew"})
    assert a.parameters == parse_config(LLAMA).parameters
    assert a.notes == (
        "unknown type 'brandnew' planned as grouped-query attention with a gated MLP",
    )
    latent = parse_config(
        SHAPE
        | {
            "model_type": "brandnew_mla", "kv_lora_rank": 64, "qk_nope_head_dim": 32,
            "qk_rope_head_dim": 16, "v_head_dim": 32, "n_routed_experts": 8,
            "num_experts_per_tok": 2, "moe_intermediate_size": 128, "first_k_dense_replace": 1,
        }
    )  # fmt: skip
    assert "latent attention with a gated MLP of experts" in latent.notes[0]
    assert isinstance(latent.layers[0].mixers[0], LatentAttention)
    assert isinstance(latent.layers[0].mlp, DenseMlp)
    assert isinstance(latent.layers[1].mlp, ExpertsMlp)


@pytest.mark.parametrize(
    "field", [{"mamba_d_state": 16}, {"linear_attn_config": {}, "ssm_cfg": {"x": 1}},
              {"layer_types": ["full_attention", "retention"] * 2}]
)  # fmt: skip
def test_unknown_type_with_foreign_layers_is_refused(field: dict[str, object]) -> None:
    with pytest.raises(RefusedModel, match="is not known"):
        parse_config(SHAPE | {"model_type": "brandnew"} | field)


def test_absent_null_and_stated_are_told_apart() -> None:
    """Absent heads mean MHA in Llama and the class default in Mistral; a null rank is no rank."""
    assert attention(parse_config(without(LLAMA, "num_key_value_heads"))).kv_heads == 8
    mistral = without(LLAMA, "num_key_value_heads") | {"model_type": "mistral"}
    assert attention(parse_config(mistral)).kv_heads == 8
    wide = mistral | {"num_attention_heads": 32}
    assert attention(parse_config(wide)).kv_heads == 8
    assert attention(parse_config(wide | {"num_key_value_heads": None})).kv_heads == 32
    mla = LLAMA | {"model_type": "deepseek_v2", "kv_lora_rank": 64, "n_routed_experts": None}
    for rank, config in ((None, mla | {"q_lora_rank": None}), (1536, mla)):
        mixer = parse_config(config).layers[0].mixers[0]
        assert isinstance(mixer, LatentAttention)
        assert mixer.q_lora_rank == rank


def test_ties_follow_the_class_when_unstated() -> None:
    bare = without(LLAMA, "tie_word_embeddings")
    assert not parse_config(bare).tied_embeddings
    assert parse_config(bare | {"model_type": "gemma"}).tied_embeddings
    assert parse_config(bare).parts[Part.LM_HEAD] == 1000 * 256
    assert parse_config(bare | {"model_type": "gemma"}).parts[Part.LM_HEAD] == 0


def test_older_names_mean_the_same() -> None:
    gpt2 = {
        "model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 128,
        "n_inner": None, "vocab_size": 100,
    }  # fmt: skip
    a = parse_config(gpt2)
    assert isinstance(a.layers[0].mlp, DenseMlp)
    assert a.layers[0].mlp.intermediate == 256
    assert a.parts[Part.EMBEDDING] == (100 + 128) * 64
    assert a.dtype == "float32"


def test_a_nested_language_model_is_found() -> None:
    text = without(LLAMA, "tie_word_embeddings", "torch_dtype")
    outer = {"model_type": "some_vlm", "torch_dtype": "float16", "tie_word_embeddings": True}
    for key in ("text_config", "llm_config", "language_config"):
        a = parse_config(outer | {key: text})
        assert (a.model_type, a.tied_embeddings, a.dtype) == ("llama", True, "float16")
    deep = {"model_type": "omni", "thinker_config": outer | {"text_config": text}}
    assert parse_config(deep).hidden_size == 256


def test_dimensions_that_a_nested_part_leaves_out_are_said() -> None:
    """LLaVA 1.5 leaves its language model to Llama's class: 32 layers of 4096."""
    a = parse_config({"model_type": "llava", "text_config": {"vocab_size": 32_064},
                      "vision_config": {"model_type": "clip_vision_model", "hidden_size": 1024,
                                        "intermediate_size": 4096, "num_hidden_layers": 24,
                                        "image_size": 336, "patch_size": 14}})  # fmt: skip
    assert (a.hidden_size, len(a.layers)) == (4096, 32)
    assert a.notes == (
        "hidden_size is not stated: 4096 by the class of llama",
        "num_hidden_layers is not stated: 32 by the class of llama",
    )


def test_a_missing_model_type_is_read_from_the_class() -> None:
    a = parse_config(SHAPE | {"architectures": ["Qwen3ForCausalLM"], "head_dim": 32})
    assert a.model_type == "qwen3"


def test_a_tower_that_cannot_be_counted_is_said() -> None:
    a = parse_config(LLAMA | {"vision_config": {"hidden_size": 64}})
    assert a.notes == ("the vision or audio tower is not counted",)


def limit_of(**fields: object) -> ContextLimit | None:
    return parse_config(LLAMA | fields).context_limit


def test_context_limit_and_why() -> None:
    """Scaled lengths count once: DeepSeek states 163,840 = 4,096 × 40, and means it."""
    assert limit_of() == ContextLimit(4096, "max_position_embeddings is 4,096")
    llama3 = limit_of(
        max_position_embeddings=131_072,
        rope_scaling={
            "rope_type": "llama3",
            "factor": 8.0,
            "original_max_position_embeddings": 8192,
        },
    )
    assert llama3 is not None
    assert (llama3.trained, llama3.extended) == (131_072, None)
    assert "llama3" in llama3.why
    deepseek = limit_of(
        max_position_embeddings=163_840,
        rope_scaling={"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096},
    )
    assert deepseek is not None
    assert deepseek.trained == 163_840
    assert "4,096 × 40 by yarn" in deepseek.why


def test_context_limit_with_a_scaling_that_was_switched_on() -> None:
    """Qwen's advice: YaRN of 4 on 32,768 in a file that still says 40,960."""
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768}
    limit = limit_of(max_position_embeddings=40_960, rope_scaling=yarn)
    assert limit is not None
    assert limit.trained == 131_072
    dynamic = limit_of(rope_scaling={"type": "dynamic", "factor": 2.0})
    assert dynamic is not None
    assert (dynamic.trained, dynamic.extended) == (4096, 8192)


def test_no_context_limit_without_a_field() -> None:
    bloom = without(LLAMA, "max_position_embeddings") | {"model_type": "bloom"}
    assert parse_config(bloom).context_limit is None


def test_widths_that_mislead() -> None:
    """Qwen 1 states twice the width; LFM2 shrinks 12,288 to 8,192."""
    qwen = parse_config(LLAMA | {"model_type": "qwen"})
    assert isinstance(qwen.layers[0].mlp, DenseMlp)
    assert qwen.layers[0].mlp.intermediate == 256
    lfm2 = parse_config(LLAMA | {"model_type": "lfm2", "block_ff_dim": 12_288})
    assert isinstance(lfm2.layers[0].mlp, DenseMlp)
    assert lfm2.layers[0].mlp.intermediate == 8192


def test_two_thousand_layers_are_read_at_once() -> None:
    """A long list is checked once, not once a layer: well under a second for 2,000 layers."""
    config = LLAMA | {
        "num_hidden_layers": 2000,
        "layer_types": ["full_attention", "sliding_attention"] * 1000,
        "sliding_window": 128,
    }
    started = time.process_time()
    a = parse_config(config)
    assert len(a.layer_groups) == 2
    assert a.kv_bytes_per_token == 2000 * 2 * 2 * 32 * 2
    assert time.process_time() - started < 5


def test_words_of_newer_files_mean_the_same() -> None:
    """Configs saved anew say linear_attention for every mixer with a constant state."""
    hybrid = LLAMA | {
        "model_type": "granitemoehybrid", "num_local_experts": 0, "shared_intermediate_size": 512,
        "mamba_n_heads": 8, "mamba_d_head": 64, "mamba_d_state": 16, "mamba_n_groups": 1,
    }  # fmt: skip
    older = parse_config(hybrid | {"layer_types": ["mamba", "mamba", "mamba", "attention"]})
    newer = parse_config(hybrid | {"layer_types": ["linear_attention"] * 3 + ["full_attention"]})
    assert older.layers == newer.layers
    assert [layer.kind for layer in newer.layers] == ["mamba2"] * 3 + ["full"]


def test_defaults_of_the_library_classes(facts: Callable[[str], dict[str, Any]]) -> None:
    """Each class's default config, in the library's own words, counts as its model does."""
    for name, row in facts("class_default_totals").items():
        assert parse_config(row["config"], name).parameters == row["parameters"], name


def test_number_formats() -> None:
    """Stated, with or without the prefix; early files hold float32, later ones leave it out."""
    bare = without(LLAMA, "torch_dtype")
    assert parse_config(LLAMA | {"torch_dtype": "torch.float16"}).dtype == "float16"
    assert parse_config(bare | {"dtype": "float32"}).dtype == "float32"
    assert parse_config(bare).dtype == "bfloat16"
    assert parse_config(bare | {"model_type": "gpt_neox"}).dtype == "float32"


def test_opt_350m_is_narrower_at_its_ends() -> None:
    """Embeddings of 512 for layers of 1,024, norms behind each part: 331,196,416 parameters."""
    opt: dict[str, object] = {
        "model_type": "opt", "hidden_size": 1024, "num_hidden_layers": 24, "ffn_dim": 4096,
        "num_attention_heads": 16, "vocab_size": 50_272, "max_position_embeddings": 2048,
        "word_embed_proj_dim": 512, "do_layer_norm_before": False,
    }  # fmt: skip
    assert parse_config(opt).parameters == 331_196_416
