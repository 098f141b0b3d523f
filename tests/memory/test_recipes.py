import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_lander_tui.errors import UsageError
from llm_lander_tui.memory import methods, recipes
from llm_lander_tui.memory.format_sizes import format_sizes
from llm_lander_tui.memory.storage import FlatStorage, ScaledStorage
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models.model import Model

# Llama-3.1-8B: seven matrices a layer, the same three shapes.
BODY = 32 * (2 * 4096 * 4096 + 2 * 1024 * 4096 + 3 * 14336 * 4096)
KEPT = 2 * (2 * 128256 * 4096 + 32 * 2 * 4096 + 4096)


def size(architecture, name: str) -> int:
    return weights_of(architecture, recipes.get(name)).bytes


@pytest.mark.parametrize(
    ("name", "numerator", "denominator"),
    [("FP32", 4, 1), ("FP16", 2, 1), ("BF16", 2, 1), ("INT8", 1, 1), ("INT4", 1, 2)],
)
def test_plain_formats_count_every_parameter(llama_8b, name, numerator, denominator):
    assert size(llama_8b, name) == 8_030_261_248 * numerator // denominator


def test_gptq_of_llama_8b_is_the_published_size(llama_8b):
    assert BODY == 6_979_321_856
    assert KEPT == 2_101_878_784
    # Half a byte a weight; for each 128 of them an FP16 scale and half a byte of zero point.
    packed = BODY // 2 + BODY // 128 * 2 + BODY // 256
    # An int32 group index for each input feature of the seven matrices.
    g_idx = 32 * 4 * (6 * 4096 + 14336)
    assert packed + g_idx + KEPT == 5_732_835_328
    assert size(llama_8b, "GPTQ-4bit-g128") == 5_732_835_328


def test_awq_of_llama_8b_has_no_group_index(llama_8b):
    assert size(llama_8b, "AWQ-4bit-g128") == 5_732_835_328 - 4_980_736


def test_fp8_of_llama_8b(llama_8b):
    assert size(llama_8b, "FP8") == BODY + KEPT + 32 * 7 * 8
    rows = 32 * (4096 + 1024 + 1024 + 4096 + 14336 + 14336 + 4096)
    assert size(llama_8b, "FP8-dynamic") == BODY + KEPT + 4 * rows
    # Every side is a multiple of 128, so the scales are one FP32 in 16384.
    assert size(llama_8b, "FP8-block") == BODY + KEPT + 4 * BODY // 16384


def test_nf4_of_llama_8b(llama_8b):
    code_tables = 32 * 7 * 16 * 4
    assert size(llama_8b, "NF4") == BODY // 2 + BODY // 64 * 4 + code_tables + KEPT
    nested = BODY // 64 + BODY // 64 // 256 * 4 + 32 * 7 * (4 + 1024)
    assert size(llama_8b, "NF4-DQ") == BODY // 2 + nested + code_tables + KEPT


def test_nvfp4_of_llama_8b(llama_8b):
    assert size(llama_8b, "NVFP4") == BODY // 2 + BODY // 16 + 32 * 7 * 8 + KEPT


def test_fp8_of_deepseek_v3(deepseek_v3):
    # Attention of a layer: q 7168·1536 + 1536·24576, kv 7168·576 + 512·32768, o 16384·7168.
    attention = 7168 * 1536 + 1536 * 24576 + 7168 * 576 + 512 * 32768 + 16384 * 7168
    linear = 61 * attention + 3 * 3 * 7168 * 18432 + 58 * 257 * 3 * 7168 * 2048
    # 576 rows make 5 blocks of 128, as if they were 640; every other side divides.
    scales = 4 * ((linear + 61 * 64 * 7168) // 16384)
    router, tables = 58 * 256 * 7168, 2 * 129280 * 7168
    norms = 61 * (2 * 7168 + 1536 + 512) + 7168
    kept = 2 * (router + tables + norms + 58 * 256)
    assert size(deepseek_v3, "FP8-block") == linear + scales + kept


def test_mxfp4_of_gpt_oss_quantises_the_experts_only(gpt_oss_20b):
    experts = 24 * 32 * 3 * 2880 * 2880
    rest = gpt_oss_20b.parameters - experts
    assert size(gpt_oss_20b, "MXFP4") == experts * 17 // 32 + 2 * rest
    # The repository: 13.761 GB (memory_models A.1).
    assert size(gpt_oss_20b, "MXFP4") == pytest.approx(13.761e9, rel=1e-4)


def test_routers_keep_their_sixteen_bits(qwen3_moe):
    kept = {
        t.tensor.name
        for t in weights_of(qwen3_moe, recipes.get("AWQ-4bit-g128")).tensors
        if t.storage.name == "bf16"
    }
    assert {"ffn_gate_inp", "token_embd", "output", "attn_norm"} <= kept
    assert not {"attn_q", "ffn_gate_exps"} & kept


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("fp8", "FP8"), ("fp8-block", "FP8-block"), ("awq-int4", "AWQ-4bit-g128"),
        ("awq-int4-g32", "AWQ-4bit-g32"), ("gptq-int4", "GPTQ-4bit-g128"),
        ("gptq-int4-g-1", "GPTQ-4bit-g-1"), ("gptq-int3-g128", "GPTQ-3bit-g128"),
        ("gptq-int8-g128", "GPTQ-8bit-g128"), ("w4a16", "W4A16-g128"), ("w8a16", "W8A16"),
        ("autoround-int4", "AutoRound-4bit-g128"), ("bnb-nf4-dq", "NF4-DQ"),
        ("bnb-fp4", "FP4"), ("bnb-int8", "LLM.int8"), ("int8-w8a8", "W8A8"), ("mxfp4", "MXFP4"),
        ("MXFP4_MOE", "MXFP4_MOE"), ("nvfp4", "NVFP4"), ("exl3-4.0bpw", "EXL3-4bpw"),
        ("exl2-4.65bpw", "EXL2-4.65bpw"), ("f16", "FP16"), ("f32", "FP32"), ("bf16", "BF16"),
        ("q8_0", "Q8_0"), ("Q3_K", "Q3_K_M"), ("hqq-4bit-g64", "HQQ-4bit-g64"),
        ("torchao-int4wo-64", "torchao-int4-g64"), ("torchao-float8dq-Per-Row", "torchao-float8"),
        ("IQ4_XS-pure", "IQ4_XS-pure"), ("LLM.INT8", "LLM.int8"),
    ],
)  # fmt: skip
def test_names_are_found_whatever_their_case(name, canonical):
    assert recipes.get(name).name == canonical
    assert recipes.get(canonical.upper()) == recipes.get(name)


@pytest.mark.parametrize("recipe", recipes.NAMED, ids=lambda recipe: recipe.name)
def test_a_name_gives_its_own_recipe(recipe):
    assert recipes.get(recipe.name) == recipe


def test_an_unknown_name_offers_near_ones():
    with pytest.raises(UsageError, match="Q4_K_M"):
        recipes.get("Q4-K-M")
    with pytest.raises(UsageError, match="header"):
        recipes.get("UD-Q4_K_XL")


@given(st.text(max_size=24) | st.from_regex(r"(gptq|awq|hqq|exl3|w4a16)-?[0-9a-z.-]{0,12}"))
def test_any_text_is_a_format_or_an_unknown_one(text):
    try:
        recipe = recipes.get(text)
    except UsageError:
        return
    assert 1 <= recipe.bits <= 32
    assert recipes.get(recipe.name) == recipe


def test_a_model_is_offered_its_own_format_first(gpt_oss_20b):
    model = Model("gpt-oss", "preset", gpt_oss_20b, quantization={"quant_method": "mxfp4"})
    names = [recipe.name for recipe in recipes.offered(model)]
    assert names[0] == "MXFP4"
    assert len(names) == len(set(names))
    bits = [recipe.bits for recipe in recipes.offered(model)[1:]]
    assert bits == sorted(bits, reverse=True)


def test_a_model_whose_own_format_is_unknown_is_offered_the_others(llama_8b):
    model = Model("llama", "hub", llama_8b, quantization={"quant_method": "unheard-of"})
    assert recipes.offered(model)[0].name == "BF16"


def test_format_sizes_name_every_offered_format(llama_8b):
    sizes = format_sizes(Model("llama", "preset", llama_8b))
    assert sizes["BF16"] == 16_060_522_496
    assert sizes["Q4_K_M"] == 4_912_898_304
    assert {"FP32", "FP16", "INT8", "INT4", "TQ1_0", "MXFP4_MOE", "AWQ-4bit-g128"} <= set(sizes)
    assert sizes["FP32"] == 2 * sizes["FP16"]


@given(st.integers(1, 4096), st.integers(1, 4096))
def test_no_storage_is_smaller_than_its_bits(rows, columns):
    for storage in (
        methods.gptq(4, 128), methods.awq(4, 32), methods.packed_int(4, -1), methods.fp8_block(),
        methods.FP8_CHANNEL, methods.NVFP4, methods.NF4, methods.NF4_NESTED, methods.exl3(3.5),
    ):  # fmt: skip
        bits = 4 if isinstance(storage, FlatStorage) else storage.bits
        assert storage.matrix_bytes(rows, columns) >= rows * columns * bits / 8


@given(st.integers(1, 512), st.integers(1, 512), st.integers(1, 64))
def test_more_rows_never_weigh_less(rows, columns, more):
    for storage in (methods.gptq(3, 128), methods.fp8_block(), FlatStorage("nf4", nested=True)):
        assert storage.matrix_bytes(rows + more, columns) >= storage.matrix_bytes(rows, columns)


def test_scales_of_each_shape():
    # 256 x 384 bytes, and one 4-byte scale a tensor, a row, a 128 x 128 block, a group of 64.
    assert ScaledStorage("x", 8, 4).matrix_bytes(256, 384) == 98304 + 4
    assert ScaledStorage("x", 8, 4, block_rows=1).matrix_bytes(256, 384) == 98304 + 4 * 256
    assert ScaledStorage("x", 8, 4, 128, 128).matrix_bytes(256, 384) == 98304 + 4 * 2 * 3
    assert ScaledStorage("x", 8, 4, 1, 64).matrix_bytes(256, 384) == 98304 + 4 * 256 * 6
