// One thread an element: intrinsics of CUDA C++ and of its half-precision headers, and functions of the CUDA mathematics library, as nvcc lowers them.
// Compiled by: nvcc -ptx -arch=sm_80 --fmad=false intrinsics.cu
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#define INDEX (blockIdx.x * blockDim.x + threadIdx.x)

// Directed roundings of f32.
extern "C" __global__ void float_roundings(const float *a, const float *b, const float *c, float *out, int n) {
    int i = INDEX;
    if (i >= n) return;
    float x = a[i], y = b[i], z = c[i];
    float *o = out + 20 * i;
    o[0] = __fadd_rn(x, y), o[1] = __fadd_rz(x, y), o[2] = __fadd_rd(x, y), o[3] = __fadd_ru(x, y);
    o[4] = __fmul_rn(x, y), o[5] = __fmul_rz(x, y), o[6] = __fmul_rd(x, y), o[7] = __fmul_ru(x, y);
    o[8] = __fmaf_rn(x, y, z), o[9] = __fmaf_rz(x, y, z), o[10] = __fmaf_rd(x, y, z), o[11] = __fmaf_ru(x, y, z);
    o[12] = __fdiv_rn(x, y), o[13] = __fdiv_rz(x, y), o[14] = __fdiv_rd(x, y), o[15] = __fdiv_ru(x, y);
    o[16] = __fsqrt_rn(fabsf(x)), o[17] = __fsqrt_rz(fabsf(x)), o[18] = __fsqrt_rd(fabsf(x)), o[19] = __fsqrt_ru(fabsf(x));
}

// Conversions between f32 and integers, f16 and bf16.
extern "C" __global__ void conversions(const float *a, int *out, int n) {
    int i = INDEX;
    if (i >= n) return;
    float x = a[i];
    int *o = out + 20 * i;
    o[0] = __float2int_rn(x), o[1] = __float2int_rz(x), o[2] = __float2int_rd(x), o[3] = __float2int_ru(x);
    o[4] = __float2uint_rn(x), o[5] = __float2uint_rz(x), o[6] = __float2uint_rd(x), o[7] = __float2uint_ru(x);
    long long wide = __float2ll_rd(x);
    o[8] = (int)wide, o[9] = (int)(wide >> 32);
    o[10] = __half_as_ushort(__float2half_rn(x)), o[11] = __half_as_ushort(__float2half_rz(x));
    o[12] = __half_as_ushort(__float2half_rd(x)), o[13] = __half_as_ushort(__float2half_ru(x));
    o[14] = __bfloat16_as_ushort(__float2bfloat16_rn(x)), o[15] = __bfloat16_as_ushort(__float2bfloat16_rz(x));
    o[16] = __bfloat16_as_ushort(__float2bfloat16_rd(x)), o[17] = __bfloat16_as_ushort(__float2bfloat16_ru(x));
    o[18] = __half2int_rd(__float2half_rn(x)), o[19] = __float_as_int(__uint2float_rz(__float_as_uint(x)));
}

// Integer intrinsics, the per-byte and per-half-word ones included.
extern "C" __global__ void integers(const unsigned *a, const unsigned *b, const unsigned *c, unsigned *out, int n) {
    int i = INDEX;
    if (i >= n) return;
    unsigned x = a[i], y = b[i], z = c[i];
    unsigned *o = out + 24 * i;
    o[0] = __byte_perm(x, y, z), o[1] = __funnelshift_l(x, y, z), o[2] = __funnelshift_r(x, y, z);
    o[3] = __funnelshift_lc(x, y, z), o[4] = __funnelshift_rc(x, y, z), o[5] = __popc(x), o[6] = __clz(x);
    o[7] = __ffs(x), o[8] = __brev(x), o[9] = __umulhi(x, y), o[10] = __mulhi((int)x, (int)y), o[11] = __umul24(x, y);
    o[12] = __mul24((int)x, (int)y), o[13] = __usad(x, y, z), o[14] = __sad((int)x, (int)y, z);
    o[15] = __dp4a((int)x, (int)y, (int)z), o[16] = __dp4a(x, y, z), o[17] = __uhadd(x, y), o[18] = __urhadd(x, y);
    o[19] = __vadd4(x, y), o[20] = __vminu4(x, y), o[21] = __vmaxs2(x, y), o[22] = __vcmpgtu4(x, y), o[23] = __vaddus2(x, y);
}

// Operators and functions of cuda_fp16.h.
extern "C" __global__ void halves(const __half *a, const __half *b, const __half *c, __half *out, int n) {
    int i = INDEX;
    if (i >= n) return;
    __half x = a[i], y = b[i], z = c[i];
    __half *o = out + 12 * i;
    o[0] = x + y, o[1] = x - y, o[2] = x * y, o[3] = __hfma(x, y, z), o[4] = x / y, o[5] = __hfma_relu(x, y, z), o[6] = __hfma_sat(x, y, z);
    o[7] = __hmax(x, y), o[8] = __hmin_nan(x, y), o[9] = hrint(x), o[10] = __habs(x);
    __half2 pair = __hfma2(__halves2half2(x, y), __halves2half2(y, z), __halves2half2(z, x));
    o[11] = __hgt(x, y) ? __low2half(pair) : __high2half(pair);
}

// Operators and functions of cuda_bf16.h.
extern "C" __global__ void bfloats(const __nv_bfloat16 *a, const __nv_bfloat16 *b, const __nv_bfloat16 *c, __nv_bfloat16 *out, int n) {
    int i = INDEX;
    if (i >= n) return;
    __nv_bfloat16 x = a[i], y = b[i], z = c[i];
    __nv_bfloat16 *o = out + 12 * i;
    o[0] = x + y, o[1] = x - y, o[2] = x * y, o[3] = __hfma(x, y, z), o[4] = x / y, o[5] = __hfma_relu(x, y, z), o[6] = __hfma_sat(x, y, z);
    o[7] = __hmax(x, y), o[8] = __hmin_nan(x, y), o[9] = hrint(x), o[10] = __habs(x);
    __nv_bfloat162 pair = __hfma2(__halves2bfloat162(x, y), __halves2bfloat162(y, z), __halves2bfloat162(z, x));
    o[11] = __hgt(x, y) ? __low2bfloat16(pair) : __high2bfloat16(pair);
}

// The mathematics library in f32 and f64. Its slow paths use local memory and 64-bit products.
extern "C" __global__ void functions(const float *a, float *out, int n) {
    int i = INDEX;
    if (i >= n) return;
    float x = a[i], p = fabsf(x);
    float *o = out + 16 * i;
    o[0] = expf(x), o[1] = logf(p), o[2] = sinf(x), o[3] = cosf(x), o[4] = tanhf(x), o[5] = erff(x), o[6] = rsqrtf(p), o[7] = cbrtf(x);
    o[8] = exp2f(x), o[9] = log2f(p), o[10] = expm1f(x), o[11] = log1pf(p), o[12] = powf(p, 0.7f), o[13] = erfcf(x), o[14] = asinhf(x), o[15] = fmodf(x, 0.37f);
}

extern "C" __global__ void double_functions(const double *a, double *out, int n) {
    int i = INDEX;
    if (i >= n) return;
    double x = a[i], p = fabs(x);
    double *o = out + 8 * i;
    o[0] = exp(x), o[1] = log(p), o[2] = sin(x), o[3] = tanh(x), o[4] = 1.0 / x, o[5] = sqrt(p), o[6] = rsqrt(p), o[7] = fma(x, x, -p);
}
