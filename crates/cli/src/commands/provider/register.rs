//! `quern provider register`: a provider's entry.

use {
    crate::{context::Context, error::Result, output::Fields},
    quern_client::{
        Pubkey, Signer, accounts, addresses, instructions,
        quern::{instructions::ProviderSettings, state::Provider},
    },
};

/// A provider's entry.
#[derive(clap::Args)]
pub struct Args {
    /// Its name, at most 32 bytes
    #[arg(long)]
    name: String,
    /// How to reach it, at most 200 bytes
    #[arg(long, default_value = "", value_name = "URI")]
    endpoint: String,
    /// Hot key that may take, submit and reveal [default: the wallet]
    #[arg(long, value_name = "ADDRESS")]
    operator: Option<Pubkey>,
    /// Whether it takes jobs
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    active: bool,
}

/// Registers a provider, or changes its entry.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let wallet = context.wallet()?;
    let owner = wallet.pubkey();
    context.protocol().await?;
    let entry = ProviderSettings {
        operator: args.operator.unwrap_or(owner),
        name: args.name,
        endpoint: args.endpoint,
        active: args.active,
    };
    let known =
        accounts::fetch_optional::<Provider>(context.rpc(), &addresses::provider(&owner)).await?;
    let (instruction, done) = match known {
        Some(_) => (instructions::update_provider(&owner, entry), "updated"),
        None => (instructions::register_provider(&owner, entry), "registered"),
    };
    let fields = Fields::new()
        .text("provider", addresses::provider(&owner))
        .text("owner", owner)
        .text("done", done);
    context
        .send_and_show(&[instruction], &[&wallet], fields)
        .await
}
