//! `quern campaign join`: a provider's entry in a campaign.

use {
    crate::{
        context::Context,
        error::{Error, Result},
        named,
        output::{Fields, print_nothing},
        when,
    },
    quern_client::{
        Pubkey, Signer, accounts, addresses, clock, instructions,
        quern::state::{Entry, Provider},
    },
};

/// Which provider in which campaign.
#[derive(clap::Args)]
pub struct Args {
    /// The campaign
    campaign: Pubkey,
    /// The provider: its owner, or its name, if no other has it [default: the wallet's]
    #[arg(long = "for", value_name = "ADDRESS_OR_NAME")]
    provider: Option<String>,
}

/// Joins a campaign.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let wallet = context.wallet()?;
    let owner = match &args.provider {
        Some(text) => named::provider(context, text).await?,
        None => wallet.pubkey(),
    };
    let protocol = context.protocol().await?;
    let campaign = context.campaign(&args.campaign).await?;
    let address = addresses::entry(&args.campaign, &owner);
    let done = Fields::new()
        .text("entry", address)
        .text("campaign", args.campaign)
        .text("provider", owner);
    let entry = accounts::fetch_optional::<Entry>(context.rpc(), &address).await?;
    if entry.is_some() {
        let why = format!("{owner} has joined the campaign {} already", args.campaign);
        print_nothing(context.format, done, &why);
        return Ok(());
    }
    if protocol.paused.get() {
        return Err(Error::Other(
            "the protocol is paused, so nobody joins a campaign; try again when `quern protocol show` says otherwise".to_owned(),
        ));
    }
    let (times, now) = (campaign.times(), clock::moment(context.rpc()).await?.now);
    if !times.is_open(now) {
        return Err(Error::Other(format!(
            "the campaign {} ended at {}, so nobody joins it any more; `quern campaign list` shows the others",
            args.campaign,
            when::show(times.end)
        )));
    }
    let provider = addresses::provider(&owner);
    let registered = accounts::fetch_optional::<Provider>(context.rpc(), &provider).await?;
    if registered.is_none() {
        return Err(Error::Other(format!(
            "{owner} is not registered as a provider, so it cannot join; run `quern provider register`, or name one with --for"
        )));
    }
    let join = instructions::join_campaign(&wallet.pubkey(), &args.campaign, &owner);
    context.send_and_show(&[join], &[&wallet], done).await
}
