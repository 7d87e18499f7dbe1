//! `quern model transfer` and `accept`: a model changes hands in two steps, so that it never belongs to a key that nobody has.

use {
    crate::{
        commands::protocol::authority::{self, shown},
        context::Context,
        data,
        error::{Error, Result},
        named,
        output::Fields,
        signer,
    },
    quern_client::{Pubkey, Signer, instructions},
};

/// Which model goes to whom.
#[derive(clap::Args)]
pub struct Args {
    /// The model: its address, or its name, if no other has it
    #[arg(value_name = "ADDRESS_OR_NAME")]
    model: String,
    #[command(flatten)]
    to: authority::Args,
}

/// Names the next owner.
pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let wallet = context.wallet()?;
    let address = named::model(context, &args.model).await?;
    let model = data::model(context, &address).await?.model;
    require_owner(&address, &model.owner, &wallet.pubkey())?;
    let proposed = args.to.proposed();
    if proposed == model.owner {
        return Err(Error::Usage(format!("{proposed} owns the model already")));
    }
    let update = instructions::update_model(&wallet.pubkey(), &address, None, Some(proposed));
    let done = Fields::new()
        .text("model", address)
        .text("owner", model.owner)
        .text("proposed", shown(&proposed));
    context.send_and_show(&[update], &[&wallet], done).await
}

/// Takes a model over.
pub async fn accept(context: &Context, text: &str) -> Result<()> {
    let wallet = context.wallet()?;
    let address = named::model(context, text).await?;
    let model = data::model(context, &address).await?.model;
    let propose = format!("model transfer {address}");
    let present = ("owner", &model.owner);
    signer::require_proposed(&wallet.pubkey(), present, &model.pending_owner, &propose)?;
    let accept = instructions::accept_model_owner(&wallet.pubkey(), &address);
    let done = Fields::new()
        .text("model", address)
        .text("owner", wallet.pubkey())
        .text("before", model.owner);
    context.send_and_show(&[accept], &[&wallet], done).await
}

/// Refuses a wallet that does not own the model.
pub fn require_owner(model: &Pubkey, owner: &Pubkey, wallet: &Pubkey) -> Result<()> {
    let action = format!("change the model {model}");
    signer::require(wallet, &[("owner", *owner)], &action)
}
