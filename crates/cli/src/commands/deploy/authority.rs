//! `quern deploy authority` and `--final`: who may change the program's rules from now on.

use {
    super::confirmed,
    crate::{
        context::{Context, keypair},
        error::{Error, Result},
        output::Fields,
    },
    quern_client::{ClientError, Keypair, Pubkey, Signer, accounts},
    quern_deploy as deploy,
};

/// Who gets the upgrade authority.
#[derive(clap::Args)]
pub struct Args {
    /// The next upgrade authority: a multisig's address, for example
    #[arg(value_name = "ADDRESS", required_unless_present = "none")]
    to: Option<Pubkey>,
    /// Give it to nobody, for ever: the program stays as it is
    #[arg(long, conflicts_with = "to")]
    none: bool,
    /// Who may upgrade it now [default: the wallet]
    #[arg(long, value_name = "KEYPAIR")]
    upgrade_authority: Option<String>,
    /// Don't ask
    #[arg(long, short = 'y')]
    yes: bool,
}

/// Hands the upgrade authority over.
pub async fn run(context: &Context, program: Pubkey, args: Args) -> Result<()> {
    let present = args.upgrade_authority.as_deref().map(keypair).transpose()?;
    let wallet = context.wallet()?;
    let present = present.as_ref().unwrap_or(&wallet);
    let next = args.to.filter(|_| !args.none);
    let question = match next {
        Some(next) => format!("Give the upgrade authority of {program} to {next}?"),
        None => format!("Make {program} final, so that nobody can ever upgrade it?"),
    };
    if !args.yes && !confirmed(&context.url, &question)? {
        return Err(Error::Other("nothing was changed".to_owned()));
    }
    hand_over(context, &wallet, present, &program, next.as_ref()).await?;
    Fields::new()
        .text("program", program)
        .text("before", present.pubkey())
        .text(
            "upgrade_authority",
            next.map_or("nobody".to_owned(), |next| next.to_string()),
        )
        .print(context.format);
    Ok(())
}

/// Hands the upgrade authority over, if the program can still be set up afterwards.
///
/// # Errors
/// That nobody could set the protocol up any more, or what the cluster says.
pub async fn hand_over(
    context: &Context,
    payer: &Keypair,
    present: &Keypair,
    program: &Pubkey,
    next: Option<&Pubkey>,
) -> Result<()> {
    if next.is_none() {
        require_set_up(context).await?;
    }
    deploy::set_authority(&context.sender, payer, present, program, next).await?;
    Ok(())
}

/// Only the upgrade authority may set the protocol up: a program that is final before is useless for ever.
pub async fn require_set_up(context: &Context) -> Result<()> {
    match accounts::protocol(context.rpc()).await {
        Ok(_) => Ok(()),
        Err(ClientError::NotFound { .. }) => Err(Error::Other(
            "the protocol is not set up, and without an upgrade authority nobody could ever do it; run `quern protocol init` first".to_owned(),
        )),
        Err(error) => Err(error.into()),
    }
}
