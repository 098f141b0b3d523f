import pytest

from llm_lander_tui.errors import SourceError
from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.gguf_mix import GgufRecipe
from llm_lander_tui.memory.gguf_tensors import gguf_tensors
from llm_lander_tui.memory.own_format import recipe_of
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models.model import Checkpoint, Model, StoredTensor


def header_of(architecture, file_type: str) -> tuple[StoredTensor, ...]:
    """The tensors of a GGUF file as its header lists them."""
    weights = weights_of(architecture, GgufRecipe(file_type)).tensors
    found = []
    for entry, weight in zip(gguf_tensors(architecture), weights, strict=True):
        t = weight.tensor
        shape = (*(n for n in (t.copies, t.rows) if n > 1), t.columns)
        found.append(StoredTensor(entry.name, weight.storage.name, shape, weight.bytes))
    return tuple(found)


def test_expert_biases_keep_their_stack(gpt_oss_20b):
    tensors = header_of(gpt_oss_20b, "MXFP4_MOE")
    model = Model("x", "gguf", gpt_oss_20b, Checkpoint("MXFP4", None, (), tensors))
    stored = weights_of(gpt_oss_20b, recipe_of(model)).tensors
    mixed = weights_of(gpt_oss_20b, GgufRecipe("MXFP4_MOE")).tensors
    assert [t.tensor for t in stored] == [t.tensor for t in mixed]


@pytest.mark.parametrize("file_type", ["Q4_K_M", "IQ2_XXS", "MXFP4_MOE"])
def test_a_gguf_header_is_taken_as_it_is(qwen3_moe, file_type):
    tensors = header_of(qwen3_moe, file_type)
    size = sum(t.bytes for t in tensors)
    model = Model("x", "gguf", qwen3_moe, Checkpoint(f"UD-{file_type}", size, (), tensors))
    recipe = recipe_of(model)
    assert (recipe.name, recipe.family) == (f"UD-{file_type}", "gguf")
    weights = weights_of(qwen3_moe, recipe)
    assert weights.bytes == size
    assert weights.by_layer == weights_of(qwen3_moe, GgufRecipe(file_type)).by_layer
    stacks = [t for t in weights.tensors if t.tensor.name == "ffn_down_exps"]
    assert {(t.tensor.copies, t.tensor.part.value) for t in stacks} == {(128, "mlp")}
    assert recipe.bits == pytest.approx(8 * size / qwen3_moe.parameters, rel=1e-3)


def test_layers_of_multi_token_prediction_are_left_out(qwen3_moe):
    extra = StoredTensor("blk.48.nextn.eh_proj.weight", "Q8_0", (2048, 4096), 8_912_896)
    unknown = StoredTensor("rope_freqs.weight", "F32", (64,), 256)
    tensors = (*header_of(qwen3_moe, "Q8_0"), extra, unknown)
    model = Model("x", "gguf", qwen3_moe, Checkpoint("Q8_0", None, (), tensors))
    weights = weights_of(qwen3_moe, recipe_of(model))
    assert weights.bytes == weights_of(qwen3_moe, GgufRecipe("Q8_0")).bytes + 256
    assert weights.tensors[0].layer is None
    assert weights.tensors[-1].layer == 47


def test_an_ollama_model_without_headers_goes_by_its_mix(llama_8b):
    model = Model("llama3.1", "ollama", llama_8b, Checkpoint("Q4_K_M"))
    assert recipe_of(model) == GgufRecipe("Q4_K_M")
    assert recipes.offered(model)[0].name == "Q4_K_M"


def test_a_mix_without_rules_needs_the_header(llama_8b):
    with pytest.raises(SourceError, match="UD-Q4_K_XL"):
        recipe_of(Model("x", "ollama", llama_8b, Checkpoint("UD-Q4_K_XL")))


def fp8_checkpoint() -> list[StoredTensor]:
    """Qwen3-30B-A3B in 128 x 128 blocks, as its repository stores it."""
    found = []

    def linear(module: str, rows: int, columns: int) -> None:
        found.append(StoredTensor(f"{module}.weight", "F8_E4M3", (rows, columns), rows * columns))
        blocks = (-(-rows // 128), -(-columns // 128))
        scales = blocks[0] * blocks[1]
        found.append(StoredTensor(f"{module}.weight_scale_inv", "F32", blocks, 4 * scales))

    def plain(module: str, *shape: int) -> None:
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        found.append(StoredTensor(f"{module}.weight", "BF16", shape, 2 * count))

    for i in range(48):
        layer = f"model.layers.{i}"
        linear(f"{layer}.self_attn.q_proj", 4096, 2048)
        linear(f"{layer}.self_attn.k_proj", 512, 2048)
        linear(f"{layer}.self_attn.v_proj", 512, 2048)
        linear(f"{layer}.self_attn.o_proj", 2048, 4096)
        plain(f"{layer}.mlp.gate", 128, 2048)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            plain(f"{layer}.{norm}", 2048)
        for norm in ("q_norm", "k_norm"):
            plain(f"{layer}.self_attn.{norm}", 128)
        for e in range(128):
            linear(f"{layer}.mlp.experts.{e}.gate_proj", 768, 2048)
            linear(f"{layer}.mlp.experts.{e}.up_proj", 768, 2048)
            linear(f"{layer}.mlp.experts.{e}.down_proj", 2048, 768)
    plain("model.embed_tokens", 151936, 2048)
    plain("model.norm", 2048)
    plain("lm_head", 151936, 2048)
    return found


FP8_BLOCK = {"quant_method": "fp8", "weight_block_size": [128, 128]}


def test_safetensors_headers_agree_with_the_config(qwen3_moe):
    tensors = tuple(fp8_checkpoint())
    checkpoint = Checkpoint("FP8", None, (), tensors)
    stored = recipe_of(Model("x", "hub", qwen3_moe, checkpoint, FP8_BLOCK))
    stated = recipe_of(Model("x", "hub", qwen3_moe, quantization=FP8_BLOCK))
    assert stored.name == stated.name == "FP8-block"
    weights = weights_of(qwen3_moe, stored)
    assert weights.bytes == sum(t.bytes for t in tensors)
    assert weights.bytes == weights_of(qwen3_moe, stated).bytes
    assert weights.by_layer == weights_of(qwen3_moe, stated).by_layer
    # The blocks of 128 rows stay known, for ranks that hold a part of a matrix.
    assert set(weights.tensors) == set(weights_of(qwen3_moe, stated).tensors)
    # Every tensor was recognised: the parallel rules of the architecture hold for it.
    shards = {(t.layer, t.tensor.name): t.tensor.shard for t in weights.tensors}
    stated_shards = {
        (t.layer, t.tensor.name): t.tensor.shard for t in weights_of(qwen3_moe, stated).tensors
    }
    assert shards == stated_shards


def test_what_the_engine_does_not_load_is_left_out(qwen3_moe):
    tensors = fp8_checkpoint()
    size = sum(t.bytes for t in tensors)
    tensors.append(StoredTensor("model.layers.48.eh_proj.weight", "BF16", (2048, 4096), 16777216))
    tensors.append(StoredTensor("visual.patch_embed.weight", "BF16", (64, 64), 8192))
    checkpoint = Checkpoint("FP8", None, (), tuple(tensors))
    weights = weights_of(qwen3_moe, recipe_of(Model("x", "hub", qwen3_moe, checkpoint, FP8_BLOCK)))
    assert weights.bytes == size + 8192


def test_fused_and_renamed_modules_are_recognised(quantize_runs):
    mixtral = quantize_runs["mistralai/Mixtral-8x7B-v0.1"][0]
    found = []
    for e in range(8):
        for name, rows, columns in (("w1", 14336, 4096), ("w2", 4096, 14336), ("w3", 14336, 4096)):
            module = f"model.layers.0.block_sparse_moe.experts.{e}.{name}"
            packed, scales = rows * columns // 2, rows * columns // 128 * 2
            found += [
                StoredTensor(f"{module}.qweight", "I32", (columns // 8, rows), packed),
                StoredTensor(f"{module}.scales", "F16", (columns // 128, rows), scales),
            ]
    quantization = {"quant_method": "awq", "bits": 4, "group_size": 128}
    checkpoint = Checkpoint("AWQ", None, (), tuple(found))
    recipe = recipe_of(Model("x", "hub", mixtral, checkpoint, quantization))
    by_name = {t.tensor.name: t for t in weights_of(mixtral, recipe).tensors}
    assert set(by_name) == {"ffn_gate_exps", "ffn_down_exps", "ffn_up_exps"}
    assert by_name["ffn_down_exps"].bytes == 8 * (14336 * 4096 // 2 + 14336 * 4096 // 64)


def test_headers_count_a_method_that_nobody_knows(qwen3_moe):
    tensors = tuple(fp8_checkpoint())
    model = Model(
        "x", "hub", qwen3_moe, Checkpoint("FP8", None, (), tensors), {"quant_method": "novel"}
    )
    recipe = recipe_of(model)
    assert (recipe.name, recipe.family) == ("FP8", "novel")
    assert weights_of(qwen3_moe, recipe).bytes == sum(t.bytes for t in tensors)
