//! Hand-written CUDA kernels for training and running transformers.
