//! `quern model estimate`: what a job with a graph takes: work, memory, files, and what it costs at least.

use {
    crate::{
        context::Context,
        data,
        error::{Error, Result},
        folder,
        named::InMint,
        output::{Fields, Format},
    },
    quern_client::quern::state::Assurance,
    quern_data::sizes::Sizes,
    quern_proof::{
        graph::Graph,
        node::{NodeId, Tree},
    },
    quern_rules::caps::{RowCost, job_price},
    std::path::PathBuf,
};

/// Which graph, and how much of it.
#[derive(clap::Args)]
pub struct Args {
    /// The graph's file, or an imported model: its folder, or its name in the folder that QUERN_MODELS names
    #[arg(value_name = "GRAPH", value_parser = folder::graph_place)]
    graph: PathBuf,
    /// Items: sentences, images; 1 for a graph whose inputs are all fixed
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    items: u32,
    /// Also ask the cluster for the least price and bond
    #[arg(long)]
    prices: bool,
    #[command(flatten)]
    mint: InMint,
}

impl Args {
    /// Whether a cluster is asked.
    pub const fn asks(&self) -> bool {
        self.prices || self.mint.mint.is_some()
    }
}

/// Estimates a job; `context` is there if the cluster is asked.
pub async fn run(format: Format, context: Option<&Context>, args: &Args) -> Result<()> {
    let path = folder::GraphFiles::of(&args.graph, None).graph;
    let bytes = data::read_graph(&path, "GRAPH")?;
    let graph = Graph::parse(&bytes).map_err(quern_proof::Error::from)?;
    let sealed = graph.check().map_err(quern_proof::Error::from)?;
    let work = graph
        .admit(&sealed, args.items, graph.input_count())
        .map_err(|misfit| Error::Usage(format!("{misfit}; correct --items")))?;
    let sizes = Sizes::of(&graph, args.items)?;
    let mut fields = fields(&graph, &sizes, args.items, work);
    if let Some(context) = context {
        fields = prices(context, args, work, fields).await?;
    }
    fields.print(format);
    Ok(())
}

fn fields(graph: &Graph<'_>, sizes: &Sizes, items: u32, work: u64) -> Fields {
    let root = NodeId::new(Tree::Trace, 0, 0);
    Fields::new()
        .with("items", items)
        .with("work", work)
        .bytes("input_file", sizes.inputs)
        .bytes("weights_file", sizes.weights)
        .bytes("result_file", sizes.result)
        .bytes("roots_file", sizes.roots)
        .bytes("trace_of_an_item", sizes.trace)
        .bytes("memory_to_compute", sizes.work_bytes())
        .bytes("memory_of_a_provider", sizes.memory_bytes())
        .bytes("memory_to_check", sizes.case_bytes())
        .with(
            "most_demands_to_a_wrong_value",
            root.most_left(graph, items),
        )
}

/// The least price and bond of a refereed job of one milestone.
async fn prices(context: &Context, args: &Args, work: u64, fields: Fields) -> Result<Fields> {
    let (protocol, mint) = (context.protocol().await?, args.mint.config(context).await?);
    let floors = mint.floors(&protocol, Assurance::Refereed);
    // All of the least price, and no more.
    let priced = job_price(&RowCost { floors, work }, 1, 10_000)
        .map_err(|error| Error::Usage(error.to_string()))?;
    Ok(fields
        .text("mint", mint.mint)
        .tokens("least_price", priced.price_atoms, mint.decimals)
        .tokens("least_bond", priced.quote.least_bond_atoms, mint.decimals))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn traces_of_all_items_need_no_memory() {
        let bytes = include_bytes!("../../../../../models/tiny/tiny.qmodel");
        let graph = Graph::parse(bytes).unwrap();
        let of = |items| {
            let sizes = Sizes::of(&graph, items).unwrap();
            fields(&graph, &sizes, items, 7).json()
        };
        let (one, many) = (of(1), of(1_000));
        let same = "trace_of_an_item_bytes";
        assert_eq!(one[same], many[same]);
        assert!(
            many["memory_to_compute_bytes"].as_u64() < Some(1 << 20),
            "{many}"
        );
        // Ten more levels of the trace, four at a time.
        let demands =
            |json: &serde_json::Value| json["most_demands_to_a_wrong_value"].as_u64().unwrap();
        assert!(
            (2..=3).contains(&(demands(&many) - demands(&one))),
            "{one} {many}"
        );
    }
}
