import pytest
from gguf.constants import GGML_QUANT_SIZES
from hypothesis import given
from hypothesis import strategies as st

from llm_lander_tui.errors import UsageError
from llm_lander_tui.formats import GGML_TYPES, GGUF_FILE_TYPES, KV_BLOCKS, Block, kv_format


def test_every_ggml_type_has_the_block_of_the_gguf_package():
    for kind, (size, length) in GGML_QUANT_SIZES.items():
        block = GGML_TYPES[int(kind)]
        assert (block.name, block.size, block.bytes) == (kind.name, size, length)


def test_file_types_have_llama_cpps_numbers():
    # llama.h: MOSTLY_Q4_K_M = 15, MOSTLY_IQ4_XS = 30, MOSTLY_BF16 = 32, MOSTLY_MXFP4_MOE = 38
    assert [GGUF_FILE_TYPES[n] for n in (0, 1, 7, 15, 18, 30, 32, 38, 41)] == [
        "F32", "F16", "Q8_0", "Q4_K_M", "Q6_K", "IQ4_XS", "BF16", "MXFP4_MOE", "Q2_0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("f32", 32), ("f16", 16), ("bf16", 16), ("fp8", 8), ("fp8_e4m3", 8), ("fp8_e5m2", 8),
        ("int8", 8), ("int4", 4), ("q8_0", 8.5), ("q5_1", 6), ("q5_0", 5.5), ("q4_1", 5),
        ("q4_0", 4.5), ("iq4_nl", 4.5), ("nvfp4", 4.5),
    ],
)  # fmt: skip
def test_bits_of_a_kv_format(name, bits):
    assert kv_format(name).k.bits == kv_format(name).v.bits == bits


def test_keys_and_values_may_differ():
    kv = kv_format("q8_0/f16")
    assert (kv.name, kv.k.bits, kv.v.bits) == ("q8_0/f16", 8.5, 16)


def test_unknown_kv_format_names_the_near_ones():
    with pytest.raises(UsageError, match="q8_0"):
        kv_format("q8-0")


@given(st.sampled_from([*GGML_TYPES.values(), *KV_BLOCKS.values()]), st.integers(0, 10**6))
def test_a_row_holds_all_its_elements_in_whole_blocks(block: Block, elements: int):
    size = block.row_bytes(elements)
    assert size % block.bytes == 0
    assert size // block.bytes * block.size >= elements > (size // block.bytes - 1) * block.size
