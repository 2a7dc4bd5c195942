"""ONNX's node tests of the operators that this crate's kernels compute, as one safetensors file. Run by `cargo xtask onnx`.

A test's inputs and outputs are the tensors `NAME/inputs/I` and `NAME/outputs/O`. The metadata has, by NAME, a JSON object with the operator, its attributes, the
outputs' names and the tolerances.
"""
import json
import sys

import numpy
from onnx.backend.test.loader import load_model_tests
from onnx.helper import get_attribute_value
from safetensors.numpy import save_file

OPERATORS = {"LayerNormalization", "RMSNormalization", "RotaryEmbedding", "Gelu", "SoftmaxCrossEntropyLoss"}


def attribute(value):
    return value.decode() if isinstance(value, bytes) else value


tensors, tests = {}, {}
# Reference code of operators that are not wanted divides by zero.
with numpy.errstate(all="ignore"):
    cases = load_model_tests(kind="node")
for case in cases:
    nodes = case.model.graph.node
    # An operator's test, not one of the same operator written out in simpler ones.
    if len(nodes) != 1 or nodes[0].op_type not in OPERATORS:
        continue
    (node,), ((inputs, outputs),) = nodes, case.data_sets
    tests[case.name] = json.dumps(
        {
            "operator": node.op_type,
            "attributes": {a.name: attribute(get_attribute_value(a)) for a in node.attribute},
            "outputs": list(node.output),
            "rtol": case.rtol,
            "atol": case.atol,
        }
    )
    for kind, arrays in (("inputs", inputs), ("outputs", outputs)):
        for index, array in enumerate(arrays):
            tensors[f"{case.name}/{kind}/{index}"] = numpy.ascontiguousarray(array)
save_file(tensors, sys.argv[1], metadata=tests)
print(f"{len(tests)} ONNX node tests")
