//! `quern deploy close-buffer`: the rent of a deployment that is not finished.

use {
    crate::{
        context::{Context, keypair},
        error::Result,
        output::Fields,
    },
    quern_client::{Signer, config},
    quern_deploy as deploy,
    std::path::PathBuf,
};

/// Which buffer.
#[derive(clap::Args)]
pub struct Args {
    /// Keypair of the buffer
    #[arg(
        long,
        default_value = "target/deploy/quern-buffer.json",
        value_name = "FILE"
    )]
    buffer: PathBuf,
    /// Who was to upgrade the program [default: the wallet]
    #[arg(long, value_name = "KEYPAIR")]
    upgrade_authority: Option<String>,
}

/// Closes the buffer; its lamports go to the wallet.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let wallet = context.wallet()?;
    let authority = args.upgrade_authority.as_deref().map(keypair).transpose()?;
    let authority = authority.as_ref().unwrap_or(&wallet);
    let buffer = config::read_keypair(&args.buffer)?.pubkey();
    deploy::close_buffer(&context.sender, &wallet, authority, &buffer).await?;
    Fields::new()
        .text("buffer", buffer)
        .text("done", "closed; its lamports are in the wallet")
        .print(context.format);
    Ok(())
}
