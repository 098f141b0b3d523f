"""The physics that all engines share: weights, KV cache, state, activations, LoRA, sharding."""
