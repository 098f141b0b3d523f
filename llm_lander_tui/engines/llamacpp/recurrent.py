"""The graphs of mixers with a recurrent state (models/delta-net-base.cpp, mamba-base.cpp)."""

from __future__ import annotations

from collections.abc import Sequence

from llm_lander_tui.engines.llamacpp.blocks import Blocks
from llm_lander_tui.engines.llamacpp.graph import (
    CONSTANT,
    F32,
    SEQUENCES,
    TOKENS,
    Tensor,
    View,
    Weight,
)
from llm_lander_tui.models.cache import RecurrentState
from llm_lander_tui.models.linear_attention import (
    GatedDeltaNet,
    KimiDelta,
    Mamba1,
    Mamba2,
    ShortConv,
)


class RecurrentGraph:
    """Recurrent mixers; `sources` says which cached state belongs to which sequence."""

    def __init__(self, blocks: Blocks, sources: Tensor) -> None:
        self.blocks = blocks
        self.sources = sources

    def gated_delta_net(self, mixer: GatedDeltaNet, source: Tensor) -> Tensor:
        """Qwen3-Next and Qwen3.5; the delta rule runs as one fused operation."""
        b = self.blocks
        keys = mixer.key_heads * mixer.key_dim
        values = mixer.value_heads * mixer.value_dim
        heads = mixer.value_heads
        b.graph.expand(source)
        mixed = b.project("attn_qkv", 2 * keys + values, source)
        joined = self._convolve_input(mixer.state, mixed)
        state = self._load(mixer.state.recurrent_elements)
        convolved = self._convolve("ssm_conv1d", 2 * keys + values, joined)
        query = b.op("l2 norm", keys, (convolved,))
        key = b.op("l2 norm", keys, (convolved,))
        if mixer.split:
            gate = b.project("ssm_alpha", heads, source)
            beta = b.project("ssm_beta", heads, source)
        else:
            both = b.project("ssm_ba", 2 * heads, source)
            gate = b.op("cont", heads, (both,))
            beta = b.op("cont", heads, (both,))
            if mixer.key_heads != heads:
                query = b.op("repeat", heads * mixer.key_dim, (query,))
                key = b.op("repeat", heads * mixer.key_dim, (key,))
        gate = b.bias("ssm_dt", heads, gate)
        gate = b.op("decay", heads, (gate,), weights=(b.weight("ssm_a"),), reuses=True)
        beta = b.unary("sigmoid", heads, beta)
        result = self._with_state(
            "delta rule", values, mixer.state, (query, key, convolved, gate, beta, state)
        )
        self._save(result)
        normed = b.norm("ssm_norm", values, result, viewed=True)
        outer = b.op("silu", values, (b.project("attn_gate", values, source),))
        gated = b.op("gated", values, (normed, outer), reuses=True)
        return b.project("ssm_out", mixer.hidden, gated)

    def kimi_delta(self, mixer: KimiDelta, source: Tensor) -> Tensor:
        """Kimi Delta Attention: three convolutions, then the delta rule with decay per channel."""
        b = self.blocks
        width = mixer.state.conv_channels // 3
        heads = mixer.state.recurrent_heads
        state = self._load((mixer.state.conv_kernel - 1) * mixer.state.conv_channels)
        parts = []
        for name in ("q", "k", "v"):
            part = b.project(f"attn_{name}", width, source)
            joined = self._joined(mixer.state.conv_kernel, width, (state, part))
            self._save(joined)
            parts.append(self._convolve(f"ssm_conv1d_{name}", width, joined))
        rank = width // heads
        decay = b.project("ssm_f_b", width, b.project("ssm_f_a", rank, source))
        decay = b.op("decay", width, (b.bias("ssm_dt", width, decay),))
        decay = b.op("decay", width, (decay,), weights=(b.weight("ssm_a"),), reuses=True)
        beta = b.unary("sigmoid", heads, b.project("ssm_beta", heads, source))
        recurrence = self._load(mixer.state.recurrent_elements)
        query = b.op("l2 norm", width, (parts[0],))
        key = b.op("l2 norm", width, (parts[1],))
        result = self._with_state(
            "delta rule", width, mixer.state, (query, key, parts[2], decay, beta, recurrence)
        )
        self._save(result)
        outer = b.project("ssm_g_b", width, b.project("ssm_g_a", rank, source))
        normed = b.norm("ssm_norm", width, result, viewed=True)
        gated = b.op("gated", width, (normed, b.op("sigmoid", width, (outer,))), reuses=True)
        return b.project("attn_output", source.size[TOKENS] // F32, gated)

    def mamba2(self, mixer: Mamba2, source: Tensor) -> Tensor:
        """Mamba-2: one projection, a convolution, the scan, a gate."""
        b = self.blocks
        channels = mixer.state.conv_channels
        rows = mixer.inner + channels + mixer.heads
        state = self._load((mixer.conv_kernel - 1) * channels)
        mixed = b.project("ssm_in", rows, source)
        joined = self._joined(mixer.conv_kernel, channels, (state, mixed))
        self._save(joined)
        convolved = self._convolve("ssm_conv1d", channels, joined, bias=mixer.conv_bias)
        step = b.bias("ssm_dt", mixer.heads, b.op("cont", mixer.heads, (mixed,)))
        values, inputs, outputs = (View(convolved) for _ in range(3))
        result = self._scan(mixer.state, mixer.inner, (values, step, inputs, outputs))
        self._save(result)
        skipped = b.op("skip", mixer.inner, (convolved,), weights=(b.weight("ssm_d"),))
        summed = b.op("sum", mixer.inner, (result, skipped), reuses=True)
        gate = b.op("cont", mixer.inner, (mixed,))
        gated = b.op("swiglu", mixer.inner, (gate, summed))
        if mixer.gated_norm:
            gated = b.norm("ssm_norm", mixer.inner, gated, viewed=True)
        return b.project("ssm_out", mixer.hidden, gated)

    def mamba1(self, mixer: Mamba1, source: Tensor) -> Tensor:
        """Mamba: the step width and the state's inputs come from the convolved values."""
        b = self.blocks
        inner, rank, size = mixer.inner, mixer.dt_rank, mixer.state_size
        state = self._load((mixer.conv_kernel - 1) * inner)
        mixed = b.project("ssm_in", 2 * inner, source)
        joined = self._joined(mixer.conv_kernel, inner, (state, mixed))
        self._save(joined)
        convolved = self._convolve("ssm_conv1d", inner, joined, bias=mixer.conv_bias)
        inputs = b.project("ssm_x", rank + 2 * size, convolved)
        narrow = b.op("cont", rank, (inputs,))
        reads: list[Tensor | View] = [View(inputs), View(inputs)]
        if mixer.inner_norms:
            narrow = b.norm("ssm_dt_norm", rank, inputs, viewed=True)
            reads = [b.norm(f"ssm_{n}_norm", size, inputs, viewed=True) for n in ("b", "c")]
        step = b.bias("ssm_dt", inner, b.project("ssm_dt", inner, narrow))
        result = self._scan(mixer.state, inner, (convolved, step, *reads))
        self._save(result)
        skipped = b.op("skip", inner, (convolved,), weights=(b.weight("ssm_d"),))
        summed = b.op("sum", inner, (result, skipped), reuses=True)
        gate = b.op("cont", inner, (mixed,))
        gated = b.op("swiglu", inner, (gate, summed))
        return b.project("ssm_out", mixer.hidden, gated)

    def short_conv(self, mixer: ShortConv, source: Tensor) -> Tensor:
        """LFM2's gated short convolution."""
        b, hidden = self.blocks, mixer.hidden
        mixed = b.project("shortconv.in_proj", 3 * hidden, source)
        scaled = b.op("gated in", hidden, (mixed,))
        state = self._load((mixer.conv_kernel - 1) * hidden)
        joined = self._joined(mixer.conv_kernel, hidden, (state, scaled))
        self._save(joined)
        out = b.op("conv", hidden, (joined,), weights=(b.weight("shortconv.conv"),))
        out = b.op("gated out", hidden, (mixed, out), reuses=True)
        return b.project("shortconv.out_proj", hidden, out)

    def _load(self, elements: int) -> Tensor:
        """The states of the batch's sequences, gathered from the cache."""
        b = self.blocks
        self._touch()
        size = b.graph.size(((SEQUENCES, F32 * elements),))
        loaded = Tensor(
            "state",
            size,
            (self.sources,),
            weights=(Weight(b.cache_device, size, streamed=False),),
            follows=False,
            rows=0,
        )
        b.graph.expand(loaded)
        self._touch()
        return loaded

    def _touch(self) -> None:
        """A state is cleared before and others are copied after: on the cache's device."""
        b = self.blocks
        b.graph.expand(Tensor("state", b.graph.size(()), (), pinned=b.cache_device))

    def _save(self, source: Tensor) -> None:
        b = self.blocks
        b.graph.expand(Tensor("cache state", b.graph.size(()), (source,), pinned=b.cache_device))

    def _convolve_input(self, state: RecurrentState, mixed: Tensor) -> Tensor:
        loaded = self._load((state.conv_kernel - 1) * state.conv_channels)
        joined = self._joined(state.conv_kernel, state.conv_channels, (loaded, mixed))
        self._save(joined)
        return joined

    def _joined(self, kernel: int, channels: int, sources: Sequence[Tensor]) -> Tensor:
        """The last inputs of each sequence before the new ones."""
        terms = ((TOKENS, F32 * channels), (SEQUENCES, F32 * (kernel - 1) * channels))
        return Tensor("concat", self.blocks.graph.size(terms), sources)

    def _convolve(self, name: str, channels: int, joined: Tensor, *, bias: bool = False) -> Tensor:
        b = self.blocks
        out = b.op("convolution", channels, (joined,), weights=(b.weight(name),))
        if bias:
            out = b.bias(name, channels, out)
        return b.unary("silu", channels, out)

    def _with_state(
        self, name: str, width: int, state: RecurrentState, sources: Sequence[Tensor]
    ) -> Tensor:
        """An operation that returns its output with the new state behind it."""
        terms = ((TOKENS, F32 * width), (SEQUENCES, F32 * state.recurrent_elements))
        return Tensor(name, self.blocks.graph.size(terms), sources)

    def _scan(self, state: RecurrentState, inner: int, sources: Sequence[Tensor | View]) -> Tensor:
        """The selective scan, which reads the states where they are cached.

        Its result is one long row, too small a batch for the GPU to take from the host.
        """
        b = self.blocks
        cached = b.graph.size(((SEQUENCES, F32 * state.recurrent_elements),))
        terms = ((TOKENS, F32 * inner), (SEQUENCES, F32 * state.recurrent_elements))
        self._touch()
        scanned = Tensor(
            "scan",
            b.graph.size(terms),
            (*sources, self.sources),
            weights=(b.weight("ssm_a"), Weight(b.cache_device, cached, streamed=False)),
            rows=CONSTANT,
        )
        b.graph.expand(scanned)
        self._touch()
        return scanned
