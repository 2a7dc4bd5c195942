// Reverses 64 numbers through shared memory. The barrier between the store and the load is missing.
extern "C" __global__ void reverse(float *data) {
    __shared__ float line[64];
    line[threadIdx.x] = data[threadIdx.x];
    data[threadIdx.x] = line[63 - threadIdx.x];
}
