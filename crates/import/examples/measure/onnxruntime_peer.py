"""onnxruntime, beside what the benchmark measures: reads a command a line, answers a line.

    version                                         what runs here
    product NAME THREADS M K N GROUPS WEIGHT        prepares GROUPS products u8 x i8 -> i32; WEIGHT 1: the right side is constant
    encoder NAME THREADS FOLDER SEQUENCE KIND       prepares the encoder in FOLDER in KIND: float, or int8 (quantize_dynamic)
    run NAME TIMES                                  runs it; seconds of all runs
"""

import json
import os
import sys
import tempfile
import time

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

PREPARED = {}


def session(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that went on spinning after a run would disturb who is measured next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def prepare(name, model, threads, inputs):
    made = session(model, threads)
    binding = made.io_binding()
    for key, value in inputs.items():
        binding.bind_cpu_input(key, value)
    for output in made.get_outputs():
        binding.bind_output(output.name, "cpu")
    made.run_with_iobinding(binding)
    PREPARED[name] = (made, binding, inputs)


def run(name, times):
    made, binding, _ = PREPARED[name]
    begin = time.perf_counter()
    for _ in range(times):
        made.run_with_iobinding(binding)
    return time.perf_counter() - begin


def product(name, threads, m, k, n, groups, weight):
    random = numpy.random.default_rng(1)
    left = random.integers(0, 256, (groups, m, k), dtype=numpy.uint8)
    right = random.integers(-128, 128, (groups, k, n), dtype=numpy.int8)
    zero = numpy_helper.from_array(numpy.array(128, dtype=numpy.uint8), "zero")
    inputs, constants, given = [value("a", TensorProto.UINT8, left.shape)], [zero], {"a": left}
    if weight:
        constants.append(numpy_helper.from_array(right, "b"))
    else:
        inputs.append(value("b", TensorProto.INT8, right.shape))
        given["b"] = right
    nodes = [helper.make_node("MatMulInteger", ["a", "b", "zero"], ["c"])]
    output = value("c", TensorProto.INT32, (groups, m, n))
    prepare(name, serialized(nodes, inputs, [output], constants), threads, given)


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, list(shape))


def serialized(nodes, inputs, outputs, constants):
    graph = helper.make_graph(nodes, "bench", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    length = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, one in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__" and one["dtype"] == "F32":
            first, last = (8 + length + at for at in one["data_offsets"])
            tensors[name] = numpy.frombuffer(data[first:last], "<f4").reshape(one["shape"])
    return tensors


class Float:
    """The float encoder as an ONNX graph."""

    def __init__(self, folder, sequence):
        with open(os.path.join(folder, "config.json")) as file:
            self.config = json.load(file)
        self.weights = safetensors(os.path.join(folder, "model.safetensors"))
        self.sequence, self.nodes, self.constants = sequence, [], []

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(numpy.ascontiguousarray(array), name))
        return name

    def op(self, kind, *inputs, **attributes):
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def number(self, number):
        return self.constant(numpy.float32(number))

    def linear(self, x, name):
        weight = self.constant(self.weights[name + ".weight"].T)
        return self.op("Add", self.op("MatMul", x, weight), self.constant(self.weights[name + ".bias"]))

    def norm(self, x, name):
        parts = [self.constant(self.weights[f"{name}.{part}"]) for part in ("weight", "bias")]
        return self.op("LayerNormalization", x, *parts, axis=-1, epsilon=self.config["layer_norm_eps"])

    def heads(self, x, order):
        heads = self.config["num_attention_heads"]
        shape = self.constant(numpy.array([1, self.sequence, heads, -1], dtype=numpy.int64))
        return self.op("Transpose", self.op("Reshape", x, shape), perm=order)

    def layer(self, x, bias, name):
        query, key, value_ = (
            self.heads(self.linear(x, f"{name}.attention.self.{part}"), order)
            for part, order in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3]))
        )
        width = self.config["hidden_size"]
        root = (width / self.config["num_attention_heads"]) ** 0.5
        scores = self.op("Div", self.op("MatMul", query, key), self.number(root))
        shares = self.op("Softmax", self.op("Add", scores, bias), axis=-1)
        context = self.op("Transpose", self.op("MatMul", shares, value_), perm=[0, 2, 1, 3])
        shape = self.constant(numpy.array([1, self.sequence, width], dtype=numpy.int64))
        attended = self.linear(self.op("Reshape", context, shape), f"{name}.attention.output.dense")
        x = self.norm(self.op("Add", attended, x), f"{name}.attention.output.LayerNorm")
        hidden = self.linear(x, f"{name}.intermediate.dense")
        erf = self.op("Erf", self.op("Div", hidden, self.number(2**0.5)))
        active = self.op("Mul", hidden, self.op("Add", erf, self.number(1)))
        fallen = self.linear(self.op("Mul", active, self.number(0.5)), f"{name}.output.dense")
        return self.norm(self.op("Add", fallen, x), f"{name}.output.LayerNorm")

    def model(self):
        table = "embeddings.{}_embeddings.weight"
        places = self.weights[table.format("position")][: self.sequence] + self.weights[table.format("token_type")][0]
        x = self.op("Gather", self.constant(self.weights[table.format("word")]), "ids")
        x = self.norm(self.op("Add", x, self.constant(places)), "embeddings.LayerNorm")
        mask = self.op("Cast", "mask", to=TensorProto.FLOAT)
        hidden = self.op("Mul", self.op("Sub", self.number(1), mask), self.number(-10000))
        bias = self.op("Unsqueeze", hidden, self.constant(numpy.array([1, 2], dtype=numpy.int64)))
        for index in range(self.config["num_hidden_layers"]):
            x = self.layer(x, bias, f"encoder.layer.{index}")
        column = self.op("Unsqueeze", mask, self.constant(numpy.array([2], dtype=numpy.int64)))
        axis = self.constant(numpy.array([1], dtype=numpy.int64))
        total = self.op("ReduceSum", self.op("Mul", x, column), axis, keepdims=0)
        self.op("Div", total, self.op("ReduceSum", column, axis, keepdims=0))
        inputs = [value(name, TensorProto.INT64, (1, self.sequence)) for name in ("ids", "mask")]
        output = value(self.nodes[-1].output[0], TensorProto.FLOAT, (1, self.config["hidden_size"]))
        return serialized(self.nodes, inputs, [output], self.constants)


def encoder(name, threads, folder, sequence, kind):
    model = Float(folder, sequence).model()
    if kind == "int8":
        from onnxruntime.quantization import QuantType, quantize_dynamic

        with tempfile.TemporaryDirectory() as place:
            paths = [os.path.join(place, end) for end in ("float.onnx", "int8.onnx")]
            with open(paths[0], "wb") as file:
                file.write(model)
            quantize_dynamic(*paths, weight_type=QuantType.QInt8)
            with open(paths[1], "rb") as file:
                model = file.read()
    ids = numpy.arange(1000, 1000 + sequence, dtype=numpy.int64)[None]
    prepare(name, model, threads, {"ids": ids, "mask": numpy.ones((1, sequence), numpy.int64)})


def answer(command, *rest):
    if command == "version":
        return f"onnxruntime {onnxruntime.__version__}"
    if command == "product":
        product(rest[0], *map(int, rest[1:]))
    elif command == "encoder":
        encoder(rest[0], int(rest[1]), rest[2], int(rest[3]), rest[4])
    elif command == "run":
        return str(run(rest[0], int(rest[1])))
    else:
        sys.exit(f"no such command: {command}")
    return "ready"


for line in sys.stdin:
    print(answer(*line.split()), flush=True)
