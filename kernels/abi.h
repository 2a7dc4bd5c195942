/* Every parameter struct of every kernel: the one input of bindgen (`cargo xtask bindings` writes src/abi.rs from it). */
#include "adamw8bit/adamw8bit_params.h"
#include "attention/attention_params.h"
#include "cross_entropy/cross_entropy_params.h"
#include "embedding/embedding_params.h"
#include "gelu/gelu_params.h"
#include "layer_norm/layer_norm_params.h"
#include "rms_norm/rms_norm_params.h"
#include "rotary/rotary_params.h"
