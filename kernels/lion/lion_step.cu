// One step of Lion with the moment in f32 for a whole list of parameters.
//
// For each element, with g scaled:
//   p = p (1 - lr weight_decay) - lr sign(beta1 s + (1 - beta1) g)          s = beta2 s + (1 - beta2) g
// p is the master in f32 where there is one, and rounded to T at the end. `update` in lion.cuh is all of it; src/reference/lion.rs does
// the same and gets the same bits.
//
// Traffic of an element: parameter read and written, gradient read, moment read and written: 20 bytes of f32, 14 of a 2-byte type.
// Who does what: common/optimizer.cuh.
#include "common/optimizer_floats.cuh"
#include "lion/lion.cuh"

namespace warpsmith::lion {

template <typename T>
__device__ __forceinline__ void step(const LionParams& params) {
    const OptimizerProgress progress = load_progress(params.list);
    if (progress.skip != 0) {
        return;
    }
    const Chunk chunk(params.list);
    const OptimizerTensor& tensor = chunk.tensor;
    const Scalars scalars(params, progress, tensor.weight_decay);
    const bool wide = params.list.wide_gradients != 0;
    chunk.for_each_block(params.list, [&](const Block& block) {
        const Access access(tensor, block);
        Floats<T, 1> held;
        held.load_gradient(tensor, access, wide);
        held.load_own(tensor, access);
#pragma unroll
        for (int half = 0; half < HALVES; ++half) {
            float g[QUAD], p[QUAD], moment[QUAD];
            to_floats<T>(held.gradient[half], wide, g);
            held.parameters(tensor, half, p);
            unpack<float>(held.moments[0][half], moment);
#pragma unroll
            for (int e = 0; e < QUAD; ++e) {
                update(scalars, g[e], p[e], moment[e]);
            }
            held.parameter[half] = pack<float>(p);
            held.moments[0][half] = pack<float>(moment);
        }
        held.store_moments(tensor, access);
        held.store_parameters(tensor, access, block, ToNearest{});
    });
}

}  // namespace warpsmith::lion

using namespace warpsmith;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(1)
lion_step_advance_f64(const __grid_constant__ OptimizerAdvanceParams params) { optimizer::advance_progress(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
lion_step_f32(const __grid_constant__ LionParams params) { lion::step<float>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
lion_step_f16(const __grid_constant__ LionParams params) { lion::step<F16>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
lion_step_bf16(const __grid_constant__ LionParams params) { lion::step<Bf16>(params); }
