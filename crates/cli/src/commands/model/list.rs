//! `quern model list`: models, all or of one creator.

use {
    super::show::fields,
    crate::{context::Context, error::Result, output::Fields},
    quern_client::{Pubkey, accounts},
};

/// Which models.
#[derive(clap::Args)]
pub struct Args {
    /// Of this creator only
    #[arg(long, value_name = "ADDRESS")]
    creator: Option<Pubkey>,
}

/// Lists models.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    context.protocol().await?;
    let models = accounts::models(context.rpc(), args.creator.as_ref()).await?;
    let list: Vec<Fields> = models
        .iter()
        .map(|(address, model)| fields(address, model))
        .collect();
    context.print_list(
        &list,
        "There are no models yet; see `quern model register --help`.",
    );
    Ok(())
}
