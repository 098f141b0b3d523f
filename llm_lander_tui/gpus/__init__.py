"""What a GPU is, and the ways one comes in: the driver (NVML) and the catalogue."""
