import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from llm_lander_tui.formats import GGML_TYPE_BY_NAME
from llm_lander_tui.memory.gguf_mix import FILE_TYPES, GgufRecipe, named_mix
from llm_lander_tui.memory.gguf_tensors import gguf_tensors
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models import presets
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.attention import GroupedAttention
from llm_lander_tui.models.config import parse_config
from llm_lander_tui.models.mlp import DenseMlp
from llm_lander_tui.models.stored_head import as_configured
from llm_lander_tui.models.tensors import Part, Shard, Tensor, vector

MIB = 1024**2
DATA = Path(__file__).parent.parent / "data"


def test_every_dry_run_of_llama_quantize_is_met(quantize_runs):
    wrong = []
    count = 0
    for model, (architecture, sizes) in quantize_runs.items():
        for file_type, published in sizes.items():
            for imatrix, mib in zip((False, True), published, strict=True):
                found = weights_of(architecture, GgufRecipe(file_type, imatrix)).bytes / MIB
                count += 1
                if abs(found - mib) > 0.02:
                    wrong.append(f"{model} {file_type} {imatrix}: {found:.2f} for {mib}")
    assert count == 560
    assert wrong == []


def test_hybrids_and_other_families_meet_their_dry_runs():
    stated = json.loads((DATA / "gguf_quantize_presets.json").read_text())["models"]
    wrong = []
    for model, sizes in stated.items():
        architecture = as_configured(presets.load(model).architecture)
        for file_type, mib in sizes.items():
            found = weights_of(architecture, GgufRecipe(file_type, imatrix=False)).bytes / MIB
            if abs(found - mib) > 0.02:
                wrong.append(f"{model} {file_type}: {found:.2f} for {mib}")
    assert len(stated) >= 24
    assert wrong == []


def test_q4_k_m_of_llama_8b_by_hand(llama_8b):
    # Rows are 16 blocks of 256 (14336: 56); a Q4_K block is 144 B, a Q6_K block 210 B.
    q_o, k, gate_up = 2 * 4096 * 16 * 144, 1024 * 16 * 144, 2 * 14336 * 16 * 144
    v, down = {"Q4_K": 1024 * 16 * 144}, {"Q4_K": 4096 * 56 * 144}
    v["Q6_K"], down["Q6_K"] = 1024 * 16 * 210, 4096 * 56 * 210
    norms = 2 * 4096 * 4
    # More bits: layers 0-3, 28-31, and 6, 9, … 27 between: 4 + 4 + 8 of 32.
    layers = 32 * (q_o + k + gate_up + norms)
    layers += 16 * (v["Q6_K"] + down["Q6_K"]) + 16 * (v["Q4_K"] + down["Q4_K"])
    outside = 128256 * 16 * 144 + 128256 * 16 * 210 + 4096 * 4
    rope_factors = 64 * 4
    assert layers + outside + rope_factors == 4_912_898_304
    assert weights_of(llama_8b, GgufRecipe("Q4_K_M")).bytes == 4_912_898_304
    # The published file has 4,920,739,232 B: 7.8 MB of metadata on top.


def test_latent_attention_is_split_by_head(deepseek_v3):
    layer = {e.tensor.name: e.tensor for e in gguf_tensors(deepseek_v3) if e.layer == 3}
    keys, values = layer["attn_k_b"], layer["attn_v_b"]
    assert (keys.copies, keys.rows, keys.columns) == (128, 512, 128)
    assert (values.copies, values.rows, values.columns) == (128, 128, 512)
    assert "attn_kv_b" not in layer


def test_file_order_is_that_of_llama_quantize(qwen3_moe):
    names = [entry.name for entry in gguf_tensors(qwen3_moe)]
    assert names[:4] == [
        "output.weight", "output_norm.weight", "token_embd.weight", "blk.0.attn_k.weight",
    ]  # fmt: skip
    assert names.index("blk.10.attn_k.weight") > names.index("blk.9.ffn_up_exps.weight")


def test_norms_and_routers_stay_f32(qwen3_moe):
    types = {
        t.tensor.name: t.storage.name
        for t in weights_of(qwen3_moe, GgufRecipe("Q4_K_M")).tensors
        if t.layer == 20
    }
    for name in ("attn_norm", "ffn_norm", "attn_q_norm", "attn_k_norm", "ffn_gate_inp"):
        assert types[name] == "F32"
    assert types["ffn_gate_exps"] == "Q4_K"


def test_mxfp4_moe_keeps_the_rest_at_q8_0(gpt_oss_20b):
    kinds = Counter(
        t.storage.name for t in weights_of(gpt_oss_20b, GgufRecipe("MXFP4_MOE")).tensors
    )
    # 24 layers of three expert stacks; q, k, v, o of 24 layers, embedding and head.
    assert kinds["MXFP4"] == 72
    assert kinds["Q8_0"] == 4 * 24 + 2


def test_experts_released_in_mxfp4_stay_so_in_a_sixteen_bit_file(gpt_oss_20b):
    experts = 24 * 32 * 3 * 2880 * 2880
    # llama.cpp's own allocation of the F16 file: the card pads each of 72 stacks by 128 B, and the
    # embedding's 201088 x 2880 x 2 B stay in host memory.
    allocated = 12_621_372_672 - 72 * 128 + 201_088 * 2880 * 2
    weights = weights_of(gpt_oss_20b, GgufRecipe("F16"))
    stacks = [t for t in weights.tensors if t.storage.name == "MXFP4"]
    assert sum(t.bytes for t in stacks) == experts * 17 // 32
    assert weights.bytes == allocated


def narrow(columns: int) -> Architecture:
    """Two layers whose rows no block of 256 divides."""
    layer = Layer(
        (GroupedAttention(columns, 2, 2, columns // 2, columns // 2),), DenseMlp(columns, columns)
    )
    outer = (
        Tensor("token_embd", "embed", Part.EMBEDDING, 512, columns, Shard.VOCAB, linear=False),
        Tensor("output", "lm_head", Part.LM_HEAD, 512, columns, Shard.VOCAB),
        vector("output_norm", "norm", Part.NORM, columns),
    )
    return Architecture("llama", columns, 512, (layer,) * 2, outer, None, tied_embeddings=False)


@pytest.mark.parametrize(
    ("columns", "file_type", "expected"),
    [
        (96, "Q4_K_S", {"Q5_0", "Q5_1", "Q8_0", "F32"}),
        (96, "IQ4_XS", {"IQ4_NL", "Q8_0", "F32"}),
        (96, "Q6_K", {"Q8_0", "F32"}),
        (48, "Q4_K_S", {"F16", "F32"}),
        (48, "Q8_0", {"F16", "F32"}),
    ],
)
def test_rows_that_no_block_divides_fall_back(columns, file_type, expected):
    weights = weights_of(narrow(columns), GgufRecipe(file_type))
    assert {t.storage.name for t in weights.tensors} == expected


def test_scaled_rotary_embeddings_bring_their_factors(quantize_runs):
    longrope = {"rope_type": "longrope", "long_factor": [1.0] * 48, "short_factor": [1.0] * 48}
    phi = parse_config(
        {"model_type": "phi3", "hidden_size": 3072, "num_attention_heads": 32,
         "num_hidden_layers": 2, "intermediate_size": 8192, "vocab_size": 32064,
         "max_position_embeddings": 131072, "original_max_position_embeddings": 4096,
         "rope_scaling": longrope}
    )  # fmt: skip
    sizes = {e.name: e.tensor.columns for e in gguf_tensors(phi) if "rope" in e.name}
    assert sizes == {"rope_factors_long.weight": 48, "rope_factors_short.weight": 48}
    llama = quantize_runs["meta-llama/Llama-3.2-1B"][0]
    assert {e.name: e.tensor.columns for e in gguf_tensors(llama) if "rope" in e.name} == {
        "rope_freqs.weight": 32
    }


def test_wide_tables_and_pure_files(llama_8b):
    wide = {t.tensor.name: t for t in weights_of(llama_8b, named_mix("Q4_K_L")).tensors}
    assert wide["token_embd"].storage.name == wide["output"].storage.name == "Q8_0"
    pure = {t.storage.name for t in weights_of(llama_8b, named_mix("IQ4_XS-pure")).tensors}
    assert pure == {"IQ4_XS", "F32"}


def test_names_of_mixes():
    assert named_mix("q4_k_m") == GgufRecipe("Q4_K_M")
    assert named_mix("Q4_K") == GgufRecipe("Q4_K_M")
    assert named_mix("iq4_xs-static") == GgufRecipe("IQ4_XS", imatrix=False)
    assert named_mix("GGUF-BF16").name == "GGUF-BF16"
    assert named_mix("UD-Q4_K_XL") is None
    for file_type in FILE_TYPES:
        assert named_mix(GgufRecipe(file_type).name) == GgufRecipe(file_type)


def test_bits_order_the_mixes_like_their_sizes(llama_8b):
    # Q1_0 to NVFP4 are not in the dry runs; MXFP4_MOE depends on the model's experts.
    measured = [f for f in FILE_TYPES if f not in ("MXFP4_MOE", "Q1_0", "Q2_0")]
    for file_type in measured:
        recipe = GgufRecipe(file_type)
        bits = 8 * weights_of(llama_8b, recipe).bytes / llama_8b.parameters
        assert recipe.bits == pytest.approx(bits, abs=0.05)


@pytest.mark.parametrize("file_type", FILE_TYPES)
def test_every_default_type_is_a_ggml_type(file_type):
    assert FILE_TYPES[file_type][0] in GGML_TYPE_BY_NAME


def test_published_files_are_met_within_one_percent():
    stated = json.loads((DATA / "gguf_published_sizes.json").read_text())
    off = {}
    count = 0
    for model, record in stated.items():
        architecture = parse_config(record["config"])
        for name, size in record["sizes"].items():
            found = weights_of(architecture, named_mix(name)).bytes / record["unit"]
            count += 1
            if abs(found / size - 1) > 0.01:
                off[model, name] = (found, size)
    assert count >= 80
    assert off == {}


def test_a_stored_head_is_a_tensor_of_its_own():
    """Qwen3-1.7B's config ties a head that its checkpoint stores (V 151,936 x h 2,048)."""
    stored = presets.load("Qwen/Qwen3-1.7B").architecture
    tied = as_configured(stored)
    kinds = {
        t.tensor.name: t.storage.name
        for t in weights_of(stored, GgufRecipe("Q4_K_M")).tensors
        if t.layer is None
    }
    # A tied table is the output too, in Q6_K; beside an output it is a table, in Q4_K.
    assert (kinds["token_embd"], kinds["output"]) == ("Q4_K", "Q6_K")
    more = weights_of(stored, GgufRecipe("Q4_K_M")).bytes
    assert more - weights_of(tied, GgufRecipe("Q4_K_M")).bytes == 151936 * 8 * 144
    assert "output.weight" not in {entry.name for entry in gguf_tensors(tied)}


def test_converters_that_skip_a_tied_head_make_the_same_file():
    gemma = presets.load("google/gemma-2-9b").architecture
    stored = replace(gemma, stored_head=True)
    assert gguf_tensors(stored) == gguf_tensors(gemma)
