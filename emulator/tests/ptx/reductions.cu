// Reductions as they are written by hand: shuffles within a warp, shared memory across warps, a grid-wide sum by atomics.
extern "C" __global__ void row_sum(const float* __restrict__ x, float* y, int n) {
  __shared__ float partial[32];
  float sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += x[(size_t)blockIdx.x * n + i];
  for (int o = 16; o; o >>= 1) sum += __shfl_xor_sync(~0u, sum, o);
  if ((threadIdx.x & 31) == 0) partial[threadIdx.x >> 5] = sum;
  __syncthreads();
  if (threadIdx.x < 32) {
    sum = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0;
    for (int o = 16; o; o >>= 1) sum += __shfl_xor_sync(~0u, sum, o);
    if (threadIdx.x == 0) y[blockIdx.x] = sum;
  }
}

extern "C" __global__ void softmax(const float* __restrict__ x, float* __restrict__ y, int n) {
  extern __shared__ float row[];
  __shared__ float partial[32];
  const float* from = x + (size_t)blockIdx.x * n;
  float most = -INFINITY;
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    row[i] = from[i];
    most = fmaxf(most, row[i]);
  }
  for (int o = 16; o; o >>= 1) most = fmaxf(most, __shfl_xor_sync(~0u, most, o));
  if ((threadIdx.x & 31) == 0) partial[threadIdx.x >> 5] = most;
  __syncthreads();
  for (int w = 0; w < blockDim.x / 32; w++) most = fmaxf(most, partial[w]);
  float sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    float e = expf(row[i] - most);
    row[i] = e;
    sum += e;
  }
  for (int o = 16; o; o >>= 1) sum += __shfl_xor_sync(~0u, sum, o);
  __syncthreads();
  if ((threadIdx.x & 31) == 0) partial[threadIdx.x >> 5] = sum;
  __syncthreads();
  sum = 0;
  for (int w = 0; w < blockDim.x / 32; w++) sum += partial[w];
  for (int i = threadIdx.x; i < n; i += blockDim.x) y[(size_t)blockIdx.x * n + i] = row[i] / sum;
}

// The last block to finish adds up what all blocks wrote.
__device__ unsigned finished = 0;
extern "C" __global__ void total(const float* __restrict__ x, float* partial, float* y, int n) {
  __shared__ float s[256];
  __shared__ bool last;
  float sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum += x[i];
  s[threadIdx.x] = sum;
  __syncthreads();
  for (int half = blockDim.x / 2; half; half >>= 1) {
    if (threadIdx.x < half) s[threadIdx.x] += s[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = s[0];
    __threadfence();
    last = atomicAdd(&finished, 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    __threadfence();
    float all = 0;
    for (int b = 0; b < gridDim.x; b++) all += partial[b];
    *y = all;
    finished = 0;
  }
}

// Lanes leave the loop one by one: groups with different program counters.
extern "C" __global__ void collatz(const unsigned* x, unsigned* steps, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  unsigned v = x[i], count = 0;
  while (true) {
    if (v == 1) break;
    if (v % 2 == 0) {
      v /= 2;
      count++;
      continue;
    }
    v = 3 * v + 1;
    count++;
  }
  steps[i] = count;
}

struct Params {
  const float* x;
  float* y;
  int n;
  float scale;
};
__device__ __noinline__ float scaled_exp(float a, Params p) { return expf(a) * p.scale + (float)p.n; }

// A struct as the one argument, an array in local memory, a call that is not inlined.
extern "C" __global__ void calls(const __grid_constant__ Params p) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= p.n) return;
  float a[8];
  for (int j = 0; j < 8; j++) a[j] = p.x[i] * j;
  p.y[i] = scaled_exp(a[i & 7], p) + tanhf(p.x[i]) + logf(fabsf(p.x[i]) + 1.0f);
}
