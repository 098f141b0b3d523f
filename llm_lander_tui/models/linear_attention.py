"""Mixers with a constant state: state-space and linear-attention kinds."""

from __future__ import annotations

from dataclasses import dataclass

from llm_lander_tui.models.architecture import Mixer
from llm_lander_tui.models.cache import RecurrentState, StateKind
from llm_lander_tui.models.tensors import Part, Shard, Tensor, vector

PART = Part.MIXER


def _convolution(path: str, channels: int, kernel: int, *, bias: bool) -> list[Tensor]:
    """A depthwise convolution over the last `kernel` inputs of each channel."""
    found = [Tensor("ssm_conv1d", path, PART, channels, kernel, Shard.COLUMN, linear=False)]
    if bias:
        found.append(vector("ssm_conv1d", path, PART, channels, Shard.COLUMN, bias=True))
    return found


@dataclass(frozen=True, slots=True)
class Mamba1(Mixer):
    """The selective state space of Mamba and Jamba (memory_models A.1)."""

    hidden: int
    inner: int
    state_size: int
    dt_rank: int
    conv_kernel: int
    conv_bias: bool = True
    bias: bool = False
    inner_norms: bool = False
    """Norms on dt, B and C (Jamba)."""
    module: str = "mixer"

    @property
    def kind(self) -> str:
        return StateKind.MAMBA1.value

    @property
    def state(self) -> RecurrentState:
        return RecurrentState(
            StateKind.MAMBA1, self.inner, self.conv_kernel, self.inner * self.state_size, self.inner
        )

    def tensors(self) -> tuple[Tensor, ...]:
        h, di, n, r, m = self.hidden, self.inner, self.state_size, self.dt_rank, self.module
        found = [
            Tensor("ssm_in", f"{m}.in_proj", PART, 2 * di, h, Shard.COLUMN),
            *_convolution(f"{m}.conv1d", di, self.conv_kernel, bias=self.conv_bias),
            Tensor("ssm_x", f"{m}.x_proj", PART, r + 2 * n, di, Shard.ROW),
            Tensor("ssm_dt", f"{m}.dt_proj", PART, di, r, Shard.COLUMN),
            vector("ssm_dt", f"{m}.dt_proj", PART, di, Shard.COLUMN, bias=True),
            Tensor("ssm_a", f"{m}.A_log", PART, di, n, Shard.COLUMN, linear=False),
            vector("ssm_d", f"{m}.D", PART, di, Shard.COLUMN),
            Tensor("ssm_out", f"{m}.out_proj", PART, h, di, Shard.ROW),
        ]
        if self.bias:
            found += [
                vector("ssm_in", f"{m}.in_proj", PART, 2 * di, Shard.COLUMN, bias=True),
                vector("ssm_out", f"{m}.out_proj", PART, h, bias=True),
            ]
        if self.inner_norms:
            found += [
                vector("ssm_dt_norm", f"{m}.dt_layernorm", Part.NORM, r),
                vector("ssm_b_norm", f"{m}.b_layernorm", Part.NORM, n),
                vector("ssm_c_norm", f"{m}.c_layernorm", Part.NORM, n),
            ]
        return tuple(found)

    def core_flops(self, context: int) -> int:
        # Update and read-out of the state, six operations an element, and the convolution.
        return 6 * self.inner * self.state_size + 2 * self.inner * self.conv_kernel


@dataclass(frozen=True, slots=True)
class Mamba2(Mixer):
    """The scalar-decay state space of Mamba-2, Nemotron-H, Granite 4, Falcon-H1."""

    hidden: int
    inner: int
    state_size: int
    groups: int
    heads: int
    conv_kernel: int
    conv_bias: bool = True
    bias: bool = False
    gated_norm: bool = True
    module: str = "mixer"
    state_dtype: str = ""
    """What the config asks engines to hold the state in (mamba_ssm_cache_dtype)."""

    @property
    def kind(self) -> str:
        return StateKind.MAMBA2.value

    @property
    def _channels(self) -> int:
        return self.inner + 2 * self.groups * self.state_size

    @property
    def state(self) -> RecurrentState:
        return RecurrentState(
            StateKind.MAMBA2,
            self._channels,
            self.conv_kernel,
            self.inner * self.state_size,
            self.heads,
            recurrent_dtype=self.state_dtype,
            groups=self.groups,
            group_channels=2 * self.groups * self.state_size,
        )

    def tensors(self) -> tuple[Tensor, ...]:
        h, di, m = self.hidden, self.inner, self.module
        rows = di + self._channels + self.heads
        found = [
            Tensor("ssm_in", f"{m}.in_proj", PART, rows, h, Shard.COLUMN),
            *_convolution(f"{m}.conv1d", self._channels, self.conv_kernel, bias=self.conv_bias),
            vector("ssm_dt", f"{m}.dt_bias", PART, self.heads, Shard.COLUMN, bias=True),
            vector("ssm_a", f"{m}.A_log", PART, self.heads, Shard.COLUMN),
            vector("ssm_d", f"{m}.D", PART, self.heads, Shard.COLUMN),
            Tensor("ssm_out", f"{m}.out_proj", PART, h, di, Shard.ROW),
        ]
        if self.gated_norm:
            found.append(vector("ssm_norm", f"{m}.norm", Part.NORM, di, Shard.COLUMN))
        if self.bias:
            found += [
                vector("ssm_in", f"{m}.in_proj", PART, rows, Shard.COLUMN, bias=True),
                vector("ssm_out", f"{m}.out_proj", PART, h, bias=True),
            ]
        return tuple(found)

    def core_flops(self, context: int) -> int:
        return 6 * self.inner * self.state_size + 2 * self._channels * self.conv_kernel


@dataclass(frozen=True, slots=True)
class GatedDeltaNet(Mixer):
    """The gated delta rule of Qwen3-Next and Qwen3.5 (memory_models A.1)."""

    hidden: int
    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    conv_kernel: int
    split: bool = False
    """Four input projections (Qwen3.5) where Qwen3-Next has two fused ones."""
    module: str = "linear_attn"
    state_dtype: str = ""
    """What the config asks engines to hold the state in (mamba_ssm_dtype)."""

    @property
    def kind(self) -> str:
        return StateKind.GATED_DELTA_NET.value

    @property
    def _keys(self) -> int:
        return self.key_heads * self.key_dim

    @property
    def _values(self) -> int:
        return self.value_heads * self.value_dim

    @property
    def state(self) -> RecurrentState:
        return RecurrentState(
            StateKind.GATED_DELTA_NET,
            2 * self._keys + self._values,
            self.conv_kernel,
            self.value_heads * self.key_dim * self.value_dim,
            self.value_heads,
            recurrent_dtype=self.state_dtype,
        )

    def tensors(self) -> tuple[Tensor, ...]:
        h, nv, m = self.hidden, self.value_heads, self.module
        channels = 2 * self._keys + self._values
        if self.split:
            inputs = [
                ("attn_qkv", "in_proj_qkv", channels),
                ("attn_gate", "in_proj_z", self._values),
                ("ssm_beta", "in_proj_b", nv),
                ("ssm_alpha", "in_proj_a", nv),
            ]
        else:
            inputs = [
                ("ssm_in", "in_proj_qkvz", channels + self._values),
                ("ssm_ba", "in_proj_ba", 2 * nv),
            ]
        return (
            *(Tensor(n, f"{m}.{path}", PART, rows, h, Shard.COLUMN) for n, path, rows in inputs),
            *_convolution(f"{m}.conv1d", channels, self.conv_kernel, bias=False),
            vector("ssm_dt", f"{m}.dt_bias", PART, nv, Shard.COLUMN, bias=True),
            vector("ssm_a", f"{m}.A_log", PART, nv, Shard.COLUMN),
            vector("ssm_norm", f"{m}.norm", Part.NORM, self.value_dim),
            Tensor("ssm_out", f"{m}.out_proj", PART, h, self._values, Shard.ROW),
        )

    def core_flops(self, context: int) -> int:
        conv = 2 * (2 * self._keys + self._values) * self.conv_kernel
        return 6 * self.value_heads * self.key_dim * self.value_dim + conv


@dataclass(frozen=True, slots=True)
class ShortConv(Mixer):
    """The gated short convolution of LFM2: three streams in, a convolution, one out."""

    hidden: int
    conv_kernel: int
    bias: bool = False
    module: str = "conv"

    @property
    def kind(self) -> str:
        return StateKind.SHORT_CONV.value

    @property
    def state(self) -> RecurrentState:
        return RecurrentState(StateKind.SHORT_CONV, self.hidden, self.conv_kernel, 0)

    def tensors(self) -> tuple[Tensor, ...]:
        h, m = self.hidden, self.module
        found = [
            Tensor("shortconv.in_proj", f"{m}.in_proj", PART, 3 * h, h, Shard.COLUMN),
            Tensor(
                "shortconv.conv", f"{m}.conv", PART, h, self.conv_kernel, Shard.COLUMN, linear=False
            ),
            Tensor("shortconv.out_proj", f"{m}.out_proj", PART, h, h, Shard.ROW),
        ]
        if self.bias:
            found += [
                vector("shortconv.in_proj", f"{m}.in_proj", PART, 3 * h, Shard.COLUMN, bias=True),
                vector("shortconv.conv", f"{m}.conv", PART, h, Shard.COLUMN, bias=True),
                vector("shortconv.out_proj", f"{m}.out_proj", PART, h, bias=True),
            ]
        return tuple(found)

    def core_flops(self, context: int) -> int:
        return 2 * self.hidden * (self.conv_kernel + 2)


@dataclass(frozen=True, slots=True)
class KimiDelta(Mixer):
    """Kimi Delta Attention: a gated delta rule with a decay per channel (Kimi Linear, Kimi K3)."""

    hidden: int
    heads: int
    head_dim: int
    conv_kernel: int
    full_rank_gate: bool = False
    """One output gate matrix (Kimi K3) where Kimi Linear has two of low rank."""
    module: str = "self_attn"

    @property
    def kind(self) -> str:
        return StateKind.KIMI_DELTA.value

    @property
    def state(self) -> RecurrentState:
        width = self.heads * self.head_dim
        return RecurrentState(
            StateKind.KIMI_DELTA, 3 * width, self.conv_kernel, width * self.head_dim, self.heads
        )

    def tensors(self) -> tuple[Tensor, ...]:
        h, m, width, low = self.hidden, self.module, self.heads * self.head_dim, self.head_dim
        if self.full_rank_gate:
            gate = [Tensor("ssm_g", f"{m}.g_proj", PART, width, h, Shard.COLUMN)]
        else:
            gate = [
                Tensor("ssm_g_a", f"{m}.g_a_proj", PART, low, h),
                Tensor("ssm_g_b", f"{m}.g_b_proj", PART, width, low, Shard.COLUMN),
            ]
        return (
            *(
                Tensor(f"attn_{x}", f"{m}.{x}_proj", PART, width, h, Shard.COLUMN)
                for x in ("q", "k", "v")
            ),
            *_convolution(f"{m}.conv1d", 3 * width, self.conv_kernel, bias=False),
            Tensor("ssm_f_a", f"{m}.f_a_proj", PART, low, h),
            Tensor("ssm_f_b", f"{m}.f_b_proj", PART, width, low, Shard.COLUMN),
            vector("ssm_dt", f"{m}.dt_bias", PART, width, Shard.COLUMN, bias=True),
            vector("ssm_a", f"{m}.A_log", PART, self.heads, Shard.COLUMN),
            Tensor("ssm_beta", f"{m}.b_proj", PART, self.heads, h, Shard.COLUMN),
            *gate,
            vector("ssm_norm", f"{m}.o_norm", Part.NORM, low),
            Tensor("attn_output", f"{m}.o_proj", PART, h, width, Shard.ROW),
        )

    def core_flops(self, context: int) -> int:
        width = self.heads * self.head_dim
        return 6 * width * self.head_dim + 6 * width * self.conv_kernel


@dataclass(frozen=True, slots=True)
class Lightning(Mixer):
    """Lightning attention of MiniMax-01 / M1: linear attention with a fixed decay per head."""

    hidden: int
    heads: int
    head_dim: int
    module: str = "self_attn"

    @property
    def kind(self) -> str:
        return StateKind.LIGHTNING.value

    @property
    def state(self) -> RecurrentState:
        elements = self.heads * self.head_dim * self.head_dim
        return RecurrentState(StateKind.LIGHTNING, 0, 1, elements, self.heads)

    def tensors(self) -> tuple[Tensor, ...]:
        h, m, width = self.hidden, self.module, self.heads * self.head_dim
        return (
            Tensor("attn_qkv", f"{m}.qkv_proj", PART, 3 * width, h, Shard.COLUMN),
            Tensor("attn_gate", f"{m}.output_gate", PART, width, h, Shard.COLUMN),
            vector("attn_norm_2", f"{m}.norm", Part.NORM, width),
            Tensor("attn_output", f"{m}.out_proj", PART, h, width, Shard.ROW),
        )

    def core_flops(self, context: int) -> int:
        return 6 * self.heads * self.head_dim * self.head_dim


@dataclass(frozen=True, slots=True)
class Rwkv5(Mixer):
    """The time mixing of RWKV 5: receptance, key, value and gate with a decay per head channel."""

    hidden: int
    width: int
    head_dim: int
    module: str = "attention"

    @property
    def kind(self) -> str:
        return StateKind.RWKV.value

    @property
    def state(self) -> RecurrentState:
        return RecurrentState(
            StateKind.RWKV,
            2 * self.hidden,
            1,
            self.width * self.head_dim,
            self.width // self.head_dim,
        )

    def tensors(self) -> tuple[Tensor, ...]:
        h, w, m = self.hidden, self.width, self.module
        return (
            *(
                Tensor(f"time_mix_{x}", f"{m}.{x}", PART, w, h, Shard.COLUMN)
                for x in ("receptance", "key", "value", "gate")
            ),
            Tensor("time_mix_output", f"{m}.output", PART, h, w, Shard.ROW),
            vector("time_mix_lerp", f"{m}.time_mix", PART, h, copies=4),
            vector("time_mix_decay", f"{m}.time_decay", PART, w, Shard.COLUMN),
            vector("time_mix_first", f"{m}.time_faaaa", PART, w, Shard.COLUMN),
            vector("time_mix_ln", f"{m}.ln_x", Part.NORM, w, Shard.COLUMN),
            vector("time_mix_ln", f"{m}.ln_x", Part.NORM, w, Shard.COLUMN, bias=True),
        )

    def core_flops(self, context: int) -> int:
        return 6 * self.width * self.head_dim
