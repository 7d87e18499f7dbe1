//! `quern model update`: royalty, address of the weights and activity for new jobs.

use {
    super::transfer::require_owner,
    crate::{
        amount::show_bps,
        commands::protocol::changes,
        context::Context,
        data::{self, Reach},
        error::{Error, Result},
        limits, named,
        output::{Fields, print_nothing},
        progress, written,
    },
    quern_client::{
        ClientError, Signer,
        accounts::ModelAccount,
        history, instructions,
        quern::{constants::MAX_ROYALTY_BPS, instructions::ModelSettings},
    },
    quern_data::sizes,
    quern_proof::graph::Graph,
};

/// What changes; what is not named stays.
#[derive(clap::Args)]
pub struct Args {
    /// The model: its address, or its name, if no other has it
    #[arg(value_name = "ADDRESS_OR_NAME")]
    model: String,
    /// Where its weights are: the address of one bundle file, at most 200 bytes
    #[arg(long, value_name = "URI", value_parser = written::uri)]
    uri: Option<String>,
    /// Your share of the price of every new job that uses it, at most 50 %
    #[arg(long, value_parser = limits::share(MAX_ROYALTY_BPS), value_name = "SHARE")]
    royalty: Option<u16>,
    /// Whether new jobs may use it
    #[arg(long, value_name = "BOOL")]
    active: Option<bool>,
    /// Name the address although its weights could not be checked
    #[arg(long)]
    skip_weights_check: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Changes a model's settings.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let wallet = context.wallet()?;
    let address = named::model(context, &args.model).await?;
    let account = data::model(context, &address).await?;
    let model = &account.model;
    require_owner(&address, &model.owner, &wallet.pubkey())?;
    let known = history::model_uri(context.rpc(), &address, model).await;
    let before = match (known, &args.uri) {
        (Ok(uri), _) => uri,
        (Err(ClientError::UriUnknown { .. }), Some(_)) => "unknown".to_owned(),
        (Err(ClientError::UriUnknown { .. }), None) => {
            return Err(Error::Other(
                "the node keeps too few transactions to tell where the weights are; name the place again with --uri".to_owned(),
            ));
        }
        (Err(error), _) => return Err(error.into()),
    };
    let wanted = ModelSettings {
        active: args.active.unwrap_or(model.active.get()),
        royalty_bps: args.royalty.unwrap_or(model.royalty_bps.get()),
        uri: args.uri.clone().unwrap_or_else(|| before.clone()),
    };
    if wanted.uri != before && !args.skip_weights_check {
        check_weights(context, &account, &wanted.uri, &args.reach).await?;
    }
    let present = entry(model.active.get(), model.royalty_bps.get(), &before);
    let next = entry(wanted.active, wanted.royalty_bps, &wanted.uri);
    let done = changes(&present, &next);
    if done.is_empty() {
        print_nothing(
            context.format,
            Fields::new(),
            "nothing would change; name --uri, --royalty or --active with another value",
        );
        return Ok(());
    }
    let done = done.text("model", address);
    let update = instructions::update_model(&wallet.pubkey(), &address, Some(wanted), None);
    context.send_and_show(&[update], &[&wallet], done).await
}

fn entry(is_active: bool, royalty_bps: u16, uri: &str) -> Fields {
    Fields::new()
        .with("active", is_active)
        .text("royalty", show_bps(u32::from(royalty_bps)))
        .text("uri", uri)
}

/// Refuses an address at which nobody would find the sealed weights.
async fn check_weights(
    context: &Context,
    account: &ModelAccount,
    uri: &str,
    reach: &Reach,
) -> Result<()> {
    if !account.model.sealed.get() {
        return Ok(());
    }
    let graph = Graph::load(&account.graph)?;
    let fetcher = reach.fetcher(context).await?;
    let check = async {
        let bytes = fetcher
            .fetch(uri, Some(sizes::weights_bytes(&graph)?))
            .await?;
        sizes::checked_weights(&graph, &bytes)?;
        Ok::<_, Error>(())
    };
    progress::during("checking the weights", check).await.map_err(|error| {
        Error::Other(format!(
            "the weights at the new address could not be checked: {error}; without them nobody can serve the model (--skip-weights-check goes on regardless)"
        ))
    })
}
