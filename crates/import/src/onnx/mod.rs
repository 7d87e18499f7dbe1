//! ONNX: chains of Conv, BatchNormalization, Gemm, MatMul, Add, Relu, Flatten and Reshape with float weights.

mod messages;
mod structure;

use std::collections::BTreeMap;

use prost::Message;
use quern_proof::limits::{MAX_COLS, MAX_ROWS};

use crate::{
    Error, Result, Weights,
    matrix::Matrix,
    network::{Grid, Kernel, Layer, Network, Patches},
};
use messages::{Graph, Model, Node, Tensor, Value};

/// ONNX's number for 32-bit floats.
const FLOAT: i32 = 1;
/// ONNX's number for 64-bit integers.
const LONG: i32 = 7;
/// Most values of a tensor: 16 GiB of floats.
const MOST_VALUES: usize = 1 << 32;

/// Most bytes of a file beside the values of its weights: names, shapes and settings of the largest graph are far less.
const MOST_STRUCTURE: usize = 16 << 20;
/// Most values that a layer reads or makes of an item: 2 GiB, as the float model computes.
const MOST_LAYER_VALUES: usize = 1 << 28;

/// Reads a network out of an `.onnx` file.
///
/// # Errors
/// It is none, has an op or a setting that is not imported, or is no chain.
pub fn read(file: &[u8]) -> Result<Network> {
    match structure::bytes(file) {
        Some(0..=MOST_STRUCTURE) => {}
        Some(bytes) => {
            return Err(unsupported(
                "what a file holds beside weights",
                format!("{bytes} bytes"),
                "16 MiB",
            ));
        }
        None => return Err(Error::Onnx("its messages lead out of it".into())),
    }
    let model = Model::decode(file).map_err(|error| Error::Onnx(error.to_string()))?;
    let graph = model.graph.unwrap_or_default();
    let mut weights = Weights::default();
    let (mut shapes, mut lists) = (BTreeMap::new(), BTreeMap::new());
    for tensor in &graph.initializers {
        let shape = sizes(&tensor.dims)?;
        if tensor.kind == FLOAT {
            weights.insert(&tensor.name, &shape, floats(tensor)?);
        }
        if tensor.kind == LONG {
            lists.insert(tensor.name.clone(), longs(tensor));
        }
        shapes.insert(tensor.name.clone(), shape);
    }
    let input = only_input(&graph, &shapes)?;
    let grid = input_grid(input)?;
    let mut chain = Chain {
        weights,
        shapes,
        lists,
        value: input.name.clone(),
        grid,
        layers: Vec::new(),
    };
    for node in &graph.nodes {
        chain.node(node)?;
    }
    let is_result = graph.outputs.len() == 1 && graph.outputs[0].name == chain.value;
    if !is_result || chain.layers.is_empty() {
        return Err(unsupported(
            "the result",
            "not that of the last op".into(),
            "a chain of ops",
        ));
    }
    Ok(Network {
        input: grid,
        layers: chain.layers,
    })
}

fn unsupported(what: &'static str, found: String, supported: &'static str) -> Error {
    Error::Unsupported {
        what,
        found,
        supported,
    }
}

/// A size or a distance.
fn size(value: i64) -> Result<usize> {
    match usize::try_from(value) {
        Ok(size) if size <= MAX_ROWS as usize => Ok(size),
        _ => Err(unsupported("a size", value.to_string(), "0 to 16,777,216")),
    }
}

/// The dimensions of a tensor that has values, and not more than memory holds.
fn sizes(dims: &[i64]) -> Result<Vec<usize>> {
    let sizes: Vec<usize> = dims.iter().map(|dim| size(*dim)).collect::<Result<_>>()?;
    let count = sizes
        .iter()
        .try_fold(1usize, |count, size| count.checked_mul(*size));
    match count {
        Some(1..=MOST_VALUES) => Ok(sizes),
        _ => Err(unsupported(
            "a tensor's shape",
            format!("{dims:?}"),
            "1 to 2^32 values",
        )),
    }
}

fn floats(tensor: &Tensor) -> Result<Vec<f32>> {
    let fours = tensor.raw.as_chunks::<4>().0.iter();
    let raw: Vec<f32> = fours.map(|bytes| f32::from_le_bytes(*bytes)).collect();
    match (raw.is_empty(), tensor.floats.is_empty()) {
        (false, _) => Ok(raw),
        (true, false) => Ok(tensor.floats.clone()),
        (true, true) => Err(unsupported(
            "a tensor's data",
            format!("outside the file ({})", tensor.name),
            "a file that holds its weights",
        )),
    }
}

fn longs(tensor: &Tensor) -> Vec<i64> {
    let eights = tensor.raw.as_chunks::<8>().0.iter();
    let raw: Vec<i64> = eights.map(|bytes| i64::from_le_bytes(*bytes)).collect();
    match raw.is_empty() {
        true => tensor.longs.clone(),
        false => raw,
    }
}

/// The one input that is no weight.
fn only_input<'g>(graph: &'g Graph, shapes: &BTreeMap<String, Vec<usize>>) -> Result<&'g Value> {
    let inputs = graph.inputs.iter();
    let mut inputs = inputs.filter(|input| !shapes.contains_key(&input.name));
    match (inputs.next(), inputs.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(unsupported(
            "the number of inputs",
            "not 1".into(),
            "one input",
        )),
    }
}

/// `n x K`, or `n x C x H x W`.
fn input_grid(input: &Value) -> Result<Grid> {
    let kind = input.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
    let shape = kind.and_then(|kind| kind.shape.as_ref());
    let dims: Vec<i64> = shape
        .iter()
        .flat_map(|shape| &shape.dims)
        .map(|dim| dim.size)
        .collect();
    let sizes = sizes(dims.get(1..).unwrap_or_default())?;
    // A pixel is a row of a tensor.
    let is_row = |channels: usize| channels <= MAX_COLS as usize;
    match *sizes {
        [cols] if is_row(cols) => Ok(Grid::row(cols)),
        [channels, rows, cols] if is_row(channels) && rows * cols <= MAX_ROWS as usize => {
            Ok(Grid {
                rows,
                cols,
                channels,
                is_flat: false,
            })
        }
        _ => Err(unsupported(
            "the input's shape",
            format!("{dims:?}"),
            "n x K or n x C x H x W, at most 1,048,576 channels and 16,777,216 pixels",
        )),
    }
}

/// The network up to a node.
struct Chain {
    weights: Weights,
    shapes: BTreeMap<String, Vec<usize>>,
    /// Lists of whole numbers.
    lists: BTreeMap<String, Vec<i64>>,
    /// The name of the value that the next node reads.
    value: String,
    grid: Grid,
    layers: Vec<Layer>,
}

impl Chain {
    fn node(&mut self, node: &Node) -> Result<()> {
        let reads = |name: &String| *name == self.value;
        let is_next = match node.op.as_str() {
            // Both orders are written.
            "Add" => node.inputs.iter().any(reads),
            _ => node.inputs.first().is_some_and(reads),
        };
        let [output, ..] = node.outputs.as_slice() else {
            return Err(unsupported("an op's results", "0".into(), "one"));
        };
        if !is_next {
            return Err(unsupported(
                "the graph",
                format!("branched before {output}"),
                "a chain of ops",
            ));
        }
        match node.op.as_str() {
            "Identity" | "Dropout" => {}
            "Flatten" => self.flatten(int(node, "axis", 1) == 1)?,
            "Reshape" => self.reshape(node)?,
            "Conv" => self.conv(node)?,
            "Gemm" | "MatMul" => self.dense(node)?,
            "Add" => self.add(node)?,
            "BatchNormalization" => self.normalize(node)?,
            "Relu" => self.last("Relu")?.is_rectified = true,
            other => {
                return Err(unsupported(
                    "an op",
                    other.to_owned(),
                    "Conv, BatchNormalization, Gemm, MatMul, Add, Relu, Flatten, Reshape",
                ));
            }
        }
        self.value.clone_from(output);
        Ok(())
    }

    fn flatten(&mut self, is_row: bool) -> Result<()> {
        if !is_row {
            return Err(unsupported("Flatten's axis", "not 1".into(), "1"));
        }
        self.grid.is_flat = true;
        Ok(())
    }

    /// Only what Flatten says as well: one row an item.
    fn reshape(&mut self, node: &Node) -> Result<()> {
        let wanted = self.lists.get(input(node, 1)?);
        let len = self.grid.pixels() * self.grid.channels;
        let is_row = |last: i64| last == -1 || usize::try_from(last) == Ok(len);
        match wanted.map(Vec::as_slice) {
            Some([_, last]) if is_row(*last) => self.flatten(true),
            other => Err(unsupported(
                "Reshape",
                format!("{other:?}"),
                "one row an item",
            )),
        }
    }

    /// The layer that an op is folded into: nothing stands between.
    fn last(&mut self, op: &'static str) -> Result<&mut Layer> {
        match self.layers.last_mut() {
            Some(layer) if !layer.is_rectified => Ok(layer),
            _ => Err(unsupported(
                op,
                "not behind a product".into(),
                "Conv, Gemm or MatMul before it",
            )),
        }
    }

    fn shape(&self, name: &str) -> Result<Vec<usize>> {
        let shape = self.shapes.get(name).cloned();
        shape.ok_or_else(|| Error::NoTensor(name.to_owned()))
    }

    /// The weights of one value a column, however they are shaped.
    fn columns(&self, name: &str, count: usize) -> Result<Vec<f64>> {
        let shape = self.shape(name)?;
        if shape.iter().product::<usize>() != count {
            return Err(Error::Shape {
                name: name.to_owned(),
                expected: vec![count],
                found: shape,
            });
        }
        self.weights.values(name, &shape)
    }

    fn conv(&mut self, node: &Node) -> Result<()> {
        let name = input(node, 1)?;
        let shape = self.shape(name)?;
        let [count, channels, height, width] = *shape else {
            return Err(unsupported(
                "Conv's weight",
                format!("{shape:?}"),
                "N x C x H x W",
            ));
        };
        let plain = [
            ("group", int(node, "group", 1) == 1),
            (
                "dilations",
                ints(node, "dilations").iter().all(|size| *size == 1),
            ),
            ("auto_pad", is_default(node, "auto_pad", "NOTSET")),
            (
                "input",
                !self.grid.is_flat && channels == self.grid.channels,
            ),
        ];
        if let Some((setting, _)) = plain.iter().find(|(_, is_plain)| !is_plain) {
            return Err(unsupported(
                "Conv",
                (*setting).to_owned(),
                "one group over all channels, undilated, padded by numbers",
            ));
        }
        let kernel = Kernel {
            size: [height, width],
            stride: pair(&ints(node, "strides"), 1)?,
            pad: pair(&ints(node, "pads"), 0)?,
            pad_end: pair(ints(node, "pads").get(2..).unwrap_or_default(), 0)?,
        };
        let (patches, grid) = Patches::of_kernel(&self.grid, &kernel)?;
        let values = self.weights.values(name, &shape)?;
        let area = height * width;
        // ONNX counts channels before pixels; a row that GATHER makes has the channels of a pixel side by side.
        let at = |j: usize, k: usize| values[(j * channels + k % channels) * area + k / channels];
        let weight = matrix(count, area * channels, at);
        let bias = match node.inputs.get(2) {
            Some(name) => self.columns(name, count)?,
            None => vec![0.0; count],
        };
        let layer = Layer {
            patches: Some(patches),
            weight,
            bias,
            is_rectified: false,
        };
        let channels = count;
        self.push(layer, Grid { channels, ..grid })
    }

    fn dense(&mut self, node: &Node) -> Result<()> {
        let name = input(node, 1)?;
        let shape = self.shape(name)?;
        let [first, second] = *shape else {
            return Err(unsupported(
                "a product's weight",
                format!("{shape:?}"),
                "two dimensions",
            ));
        };
        let is_plain = float(node, "alpha", 1.0) == 1.0
            && float(node, "beta", 1.0) == 1.0
            && int(node, "transA", 0) == 0;
        if !is_plain {
            return Err(unsupported(
                "Gemm",
                "scaled or transposed".into(),
                "alpha = beta = 1, transA = 0",
            ));
        }
        let is_by_output = int(node, "transB", 0) == 1;
        let (count, inner) = if is_by_output {
            (first, second)
        } else {
            (second, first)
        };
        let (pixels, channels) = (self.grid.pixels(), self.grid.channels);
        if !self.grid.is_flat || inner != pixels * channels {
            return Err(Error::Shape {
                name: name.to_owned(),
                expected: vec![pixels * channels],
                found: vec![inner],
            });
        }
        let values = self.weights.values(name, &shape)?;
        let at = |j: usize, k: usize| {
            let k = k % channels * pixels + k / channels;
            values[if is_by_output {
                j * inner + k
            } else {
                k * count + j
            }]
        };
        let weight = matrix(count, inner, at);
        let bias = match node.inputs.get(2) {
            Some(name) => self.columns(name, count)?,
            None => vec![0.0; count],
        };
        let layer = Layer {
            patches: (pixels > 1).then(|| Patches::all(pixels)),
            weight,
            bias,
            is_rectified: false,
        };
        self.push(layer, Grid::row(count))
    }

    /// Adds a layer that makes such values. A small file may name a layer that no memory holds.
    fn push(&mut self, layer: Layer, made: Grid) -> Result<()> {
        let side_by_side = layer
            .patches
            .as_ref()
            .map_or(0, |patches| patches.pixels.len());
        let reads = side_by_side.saturating_mul(self.grid.channels);
        let most = reads.max(made.pixels().saturating_mul(made.channels));
        if most > MOST_LAYER_VALUES {
            return Err(unsupported(
                "a layer's size",
                format!("{most} values of an item"),
                "268,435,456 at most",
            ));
        }
        self.layers.push(layer);
        self.grid = made;
        Ok(())
    }

    fn add(&mut self, node: &Node) -> Result<()> {
        let other = node.inputs.iter().find(|name| **name != self.value);
        let other =
            other.ok_or_else(|| unsupported("Add", "of a value to itself".into(), "a bias"))?;
        // A bias lines up with the last dimension, and channels are that in rows only.
        let channels = self.grid.channels;
        let shape = self.shape(other)?;
        let shape: Vec<usize> = shape.into_iter().skip_while(|size| *size == 1).collect();
        let is_bias = match (self.grid.is_flat, shape.as_slice()) {
            (true, [size]) | (false, [size, 1, 1]) => *size == channels,
            (_, rest) => rest.is_empty() && channels == 1,
        };
        if !is_bias {
            return Err(Error::Shape {
                name: other.clone(),
                expected: vec![channels],
                found: shape,
            });
        }
        let bias = self.columns(other, channels)?;
        let layer = self.last("Add")?;
        layer.bias = layer.bias.iter().zip(bias).map(|(a, b)| a + b).collect();
        Ok(())
    }

    /// Folds scale, offset, mean and variance into the layer before.
    fn normalize(&mut self, node: &Node) -> Result<()> {
        let count = self.grid.channels;
        let [scale, offset, mean, variance] = [1, 2, 3, 4].map(|slot| {
            let name = input(node, slot)?;
            self.columns(name, count)
        });
        let (scale, offset, mean, variance) = (scale?, offset?, mean?, variance?);
        let epsilon = float(node, "epsilon", 1e-5);
        let layer = self.last("BatchNormalization")?;
        let cols = layer.weight.cols;
        let rows = layer.weight.data.chunks_exact_mut(cols);
        for (j, row) in rows.enumerate() {
            let factor = scale[j] / (variance[j] + epsilon).sqrt();
            if !factor.is_finite() {
                return Err(Error::Range {
                    what: "BatchNormalization's scale over the root of its variance",
                    value: factor,
                });
            }
            row.iter_mut().for_each(|weight| *weight *= factor);
            layer.bias[j] = (layer.bias[j] - mean[j]) * factor + offset[j];
        }
        Ok(())
    }
}

fn matrix(rows: usize, cols: usize, at: impl Fn(usize, usize) -> f64) -> Matrix {
    let places = (0..rows).flat_map(|j| (0..cols).map(move |k| (j, k)));
    Matrix {
        rows,
        cols,
        data: places.map(|(j, k)| at(j, k)).collect(),
    }
}

fn input(node: &Node, slot: usize) -> Result<&str> {
    let name = node.inputs.get(slot);
    name.map(String::as_str)
        .ok_or_else(|| Error::NoTensor(format!("for operand {slot} of {}", node.op)))
}

fn int(node: &Node, name: &str, default: i64) -> i64 {
    let found = node.attributes.iter().find(|one| one.name == name);
    found.map_or(default, |one| one.int)
}

fn float(node: &Node, name: &str, default: f64) -> f64 {
    let found = node.attributes.iter().find(|one| one.name == name);
    found.map_or(default, |one| f64::from(one.float))
}

fn ints(node: &Node, name: &str) -> Vec<i64> {
    let found = node.attributes.iter().find(|one| one.name == name);
    found.map(|one| one.ints.clone()).unwrap_or_default()
}

fn is_default(node: &Node, name: &str, default: &str) -> bool {
    let found = node.attributes.iter().find(|one| one.name == name);
    found.is_none_or(|one| one.string == default.as_bytes())
}

/// The first two sizes; none of them are `default`.
fn pair(values: &[i64], default: usize) -> Result<[usize; 2]> {
    let mut pair = [default; 2];
    for (to, value) in pair.iter_mut().zip(values) {
        *to = size(*value)?;
    }
    Ok(pair)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use messages::{Attribute, Dimension, Kind, Shape, TensorKind};

    fn node(op: &str, inputs: &[&str], output: &str) -> Node {
        Node {
            inputs: inputs.iter().map(ToString::to_string).collect(),
            outputs: vec![output.to_owned()],
            op: op.to_owned(),
            attributes: Vec::new(),
        }
    }

    fn tensor(name: &str, dims: &[i64], value: f32) -> Tensor {
        Tensor {
            dims: dims.to_vec(),
            kind: FLOAT,
            floats: vec![value; dims.iter().product::<i64>() as usize],
            name: name.to_owned(),
            ..Tensor::default()
        }
    }

    fn input(dims: &[i64]) -> Value {
        let dims = dims.iter().map(|size| Dimension { size: *size });
        let shape = Some(Shape {
            dims: dims.collect(),
        });
        Value {
            name: "x".to_owned(),
            kind: Some(Kind {
                tensor: Some(TensorKind { shape }),
            }),
        }
    }

    /// A convolution by a kernel of one pixel over an input of this shape.
    fn convolved(dims: [i64; 4], weight: &Tensor, attributes: Vec<Attribute>) -> Result<Network> {
        let conv = Node {
            attributes,
            ..node("Conv", &["x", "w"], "y")
        };
        let graph = Graph {
            nodes: vec![conv],
            initializers: vec![weight.clone()],
            inputs: vec![input(&dims)],
            outputs: vec![Value {
                name: "y".to_owned(),
                kind: None,
            }],
        };
        read(&Model { graph: Some(graph) }.encode_to_vec())
    }

    /// Files of strangers: sizes that no memory holds, or that are none, are refused before anything is made of them.
    #[test]
    fn hostile_sizes_are_refused() {
        let ints = |name: &str, ints: &[i64]| Attribute {
            name: name.to_owned(),
            ints: ints.to_vec(),
            ..Attribute::default()
        };
        let one = tensor("w", &[1, 1, 1, 1], 1.0);
        let small = [1, 1, 4, 4];
        assert!(convolved(small, &one, Vec::new()).is_ok());
        for dims in [
            [1, 1, 1 << 24, 1 << 24],
            [1, 1, 1 << 14, 1 << 14],
            [1, 1 << 21, 1, 1],
            [1, 1, -4, 4],
            [1, 1, 0, 4],
            [1, i64::MAX, i64::MAX, i64::MAX],
        ] {
            assert!(convolved(dims, &one, Vec::new()).is_err(), "{dims:?}");
        }
        for attribute in [
            ints("strides", &[0, 1]),
            ints("strides", &[-1, 1]),
            ints("pads", &[1 << 24, 1 << 24, 1 << 24, 1 << 24]),
            ints("pads", &[i64::MIN, 0, 0, 0]),
        ] {
            let shown = format!("{attribute:?}");
            assert!(convolved(small, &one, vec![attribute]).is_err(), "{shown}");
        }
        // A million pixels, a thousand channels each, out of a file of 4 KiB.
        let wide = tensor("w", &[1_000, 1, 1, 1], 1.0);
        let refused = convolved([1, 1, 1_024, 1_024], &wide, Vec::new());
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("1048576000 values")
        );
        // Dimensions that the data do not have.
        let claimed = Tensor {
            dims: vec![1 << 20, 1, 1, 1],
            ..one
        };
        let refused = convolved(small, &claimed, Vec::new());
        assert!(matches!(refused, Err(Error::Shape { .. })));
    }

    /// Two bytes an op, of which each would take a hundred.
    #[test]
    fn a_file_of_nothing_but_structure_is_refused() {
        let mut file = vec![0x3a];
        prost::encoding::encode_varint(1 << 25, &mut file);
        file.extend([0x0a, 0x00].repeat(1 << 24));
        let refused = read(&file).unwrap_err().to_string();
        assert!(refused.contains("33554437 bytes"), "{refused}");
    }

    /// A product of one column and its normalization, by this scale and this variance.
    fn normalized(scale: f32, variance: f32) -> Result<Network> {
        let dims = [0, 1].map(|size| Dimension { size }).to_vec();
        let shape = Some(Shape { dims });
        let kind = Some(Kind {
            tensor: Some(TensorKind { shape }),
        });
        let value = |name: &str| Value {
            name: name.to_owned(),
            kind: kind.clone(),
        };
        let graph = Graph {
            nodes: vec![
                node("MatMul", &["x", "w"], "y"),
                node("BatchNormalization", &["y", "s", "o", "m", "v"], "z"),
            ],
            initializers: vec![
                tensor("w", &[1, 1], 2.0),
                tensor("s", &[1], scale),
                tensor("o", &[1], 0.0),
                tensor("m", &[1], 0.0),
                tensor("v", &[1], variance),
            ],
            inputs: vec![value("x")],
            outputs: vec![value("z")],
        };
        read(&Model { graph: Some(graph) }.encode_to_vec())
    }

    #[test]
    fn a_normalization_without_a_finite_scale_is_refused() {
        let network = normalized(3.0, 1.0).unwrap();
        assert!((network.layers[0].weight.data[0] - 6.0).abs() < 1e-4);
        for (scale, variance) in [(1.0, -1.0), (f32::INFINITY, 1.0), (1.0, f32::NAN)] {
            let refused = normalized(scale, variance);
            assert!(
                matches!(refused, Err(Error::Range { .. })),
                "{scale} {variance}"
            );
        }
    }
}
