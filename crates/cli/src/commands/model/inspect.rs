//! `quern model inspect`: what a graph file holds and whether it can be sealed, before it is sealed for ever.

use {
    crate::{
        data,
        error::Result,
        formats::dtype_name,
        output::{Fields, Format, Width, list_text, print_text},
    },
    quern_proof::{
        graph::Graph,
        hash::hash,
        node::Operand,
        shape::{Rows, Shape},
    },
    serde_json::Value,
    std::path::PathBuf,
};

/// Which graph.
#[derive(clap::Args)]
pub struct Args {
    /// The graph's file
    #[arg(value_name = "GRAPH")]
    graph: PathBuf,
}

/// Shows a graph.
pub fn run(format: Format, args: &Args) -> Result<()> {
    let bytes = data::read_graph(&args.graph, "GRAPH")?;
    let graph = Graph::parse(&bytes).map_err(quern_proof::Error::from)?;
    let macs = graph.check().map_err(quern_proof::Error::from)?;
    let tensors = tensors(&graph)?;
    let fields = Fields::new()
        .text("graph", args.graph.display())
        .with("bytes", bytes.len())
        .text("sha256", hex::encode(hash(&[&bytes])))
        .with("can_be_sealed", true)
        .with("inputs", graph.input_count())
        .with("weights", graph.weight_count())
        .with("ops", graph.op_count())
        .with("macs_fixed", macs.fixed)
        .with("macs_per_row", macs.per_row);
    match format {
        Format::Json => {
            let all: Vec<Value> = tensors.iter().map(Fields::json).collect();
            fields.with("tensors", all).print(format);
        }
        Format::Table => {
            fields.print(format);
            let table = list_text(&tensors, Width::Screen, "");
            table.lines().for_each(print_text);
        }
    }
    Ok(())
}

/// Inputs, weights and outputs of ops, in the order of the graph.
fn tensors(graph: &Graph<'_>) -> std::result::Result<Vec<Fields>, quern_proof::Error> {
    let row = |name: Operand, what: &str, shape: Shape, made_of: String| {
        Fields::new()
            .text("tensor", name)
            .text("what", what)
            .text("shape", shown(&shape))
            .text("made_of", made_of)
    };
    let mut all = Vec::new();
    // A graph has at most 64 of each.
    for index in 0..graph.input_count() {
        let shape = graph.input(index)?;
        all.push(row(
            Operand::Input(index as u8),
            "input",
            shape,
            String::new(),
        ));
    }
    for index in 0..graph.weight_count() {
        let shape = graph.weight(index)?.shape;
        all.push(row(
            Operand::Weight(index as u8),
            "weight",
            shape,
            String::new(),
        ));
    }
    for index in 0..graph.op_count() {
        let op = graph.op(index)?;
        let operands: Vec<String> = op.operands().map(|one| one.to_string()).collect();
        let shape = graph.output(index)?;
        all.push(row(
            Operand::Op(index as u8),
            op.name(),
            shape,
            operands.join(", "),
        ));
    }
    Ok(all)
}

/// `i8 batch x 784`.
fn shown(shape: &Shape) -> String {
    let rows = match shape.rows {
        Rows::Batch => "batch".to_owned(),
        Rows::Fixed(rows) => rows.to_string(),
    };
    format!("{} {rows} x {}", dtype_name(shape.dtype), shape.cols)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, crate::output::assert_fits};

    #[test]
    fn the_digits_graph_is_shown_op_by_op() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../models/digits/digits.qmodel"
        );
        let bytes = std::fs::read(path).unwrap();
        let table = list_text(
            &tensors(&Graph::parse(&bytes).unwrap()).unwrap(),
            Width::Screen,
            "",
        );
        crate::snapshot::check("model-inspect", &table);
        assert_fits(&tensors(&Graph::parse(&bytes).unwrap()).unwrap());
    }
}
