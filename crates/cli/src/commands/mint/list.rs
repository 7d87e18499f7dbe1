//! `quern mint list`: all registered mints.

use {
    super::show::fields,
    crate::{context::Context, error::Result, output::Fields},
    quern_client::accounts,
};

/// Lists mints.
pub async fn run(context: &Context) -> Result<()> {
    context.protocol().await?;
    let mints = accounts::mint_configs(context.rpc()).await?;
    let list: Vec<Fields> = mints.iter().map(|(_, config)| fields(config)).collect();
    context.print_list(
        &list,
        "No mint is registered yet; see `quern mint register --help`.",
    );
    Ok(())
}
