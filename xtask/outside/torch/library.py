from torch import _decorator

custom_op = register_fake = register_kernel = triton_op = impl = _decorator


def wrap_triton(kernel):
    return kernel
