"""What engines that follow the config say of a head that it ties and the checkpoint stores."""

from __future__ import annotations

from llm_lander_tui.models.architecture import Architecture


def left_out(architecture: Architecture) -> str:
    """Words after "weights …" on the second copy that is dropped on loading; "" without one."""
    if not architecture.stored_head:
        return ""
    return ", without the head that the checkpoint stores again though its config ties it"
