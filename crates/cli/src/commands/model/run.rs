//! `quern model run`: a graph on inputs, on this machine, to the bit as a provider must compute it.

use {
    crate::{
        data,
        error::{Error, Result},
        files,
        formats::{self, Format},
        output::{self, Fields, print_text},
    },
    quern_proof::{Tensor, commit::Trace, eval, graph::Graph},
    std::path::PathBuf,
};

/// What runs on what.
#[derive(clap::Args)]
pub struct Args {
    /// The graph's file
    #[arg(value_name = "GRAPH")]
    graph: PathBuf,
    /// The weights' file
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Files with the input tensors, in the graph's order
    #[arg(long, value_name = "FILE", num_args = 1..)]
    input: Vec<PathBuf>,
    /// Write the result into this file, in the format that its name says [default: show the first values]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs a graph.
pub fn run(format: output::Format, args: &Args) -> Result<()> {
    // Before the work, not behind it.
    let to = args.out.as_deref().map(|path| Format::of(path, None));
    let to = to.transpose()?;
    let bytes = data::read_graph(&args.graph, "GRAPH")?;
    let graph = Graph::parse(&bytes).map_err(quern_proof::Error::from)?;
    let weights = match &args.weights {
        Some(path) => data::read_weights(path, &graph)?,
        None => Vec::new(),
    };
    let inputs = data::read_inputs(&args.input)?;
    let found = (0..graph.input_count()).find(|index| graph.is_input_batch(*index));
    let batch = found.and_then(|index| inputs.get(index));
    let batch_rows = batch.map_or(0, Tensor::rows);
    let trace = Trace::new(eval::run(&graph, batch_rows, &inputs, &weights)?)?;
    let result = trace
        .result()
        .ok_or_else(|| Error::file(&args.graph, "it has no ops"))?;
    let fields = Fields::new()
        .with("batch_rows", batch_rows)
        .text("result", formats::shape(result))
        .text("trace_root", hex::encode(trace.root()));
    match (args.out.as_deref().zip(to), format) {
        (Some((path, to)), _) => {
            let written = formats::write(result, to, None).map_err(Error::Usage)?;
            files::write(path, written, "--out")?;
            fields.text("written", path.display()).print(format);
        }
        (None, output::Format::Json) => fields.with("values", formats::rows(result)).print(format),
        (None, output::Format::Table) => {
            fields.print(format);
            formats::preview(result)
                .iter()
                .for_each(|line| print_text(&format!("   {line}")));
        }
    }
    Ok(())
}
