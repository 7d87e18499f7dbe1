//! `quern protocol propose-authority` and `accept-authority`: the protocol changes hands in two steps, so that it never ends
//! with a key that nobody has.

use {
    crate::{
        context::Context,
        error::{Error, Result},
        output::Fields,
        signer,
    },
    quern_client::{
        Pubkey, Signer,
        instructions::{self, NOBODY},
    },
};

/// Who shall take over.
#[derive(clap::Args)]
#[group(id = "next", required = true, multiple = false)]
pub struct Args {
    /// The next owner or authority, who has to accept
    #[arg(value_name = "ADDRESS")]
    to: Option<Pubkey>,
    /// Withdraw a proposal
    #[arg(long)]
    nobody: bool,
}

impl Args {
    /// Who is proposed; nobody withdraws.
    pub fn proposed(&self) -> Pubkey {
        self.to.filter(|_| !self.nobody).unwrap_or(NOBODY)
    }
}

/// Names the next authority.
pub async fn propose(context: &Context, args: &Args) -> Result<()> {
    let (protocol, wallet) = context.authority("propose the next one").await?;
    let proposed = args.proposed();
    if protocol.authority == proposed {
        return Err(Error::Usage(format!("{proposed} is the authority already")));
    }
    let update = instructions::update_protocol(&wallet.pubkey(), None, Some(proposed));
    let done = Fields::new()
        .text("authority", protocol.authority)
        .text("proposed", shown(&proposed));
    context.send_and_show(&[update], &[&wallet], done).await
}

/// Takes the protocol over.
pub async fn accept(context: &Context) -> Result<()> {
    let wallet = context.wallet()?;
    let protocol = context.protocol().await?;
    let (present, pending) = (&protocol.authority, &protocol.pending_authority);
    let propose = "protocol propose-authority";
    signer::require_proposed(&wallet.pubkey(), ("authority", present), pending, propose)?;
    let accept = instructions::accept_authority(&wallet.pubkey());
    let done = Fields::new()
        .text("authority", wallet.pubkey())
        .text("before", protocol.authority);
    context.send_and_show(&[accept], &[&wallet], done).await
}

/// An address, or that there is none.
pub fn shown(address: &Pubkey) -> String {
    match *address == NOBODY {
        true => "nobody".to_owned(),
        false => address.to_string(),
    }
}
