//! `quern model run`: a graph on inputs or texts, on this machine, to the bit as a provider must compute it.

use {
    crate::{
        compute, data,
        error::{Error, Result},
        files,
        folder::{self, ModelFolder},
        formats::{self, Format},
        output::{self, Fields, print_text},
        progress, texts,
    },
    quern_proof::{
        Tensor,
        eval::{Batch, DEFAULT_MAX_ITEM_BYTES},
        graph::Graph,
        shape::Scope,
    },
    std::path::{Path, PathBuf},
};

/// What runs on what.
#[derive(clap::Args)]
pub struct Args {
    /// The graph's file, or an imported model: its folder, or its name in the folder that QUERN_MODELS names
    #[arg(value_name = "GRAPH", value_parser = folder::graph_place)]
    graph: PathBuf,
    /// The weights' file [default: that of the folder]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Files with the input tensors, in the graph's order; without the tokens in a graph that generates them
    #[arg(long, value_name = "FILE", num_args = 1.., group = "given")]
    input: Vec<PathBuf>,
    /// A text for an imported model with a tokenizer (repeatable)
    #[arg(long, value_name = "TEXT", group = "given")]
    text: Vec<String>,
    /// A file with such texts, one on each line
    #[arg(long, value_name = "FILE", group = "given")]
    texts: Option<PathBuf>,
    /// Write the result into this file, in the format that its name says [default: show the first values]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs a graph.
pub fn run(format: output::Format, args: &Args) -> Result<()> {
    // Before the work, not behind it.
    let to = args.out.as_deref().map(|path| Format::of(path, None));
    let to = to.transpose()?;
    if let Some(path) = &args.out {
        files::check_place(path, "--out")?;
    }
    let paths = folder::GraphFiles::of(&args.graph, args.weights.as_deref());
    let bytes = data::read_graph(&paths.graph, "GRAPH")?;
    let graph = Graph::parse(&bytes).map_err(quern_proof::Error::from)?;
    let weights = match &paths.weights {
        Some(path) => data::read_weights(path, &graph)?,
        None => Vec::new(),
    };
    let inputs = inputs(args)?;
    let items = items(&graph, &inputs)?;
    let job = Job {
        graph: &graph,
        weights: &weights,
        items,
    };
    let computed = job.compute(inputs)?;
    let fields = Fields::new()
        .with("items", items)
        .text("result", formats::shape(&computed.result))
        .text("trace_root", hex::encode(computed.commitment.trace_root));
    show(
        format,
        (args.out.as_deref().zip(to), fields),
        &computed.result,
    )
}

fn show(
    format: output::Format,
    (out, fields): (Option<(&Path, Format)>, Fields),
    result: &Tensor,
) -> Result<()> {
    match (out, format) {
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

/// What the graph reads: tensors out of files, or texts in the words of its tokenizer.
fn inputs(args: &Args) -> Result<Vec<Tensor>> {
    let all = match &args.texts {
        Some(path) => texts::read(path, "--texts")?,
        None => args.text.clone(),
    };
    if all.is_empty() {
        return data::read_inputs(&args.input);
    }
    if !ModelFolder::is(&args.graph) {
        return Err(Error::Usage(format!(
            "{} is no folder of an imported model, so it has no tokenizer; give tensors with --input, or import the model with `quern model import`",
            args.graph.display()
        )));
    }
    let tokenizer = folder::tokenizer(&ModelFolder::read(&args.graph)?)?;
    let tokenized = texts::tokenized(&tokenizer, &all)?;
    Ok(vec![tokenized.ids, tokenized.mask])
}

/// How many items the inputs hold: the rows of the first one that has rows of each item.
///
/// # Errors
/// `Usage`: rows that no number of items has.
pub fn items(graph: &Graph<'_>, inputs: &[Tensor]) -> Result<u32> {
    for (index, tensor) in quern_data::sizes::given_inputs(graph).zip(inputs) {
        let shape = graph
            .input(index.into())
            .map_err(quern_proof::Error::from)?;
        if shape.scope == Scope::Fixed {
            continue;
        }
        if !tensor.rows().is_multiple_of(shape.rows) {
            return Err(Error::Usage(format!(
                "input {index} has {} rows, and an item has {}; give whole items",
                tensor.rows(),
                shape.rows
            )));
        }
        return Ok(tensor.rows() / shape.rows);
    }
    Ok(1)
}

/// A run of a graph.
struct Job<'j> {
    graph: &'j Graph<'j>,
    weights: &'j [Tensor],
    items: u32,
}

impl Job<'_> {
    /// Computes all items; the tokens of a graph that has any are generated first.
    fn compute(&self, mut inputs: Vec<Tensor>) -> Result<compute::Computed> {
        if let Some(tokens) = self.graph.tokens() {
            let place = usize::from(tokens).min(inputs.len());
            let shape = self
                .graph
                .input(tokens.into())
                .map_err(quern_proof::Error::from)?;
            let bytes = usize::try_from(shape.bytes()).unwrap_or(usize::MAX);
            let blank = vec![0; bytes.saturating_mul(self.items as usize)];
            let blank = Tensor::from_bytes(shape.dtype, self.items, shape.cols, blank)?;
            inputs.insert(place, blank);
            let bar = progress::bar(self.items.into(), "generating");
            let text = compute::generated(&self.batch(&inputs)?, &mut |done| {
                bar.set_position(done.into());
            });
            bar.finish_and_clear();
            inputs[place] = text?;
        }
        let bar = progress::bar(self.items.into(), "computing");
        let computed = compute::all(&self.batch(&inputs)?, &mut |done| {
            bar.set_position(done.into());
        });
        bar.finish_and_clear();
        computed
    }

    fn batch<'b>(&'b self, inputs: &'b [Tensor]) -> Result<Batch<'b>> {
        let limit = DEFAULT_MAX_ITEM_BYTES;
        Ok(Batch::new(
            self.graph,
            self.items,
            inputs,
            self.weights,
            limit,
        )?)
    }
}
