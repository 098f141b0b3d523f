"""One file per inference engine: how that engine spends memory."""
