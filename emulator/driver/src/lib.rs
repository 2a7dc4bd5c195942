//! Drop-in CUDA driver over the PTX emulator.
