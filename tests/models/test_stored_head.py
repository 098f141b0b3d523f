"""A head that the checkpoint stores although its config ties it to the embedding."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from llm_lander_tui.models import presets
from llm_lander_tui.models.config import parse_config
from llm_lander_tui.models.model import Checkpoint, StoredTensor
from llm_lander_tui.models.profile import Profile
from llm_lander_tui.models.stored_head import as_configured, counts_head, published_elements

TIED = "Qwen/Qwen3-1.7B"
HEAD = 151936 * 2048
COUNTED = 1_720_574_976


def profile(checkpoint: Checkpoint | None, name: str = TIED) -> Profile:
    return Profile(name, "hub", presets.config(name), None, checkpoint)


def stored(elements: int, kind: str = "BF16") -> Checkpoint:
    return Checkpoint("BF16", elements=((kind, elements),))


def test_the_count_of_stored_elements_tells_a_second_head():
    # 1,720,574,976 + 151,936 x 2,048 = 2,031,739,904, as the Hub states.
    assert COUNTED + HEAD == 2_031_739_904
    assert profile(stored(2_031_739_904)).model().architecture.stored_head
    assert not profile(stored(COUNTED)).model().architecture.stored_head
    assert not profile(None).model().architecture.stored_head


def test_buffers_beside_the_head_do_not_hide_it():
    assert counts_head(parse_config(presets.config(TIED)), COUNTED + HEAD + 2048)
    assert not counts_head(parse_config(presets.config(TIED)), COUNTED + HEAD // 2)


def test_the_names_of_tensors_tell_it_where_headers_were_read():
    def of(*names: str) -> bool:
        tensors = tuple(StoredTensor(name, "F8_E4M3", (2, 2), 4) for name in names)
        checkpoint = Checkpoint("fp8", 4 * len(names), (("F8_E4M3", 8),), tensors)
        return profile(checkpoint).model().architecture.stored_head

    assert of("model.embed_tokens.weight", "lm_head.weight")
    assert of("model.embed_tokens.weight", "language_model.lm_head.weight")
    assert not of("model.embed_tokens.weight")


def test_packed_weights_are_counted_by_the_word_and_tell_nothing():
    assert not profile(stored(2_031_739_904, "I32")).model().architecture.stored_head


def test_an_untied_model_has_one_head():
    name = "Qwen/Qwen3-8B"
    untied = profile(stored(8_190_735_360 + 151936 * 4096), name).model().architecture
    assert not untied.stored_head


def test_every_published_count_of_a_preset_is_its_own_and_a_head():
    """A count that is anything else would be another fact (buffers, prediction layers)."""
    known = published_elements()
    named = [name for name in presets.names() if name.lower() in known]
    assert len(named) >= 7
    for name in named:
        architecture = presets.load(name).architecture
        assert architecture.stored_head, name
        table = next(t for t in architecture.outer if t.name == "token_embd")
        assert known[name.lower()] == architecture.parameters + table.elements


def test_every_published_count_names_its_source():
    text = resources.files("llm_lander_tui.models").joinpath("stored_heads.json").read_text("utf-8")
    for name, fact in json.loads(text).items():
        assert f"huggingface.co/{name}" in fact["source"]


@pytest.mark.parametrize("name", ["Qwen/Qwen3-4B", "google/gemma-2-9b", "Qwen/Qwen3-8B"])
def test_other_presets_store_what_their_config_says(name):
    architecture = presets.load(name).architecture
    assert not architecture.stored_head
    assert as_configured(architecture) is architecture


def test_the_config_alone_knows_one_head():
    architecture = presets.load(TIED).architecture
    alone = as_configured(architecture)
    assert not alone.stored_head
    assert alone is as_configured(architecture)
    assert alone.parameters == architecture.parameters == COUNTED
