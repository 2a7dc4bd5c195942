// Sums of the columns of a bf16 matrix, by a pipeline as Hopper's kernels have it: a producer warp loads boxes of 64 rows by 64 columns
// (128-byte swizzle) into stages, consumer warps add them up; the result goes out through shared memory. Each of the kernels
// below but the first has one planted mistake.
//
//   nvcc -arch=sm_90a -lineinfo -ptx -o pipeline.ptx pipeline.cu
#include <cuda_bf16.h>
#include <stdint.h>

constexpr int STAGES = 2, ROWS = 64, COLUMNS = 64, CONSUMERS = 64;
constexpr int BOX = ROWS * COLUMNS * 2;

enum Mistake { NONE, NO_EXPECT, NO_FULL_WAIT, NO_EMPTY_WAIT, NO_ARRIVAL, WRONG_PARITY, NO_STORE_FENCE, NO_STORE_WAIT, EARLY_ARRIVAL };

struct alignas(64) Map {
    uint8_t bytes[128];
};

__device__ inline uint32_t shared(const void* pointer) { return (uint32_t)__cvta_generic_to_shared(pointer); }

__device__ inline void wait(uint64_t* object, uint32_t parity) {
    asm volatile(
        "{\n.reg .pred done;\nAGAIN: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n@done bra DONE;\nbra AGAIN;\nDONE:\n}"
        :: "r"(shared(object)), "r"(parity) : "memory");
}

__device__ inline void arrive(uint64_t* object) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" :: "r"(shared(object)) : "memory");
}

template <Mistake MISTAKE>
__device__ inline void column_sums(const Map& map, float* out, int boxes) {
    __shared__ alignas(1024) uint8_t stages[STAGES][BOX];
    __shared__ alignas(16) float sums[COLUMNS];
    __shared__ uint64_t full[STAGES], empty[STAGES];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    if (threadIdx.x == 0) {
        for (int stage = 0; stage < STAGES; stage++) {
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" :: "r"(shared(&full[stage])) : "memory");
            asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" :: "r"(shared(&empty[stage])), "r"(CONSUMERS / 32) : "memory");
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
    if (warp == CONSUMERS / 32) {
        if (lane == 0) {
#pragma unroll 1
            for (int box = 0; box < boxes; box++) {
                int stage = box % STAGES, round = box / STAGES;
                // The phase before the first one counts as complete.
                if (MISTAKE != NO_EMPTY_WAIT) wait(&empty[stage], (round & 1) ^ 1);
                if (MISTAKE == NO_EXPECT)
                    arrive(&full[stage]);
                else
                    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" :: "r"(shared(&full[stage])), "r"(BOX) : "memory");
                asm volatile(
                    "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
                    :: "r"(shared(stages[stage])), "l"(&map), "r"(0), "r"(box * ROWS), "r"(shared(&full[stage])) : "memory");
            }
        }
        return;
    }
    int column = threadIdx.x;
    float sum = 0;
#pragma unroll 1
    for (int box = 0; box < boxes; box++) {
        int stage = box % STAGES, round = box / STAGES;
        if (MISTAKE != NO_FULL_WAIT) wait(&full[stage], (round & 1) ^ (MISTAKE == WRONG_PARITY));
        if (MISTAKE == EARLY_ARRIVAL && lane == 0) arrive(&empty[stage]);
#pragma unroll 1
        for (int row = 0; row < ROWS; row++) {
            uint32_t at = row * 128 + ((column / 8) ^ (row % 8)) * 16 + column % 8 * 2;
            sum += __bfloat162float(*(const __nv_bfloat16*)(stages[stage] + at));
        }
        __syncwarp();
        if (MISTAKE != NO_ARRIVAL && MISTAKE != EARLY_ARRIVAL && lane == 0) arrive(&empty[stage]);
    }
    sums[column] = sum;
    if (MISTAKE != NO_STORE_FENCE) asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    asm volatile("bar.sync 1, %0;" :: "n"(CONSUMERS) : "memory");
    if (threadIdx.x == 0) {
        asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" :: "l"(out), "r"(shared(sums)), "n"(4 * COLUMNS) : "memory");
        asm volatile("cp.async.bulk.commit_group;" ::: "memory");
        if (MISTAKE != NO_STORE_WAIT) asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
    }
}

#define KERNEL(name, mistake) \
    extern "C" __global__ void __launch_bounds__(CONSUMERS + 32) name(const __grid_constant__ Map map, float* out, int boxes) { column_sums<mistake>(map, out, boxes); }

KERNEL(right, NONE)
KERNEL(no_expect, NO_EXPECT)
KERNEL(no_full_wait, NO_FULL_WAIT)
KERNEL(no_empty_wait, NO_EMPTY_WAIT)
KERNEL(no_arrival, NO_ARRIVAL)
KERNEL(wrong_parity, WRONG_PARITY)
KERNEL(no_store_fence, NO_STORE_FENCE)
KERNEL(no_store_wait, NO_STORE_WAIT)
KERNEL(early_arrival, EARLY_ARRIVAL)
