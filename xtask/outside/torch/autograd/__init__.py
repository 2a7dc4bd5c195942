"""`Function`, whose `forward` and `backward` are called by hand with a [`Context`]."""


class Context:
    """What a forward leaves for its backward."""

    saved_tensors = ()

    def __init__(self, inputs=16):
        self.needs_input_grad = (True,) * inputs

    def save_for_backward(self, *tensors):
        self.saved_tensors = tensors

    def mark_non_differentiable(self, *_):
        pass

    mark_dirty = set_materialize_grads = mark_non_differentiable


class Function:
    @classmethod
    def apply(cls, *arguments):
        return cls.forward(Context(len(arguments)), *arguments)

