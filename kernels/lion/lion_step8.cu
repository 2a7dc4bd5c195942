// One step of Lion with the moment in 8 bits for a whole list of parameters: bitsandbytes' layout of states.
//
// The formula is that of lion_step.cu with s = value(code) * absmax of the block of 256; then, over the block, absmax = max |s|, and
// code = nearest(s * (1 / absmax)) with the sign of s. Where g is not finite, s = 0 and p stays.
//
// Traffic of an element: parameter read and written, gradient read, a code read and written, and an absmax of a block read and written:
// 8.03 bytes of 2-byte types, 14.03 of f32.
// Who does what: common/optimizer.cuh. The code tables lie in shared memory.
#include "common/optimizer_codes.cuh"
#include "lion/lion.cuh"

namespace warpsmith::lion {

template <typename T>
__device__ __forceinline__ void step8(const LionParams& params) {
    __shared__ __align__(16) CodeTables tables;
    const OptimizerProgress progress = load_progress(params.list);
    if (progress.skip != 0) {
        return;
    }
    const codes::Codes codes = load_tables(params.list, tables);
    const Chunk chunk(params.list);
    const OptimizerTensor& tensor = chunk.tensor;
    const Scalars scalars(params, progress, tensor.weight_decay);
    __syncthreads();
    chunk.for_each_block(params.list, [&](const Block& block) {
        Coded<T, 1> held;
        held.load(tensor, block);
        float gradients[PER_THREAD], parameters[PER_THREAD], moments[PER_THREAD];
        held.gradients(gradients);
        held.parameters(parameters);
        signed_values(codes, held.codes[0], load_absmax(tensor.absmax1, block), moments);
#pragma unroll
        for (int e = 0; e < PER_THREAD; ++e) {
            const float p = parameters[e];
            const bool finite = fabsf(gradients[e]) < INFINITY;
            update(scalars, gradients[e], parameters[e], moments[e]);
            parameters[e] = finite ? parameters[e] : p;
            moments[e] = finite ? moments[e] : 0.0f;
        }
        Largest largest = largest_of(moments);
        if (largest.ordinary()) {
            encode_signed(codes, moments, largest, held.codes[0]);
        } else {
            largest = largest_number_of(moments);
            encode_signed_any(codes, moments, largest, held.codes[0]);
        }
        held.set_parameters(parameters);
        held.store_parameters(tensor, block);
        held.store_codes(tensor, block);
        store_absmax(tensor.absmax1, block, largest);
    });
}

}  // namespace warpsmith::lion

using namespace warpsmith;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
lion_step8_f32(const __grid_constant__ LionParams params) { lion::step8<float>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
lion_step8_f16(const __grid_constant__ LionParams params) { lion::step8<F16>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
lion_step8_bf16(const __grid_constant__ LionParams params) { lion::step8<Bf16>(params); }
