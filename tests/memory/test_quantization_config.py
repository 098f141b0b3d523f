import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_lander_tui.errors import SourceError
from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.module_names import modules
from llm_lander_tui.memory.own_format import kv_format_of, recipe_of
from llm_lander_tui.memory.quantization_config import read
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models.model import Model
from llm_lander_tui.models.profile import quantization_of


def kept(architecture, config) -> set[tuple[int | None, str]]:
    """Where the linear layers that stay at 16 bits are."""
    weights = weights_of(architecture, read(config))
    return {
        (t.layer, t.tensor.name)
        for t in weights.tensors
        if t.tensor.linear and t.storage.name in ("bf16", "f16")
    }


def stores(architecture, config) -> dict[tuple[int | None, str], str]:
    weights = weights_of(architecture, read(config))
    return {(t.layer, t.tensor.name): t.storage.name for t in weights.tensors}


INT4_GROUP = {
    "targets": ["Linear"],
    "weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32,
                "symmetric": True, "actorder": None},
}  # fmt: skip


def test_compressed_tensors_with_regular_expressions(deepseek_v3):
    # As Kimi-K2.5 states it: only routed experts are packed.
    config = {
        "quant_method": "compressed-tensors", "format": "pack-quantized",
        "config_groups": {"group_0": INT4_GROUP},
        "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*",
                   r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"],
    }  # fmt: skip
    found = stores(deepseek_v3, config)
    quantised = {name for (_, name), storage in found.items() if storage == "int4"}
    assert quantised == {"ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"}
    assert read(config).name == "W4A16-g32"


def test_modelopt_with_wildcards(qwen3_moe):
    config = {
        "quant_method": "modelopt", "quant_algo": "NVFP4",
        "ignore": ["lm_head", "model.layers.0*", "model.layers.1.*", "*.self_attn.o_proj",
                   "model.layers.12.self_attn*"],
    }  # fmt: skip
    found = kept(qwen3_moe, config)
    assert {(0, "attn_q"), (0, "ffn_down_exps"), (1, "attn_v"), (12, "attn_k")} <= found
    assert {(5, "attn_output"), (47, "attn_output"), (None, "output")} <= found
    assert not {(10, "attn_q"), (12, "ffn_up_exps"), (13, "attn_k")} & found


def test_modelopt_lists_each_layer_of_a_mixed_model(qwen3_moe):
    config = {
        "quant_method": "modelopt", "quant_algo": "MIXED_PRECISION",
        "quantized_layers": {
            f"model.language_model.layers.{i}.{name}": {"quant_algo": algorithm}
            for i in range(48)
            for name, algorithm in (("self_attn.q_proj", "FP8"), ("mlp.experts", "W4A16_NVFP4"))
        },
        "ignore": ["mtp*"],
    }  # fmt: skip
    found = stores(qwen3_moe, config)
    assert found[7, "attn_q"] == "fp8"
    assert found[7, "ffn_gate_exps"] == "nvfp4"
    assert found[7, "attn_k"] == "bf16"
    assert read(config).name == "FP8+NVFP4"


def test_hf_quant_config_is_modelopts_own_file(llama_8b):
    config = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8",
              "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}}  # fmt: skip
    assert weights_of(llama_8b, read(config)) == weights_of(llama_8b, read(config))
    fp8 = weights_of(llama_8b, recipes.get("FP8")).bytes
    assert weights_of(llama_8b, read(config)).bytes == fp8
    assert kv_format_of(Model("x", "hub", llama_8b, quantization=config)).name == "fp8"


def test_fp8_blocks_with_modules_left_out(qwen3_moe):
    config = {"quant_method": "fp8", "weight_block_size": [128, 128],
              "modules_to_not_convert": ["lm_head", "model.layers.3.mlp.gate", "gate",
                                         "model.layers.3.self_attn"]}  # fmt: skip
    found = kept(qwen3_moe, config)
    assert {(3, "attn_q"), (3, "attn_output")} <= found
    # "gate" is the router, and no part of "gate_proj".
    assert (3, "ffn_gate_exps") not in found
    assert (4, "attn_q") not in found


def test_experts_whose_format_stands_beside_the_config(qwen3_moe):
    # As DeepSeek-V4 states it: 4-bit experts, the other layers in FP8 blocks.
    config = {"expert_dtype": "fp4", "quantization_config": {
        "quant_method": "fp8", "weight_block_size": [128, 128]}}  # fmt: skip
    found = stores(qwen3_moe, quantization_of(config))
    assert found[4, "ffn_up_exps"] == "MXFP4"
    assert found[4, "attn_q"] == "fp8"


def test_blocks_that_checkpoints_name_otherwise(qwen3_moe):
    config = {
        "quant_method": "fp8", "weight_block_size": [128, 128],
        "quantized_layers": {f"layers.{i}.ffn.experts": {"quant_algo": "NVFP4"} for i in range(47)},
        "modules_to_not_convert": ["re:.*attn.k_proj"],
    }  # fmt: skip
    found = stores(qwen3_moe, config)
    assert found[4, "ffn_up_exps"] == "nvfp4"
    assert found[47, "ffn_up_exps"] == "fp8"
    assert found[4, "attn_k"] == "bf16"
    assert read(config).name == "NVFP4+FP8-block"


def test_gptq_with_dynamic_patterns(llama_8b):
    config = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False,
              "dynamic": {r"-:.*\.layers\.(0|1)\..*": {},
                          r"+:.*down_proj": {"bits": 8, "group_size": 64}}}  # fmt: skip
    found = stores(llama_8b, config)
    assert found[0, "attn_q"] == found[1, "ffn_down"] == "bf16"
    assert found[2, "ffn_down"] == "gptq8"
    assert found[2, "attn_q"] == "gptq4"


def test_gptq_may_quantise_the_head(llama_8b):
    config = {"quant_method": "gptq", "bits": 4, "group_size": -1, "lm_head": True}
    assert stores(llama_8b, config)[None, "output"] == "gptq4"


def test_awq_leaves_modules_out(llama_8b):
    config = {"quant_method": "awq", "bits": 4, "group_size": 128,
              "modules_to_not_convert": ["mlp.down_proj"]}  # fmt: skip
    assert {name for _, name in kept(llama_8b, config)} == {"ffn_down", "output"}


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "NF4"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4",
          "bnb_4bit_use_double_quant": True}, "NF4-DQ"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "LLM.int8"),
        ({"quant_method": "hqq", "quant_config": {"weight_quant_params":
          {"nbits": 4, "group_size": 64}}}, "HQQ-4bit-g64"),
        ({"quant_method": "auto-round", "bits": 4, "group_size": 128}, "AutoRound-4bit-g128"),
        ({"quant_method": "exl3", "bits": 4.0, "head_bits": 6}, "EXL3-4bpw"),
        ({"quant_method": "fbgemm_fp8", "modules_to_not_convert": []}, "FP8-dynamic"),
        ({"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}, "MXFP4"),
        ({"quant_method": "torchao", "quant_type": {"default":
          {"_type": "Int4WeightOnlyConfig", "_data": {"group_size": 64}}}}, "torchao-int4-g64"),
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp8_e4m3"}}},
         "FP8"),
        ({"quant_method": "compressed-tensors", "format": "int-quantized", "ignore": ["lm_head"],
          "config_groups": {"g": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "int",
          "strategy": "channel"}}}}, "W8A8"),
        ({"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized", "ignore": [],
          "config_groups": {"g": {"targets": ["Linear"], "weights": {"num_bits": 4,
          "type": "float", "group_size": 16, "strategy": "tensor_group"}}}}, "NVFP4"),
        ({"quant_method": "modelopt", "quant_algo": "FP8_PB_WO"}, "FP8-block"),
        ({"quant_method": "fp8", "activation_scheme": "static"}, "FP8"),
    ],
)  # fmt: skip
def test_methods_by_name(config, name, llama_8b):
    assert read(config).name == name
    weights = weights_of(llama_8b, read(config))
    # MXFP4 checkpoints quantise experts, which this model has none of.
    assert (weights.bytes < 2 * 8_030_261_248) is (name != "MXFP4")


@pytest.mark.parametrize(
    "config",
    [
        {"quant_method": "unheard-of"},
        {},
        {"quant_method": "gptq"},
        {"quant_method": "gptq", "bits": 400, "group_size": 128},
        {"quant_method": "modelopt", "quant_algo": "INT2_MAGIC"},
        {"quant_method": "compressed-tensors", "config_groups": {}},
        {"quant_method": "exl3", "bits": None},
        {"quant_method": "torchao", "quant_type": "mystery"},
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(config):
    with pytest.raises(SourceError, match="cannot be counted"):
        read(config)


_METHODS = (
    "gptq", "awq", "auto-round", "fp8", "bitsandbytes", "mxfp4", "hqq", "exl3", "quark", "torchao",
    "compressed-tensors", "modelopt", "quanto", "eetq", "bitnet",
)  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
    | st.sampled_from(["Linear", "FP8", "NVFP4", "re:(", "model.layers.0*", "[", "nf4", "int4"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["weights", "num_bits", "type", "group_size", "targets",
                                       "default", "dtype", "weight", "bits"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
_FIELDS = (
    "bits", "group_size", "dynamic", "modules_to_not_convert", "weight_block_size", "ignore",
    "config_groups", "quantized_layers", "quant_algo", "quant_config", "quant_type", "weights",
    "global_quant_config", "layer_quant_config", "exclude", "head_bits", "extra_config",
    "load_in_8bit", "kv_cache_scheme", "quantization",
)  # fmt: skip


@settings(max_examples=300)
@given(
    st.sampled_from(_METHODS),
    st.dictionaries(st.sampled_from(_FIELDS), _JSON, max_size=6),
)
def test_no_config_ends_in_anything_but_a_recipe_or_a_reason(llama_8b, method, fields):
    config = {"quant_method": method, **fields}
    kv_format_of(Model("x", "hub", llama_8b, quantization=config))
    try:
        recipe = read(config)
    except SourceError:
        return
    assert weights_of(llama_8b, recipe).bytes > 0


def test_names_match_by_whole_components():
    listed = modules(["gate", "model.layers.3.self_attn", "visual", "re:.*o_proj$", "re:("])
    assert listed.hold(["layers.9.mlp.gate"])
    assert not listed.hold(["layers.9.mlp.gate_proj"])
    assert listed.hold(["layers.3.self_attn.q_proj"])
    assert not listed.hold(["layers.30.self_attn.q_proj"])
    assert listed.hold(["layers.30.self_attn.o_proj"])


def test_towers_do_not_lend_their_layers_numbers():
    listed = modules(["vision_model.model.layers.0.self_attn.q_proj"])
    assert not listed.hold(["layers.0.self_attn.q_proj"])


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"kv_cache_scheme": {"num_bits": 8, "type": "float"}}, "fp8"),
        ({"kv_cache_scheme": "FP8"}, "fp8"),
        ({"quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "NVFP4"}}, "nvfp4"),
        ({"kv_cache_scheme": None}, None),
        ({}, None),
    ],
)
def test_the_kv_format_that_a_checkpoint_fixes(config, name, llama_8b):
    found = kv_format_of(Model("x", "hub", llama_8b, quantization=config))
    assert (found.name if found else None) == name


def test_an_unquantised_checkpoint_is_in_its_dtype(llama_8b):
    assert recipe_of(Model("x", "preset", llama_8b)).name == "BF16"
