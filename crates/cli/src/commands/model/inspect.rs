//! `quern model inspect`: what a graph file holds and whether it can be sealed, before it is sealed for ever.

use {
    super::evidence::{self, Dearest},
    crate::{
        data,
        error::Result,
        folder,
        formats::dtype_name,
        output::{Fields, Format, Width, list_text, print_text},
    },
    quern_proof::{
        graph::{Graph, Sealed},
        hash::hash,
        node::Operand,
        ops::flag,
        shape::{Scope, Shape},
    },
    serde_json::Value,
    std::{collections::BTreeMap, path::PathBuf},
};

/// Which graph.
#[derive(clap::Args)]
pub struct Args {
    /// The graph's file, or an imported model: its folder, or its name in the folder that QUERN_MODELS names
    #[arg(value_name = "GRAPH", value_parser = folder::graph_place)]
    graph: PathBuf,
    /// The weights' file, to be compared with the graph [default: that of the folder]
    #[arg(value_name = "WEIGHTS")]
    weights: Option<PathBuf>,
    /// Items of the job whose evidence is estimated: more of them make longer paths
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    items: u32,
}

/// Shows a graph.
pub fn run(format: Format, args: &Args) -> Result<()> {
    let files = folder::GraphFiles::of(&args.graph, args.weights.as_deref());
    let bytes = data::read_graph(&files.graph, "GRAPH")?;
    let graph = Graph::parse(&bytes).map_err(quern_proof::Error::from)?;
    let sealed = graph.check().map_err(quern_proof::Error::from)?;
    if let Some(weights) = &files.weights {
        data::read_weights_at(weights, &graph, "WEIGHTS")?;
    }
    let ops = Ops::of(&graph, args.items)?;
    let (operands, kinds) = (operands(&graph)?, ops.kinds());
    let fields = summary(args, &bytes, (&graph, &sealed));
    let fields = fields.maybe(
        "weights_checked",
        files
            .weights
            .as_ref()
            .map(|_| "yes: they are those of the graph"),
    );
    match format {
        Format::Json => {
            let all = |list: &[Fields]| list.iter().map(Fields::json).collect::<Vec<Value>>();
            fields
                .with("tensors", all(&operands))
                .with("op_list", all(&ops.list))
                .with("kinds", all(&kinds))
                .print(format);
        }
        Format::Table => {
            fields.print(format);
            for table in [&operands, &ops.list, &kinds] {
                print_text("");
                let text = list_text(table, Width::Screen, "");
                text.lines().for_each(print_text);
            }
        }
    }
    Ok(())
}

fn summary(args: &Args, bytes: &[u8], (graph, sealed): (&Graph<'_>, &Sealed)) -> Fields {
    let fields = Fields::new()
        .text("graph", args.graph.display())
        .with("bytes", bytes.len())
        .text("sha256", hex::encode(hash(&[bytes])))
        .with("can_be_sealed", true)
        .with("inputs", graph.input_count())
        .with("weights", graph.weight_count())
        .with("ops", graph.op_count())
        .with("work_of_an_item", sealed.work)
        .with("trace_bytes_of_an_item", sealed.trace_bytes)
        .maybe(
            "generates",
            graph
                .tokens()
                .map(|input| format!("the text of input {input}")),
        );
    match folder::ModelFolder::is(&args.graph) {
        true => fields.text("folder", "of an imported model"),
        false => fields,
    }
}

/// Inputs and weights, in the order of the graph.
fn operands(graph: &Graph<'_>) -> std::result::Result<Vec<Fields>, quern_proof::Error> {
    let row = |name: Operand, shape: Shape| {
        let given = match name {
            Operand::Input(index) if graph.tokens() == Some(index) => "tokens, by the provider",
            Operand::Input(_) if shape.scope == Scope::Item => "input of each item",
            Operand::Input(_) => "input of all items",
            _ => "weight",
        };
        Fields::new()
            .text("tensor", name)
            .text("what", given)
            .text("shape", shown(&shape, false))
            .with("tensor_bytes", shape.bytes())
    };
    let mut all = Vec::new();
    for index in 0..graph.input_count() {
        all.push(row(Operand::Input(index as u16), graph.input(index)?));
    }
    for index in 0..graph.weight_count() {
        all.push(row(
            Operand::Weight(index as u16),
            graph.weight(index)?.shape,
        ));
    }
    Ok(all)
}

/// All ops with what each costs.
struct Ops {
    list: Vec<Fields>,
    costs: BTreeMap<&'static str, Kind>,
}

/// What all ops of one kind cost.
#[derive(Default)]
struct Kind {
    count: usize,
    work: u64,
    trace_bytes: u64,
    dearest: Dearest,
}

impl Ops {
    fn of(graph: &Graph<'_>, items: u32) -> std::result::Result<Self, quern_proof::Error> {
        let mut all = Self {
            list: Vec::new(),
            costs: BTreeMap::new(),
        };
        for index in 0..graph.op_count() {
            let (op, record) = (graph.op(index)?, graph.record(index)?);
            let shape = graph.output(index)?;
            let dearest = evidence::dearest(graph, items, index as u16)?;
            let work = graph.cost(index)?.work;
            let operands: Vec<String> = op.operands().map(short).collect();
            let row = Fields::new()
                .with("op", index)
                .text("kind", op.name())
                .text("made_of", operands.join(" "))
                .text("result", shown(&shape, record.has(flag::TRANSPOSED)))
                .with("work", work)
                .with("bytes", shape.bytes())
                .with("evidence", dearest.bytes)
                .with("units", dearest.compute_units);
            all.list.push(row);
            let kind = all.costs.entry(op.name()).or_default();
            kind.count += 1;
            kind.work += work;
            kind.trace_bytes += shape.bytes();
            kind.dearest.bytes = kind.dearest.bytes.max(dearest.bytes);
            kind.dearest.compute_units = kind.dearest.compute_units.max(dearest.compute_units);
        }
        Ok(all)
    }

    /// A line for each kind of op: what all of them cost, and the dearest cell of any.
    fn kinds(&self) -> Vec<Fields> {
        let rows = self.costs.iter().map(|(name, kind)| {
            Fields::new()
                .text("kind", name)
                .with("ops", kind.count)
                .with("work", kind.work)
                .with("trace_bytes", kind.trace_bytes)
                .with("worst_evidence_bytes", kind.dearest.bytes)
                .with("about_compute_units", kind.dearest.compute_units)
        });
        rows.collect()
    }
}

/// `x3`, `i0`, `w7`: an op's result, an input, a weight.
fn short(operand: Operand) -> String {
    match operand {
        Operand::Op(index) => format!("x{index}"),
        Operand::Input(index) => format!("i{index}"),
        Operand::Weight(index) => format!("w{index}"),
    }
}

/// `i8 1 x 784`, of one item; T where it is stored transposed.
fn shown(shape: &Shape, is_transposed: bool) -> String {
    let transposed = if is_transposed { " T" } else { "" };
    format!(
        "{} {} x {}{transposed}",
        dtype_name(shape.dtype),
        shape.rows,
        shape.cols
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, crate::output::assert_fits, quern_proof::graph::leaf_work};

    #[test]
    fn a_graph_with_every_op_is_shown_op_by_op() {
        let bytes = include_bytes!("../../../../../models/tiny/tiny.qmodel");
        let graph = Graph::parse(bytes).unwrap();
        let ops = Ops::of(&graph, 1_000).unwrap();
        let (operands, kinds) = (operands(&graph).unwrap(), ops.kinds());
        let tables = [&operands, &ops.list, &kinds].map(|table| {
            assert_fits(table);
            list_text(table, Width::Screen, "")
        });
        crate::snapshot::check("model-inspect", &tables.join("\n\n"));
        let sealed = graph.check().unwrap();
        let of_inputs = (0..graph.input_count()).map(|index| graph.input(index).unwrap());
        let of_inputs = of_inputs.filter(|shape| shape.scope == Scope::Item);
        let of_inputs: u64 = of_inputs
            .map(|shape| leaf_work(shape.rows, shape.cols, shape.dtype))
            .sum();
        let work = of_inputs + ops.costs.values().map(|kind| kind.work).sum::<u64>();
        let trace_bytes: u64 = ops.costs.values().map(|kind| kind.trace_bytes).sum();
        assert_eq!((work, trace_bytes), (sealed.work, sealed.trace_bytes));
        assert_eq!(ops.costs.len(), 8, "all ops are in it");
    }
}
