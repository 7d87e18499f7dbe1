//! `quern provider update`: some of a provider's entry; the rest stays.

use {
    crate::{
        commands::protocol::changes,
        context::Context,
        error::{Error, Result},
        output::Fields,
    },
    quern_client::{
        Pubkey, Signer, accounts, addresses,
        history::{self, Order},
        instructions,
        quern::{events::QuernEvent, instructions::ProviderSettings, state::Provider},
    },
};

/// What changes; what is not named stays.
#[derive(clap::Args)]
#[group(required = true, multiple = true)]
pub struct Args {
    /// Its name, at most 32 bytes
    #[arg(long)]
    name: Option<String>,
    /// How to reach it, at most 200 bytes
    #[arg(long, value_name = "URI")]
    endpoint: Option<String>,
    /// Hot key that may take, submit and reveal
    #[arg(long, value_name = "ADDRESS")]
    operator: Option<Pubkey>,
    /// Whether it takes jobs
    #[arg(long, value_name = "BOOL")]
    active: Option<bool>,
}

/// Changes a provider's entry.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let wallet = context.wallet()?;
    let owner = wallet.pubkey();
    context.protocol().await?;
    let address = addresses::provider(&owner);
    let found = accounts::fetch_optional::<Provider>(context.rpc(), &address).await?;
    let provider = found.ok_or_else(|| {
        Error::Other(format!(
            "{owner} is not registered as a provider; see `quern provider register --help`"
        ))
    })?;
    let endpoint = match args.endpoint {
        Some(endpoint) => endpoint,
        None => endpoint(context, &address, &provider).await?,
    };
    let wanted = ProviderSettings {
        operator: args.operator.unwrap_or(provider.operator),
        name: args.name.unwrap_or(accounts::name(&provider.name)),
        active: args.active.unwrap_or(provider.active.get()),
        endpoint,
    };
    let done = changes(&entry(&provider), &wanted_entry(&wanted)).text("provider", address);
    let update = instructions::update_provider(&owner, wanted);
    context.send_and_show(&[update], &[&wallet], done).await
}

/// The text behind the endpoint's hash, which the program wants again.
async fn endpoint(context: &Context, address: &Pubkey, provider: &Provider) -> Result<String> {
    if provider.endpoint_hash == [0; 32] {
        return Ok(String::new());
    }
    let pick = |event: &QuernEvent| {
        let text = match event {
            QuernEvent::ProviderRegistered(event) if event.owner == provider.owner => {
                &event.endpoint
            }
            QuernEvent::ProviderUpdated(event) if event.owner == provider.owner => &event.endpoint,
            _ => return None,
        };
        (history::uri_hash(text) == provider.endpoint_hash).then(|| text.clone())
    };
    let found = history::find(context.rpc(), address, Order::NewestFirst, pick).await?;
    found.ok_or_else(|| {
        Error::Other(
            "the node keeps too few transactions to tell the present endpoint; name it with --endpoint"
                .to_owned(),
        )
    })
}

fn entry(provider: &Provider) -> Fields {
    Fields::new()
        .text("name", accounts::name(&provider.name))
        .text("operator", provider.operator)
        .with("active", provider.active.get())
        .text("endpoint", hex::encode(provider.endpoint_hash))
}

fn wanted_entry(wanted: &ProviderSettings) -> Fields {
    Fields::new()
        .text("name", &wanted.name)
        .text("operator", wanted.operator)
        .with("active", wanted.active)
        .text("endpoint", hex::encode(history::uri_hash(&wanted.endpoint)))
}
