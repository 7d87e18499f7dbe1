//! `quern model estimate`: what a job with a graph takes: work, memory, files, and what it costs at least.

use {
    crate::{
        context::Context,
        data,
        error::{Error, Result},
        named::InMint,
        output::{Fields, Format},
    },
    quern_client::quern::state::Assurance,
    quern_data::sizes::Sizes,
    quern_proof::graph::Graph,
    quern_rules::quote::{Offer, quote},
    std::path::PathBuf,
};

/// Which graph, and how much of it.
#[derive(clap::Args)]
pub struct Args {
    /// The graph's file
    #[arg(value_name = "GRAPH")]
    graph: PathBuf,
    /// Rows of the batch; 0 for a graph without one
    #[arg(long, value_name = "ROWS")]
    rows: u32,
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
    let bytes = data::read_graph(&args.graph, "GRAPH")?;
    let graph = Graph::parse(&bytes).map_err(quern_proof::Error::from)?;
    let macs = graph.check().map_err(quern_proof::Error::from)?;
    let macs = graph
        .admit(&macs, args.rows, graph.input_count())
        .map_err(|misfit| Error::Usage(misfit.to_string()))?;
    let sizes = Sizes::of(&graph, args.rows)?;
    let mut fields = Fields::new()
        .with("batch_rows", args.rows)
        .with("macs", macs)
        .text("input_file", mebibytes(sizes.inputs))
        .text("weights_file", mebibytes(sizes.weights))
        .text("trace_file", mebibytes(sizes.trace_file))
        .text("memory_to_check", mebibytes(sizes.case_bytes()));
    if let Some(context) = context {
        fields = prices(context, args, macs, fields).await?;
    }
    fields.print(format);
    Ok(())
}

/// The least price and bond of a refereed job of one milestone.
async fn prices(context: &Context, args: &Args, macs: u64, fields: Fields) -> Result<Fields> {
    let (protocol, mint) = (context.protocol().await?, args.mint.config(context).await?);
    let floors = mint.floors(&protocol, Assurance::Refereed);
    let of = |price_atoms| {
        let offer = Offer {
            macs,
            is_refereed: true,
            milestones: 1,
            price_atoms,
        };
        quote(&floors, &offer).map_err(|error| Error::Usage(error.to_string()))
    };
    let least = of(mint.least_price_atoms.get())?.least_price_atoms;
    let tokens = |atoms| crate::amount::show(atoms, mint.decimals);
    Ok(fields
        .text("mint", mint.mint)
        .text("least_price", tokens(least))
        .text("least_bond", tokens(of(least)?.least_bond_atoms)))
}

/// With one decimal.
fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10).div_ceil(1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up() {
        let shown = [0, 1, 1 << 20, 3 << 19, u64::MAX].map(mebibytes);
        assert_eq!(shown[..4], ["0.0 MiB", "0.1 MiB", "1.0 MiB", "1.5 MiB"]);
    }
}
