//! `quern keygen`: a new keypair file, for who has none of Solana's tools.

use {
    crate::{
        error::{Error, Result},
        output::{Fields, Format},
    },
    quern_client::{ClientError, Keypair, Signer, config},
    std::path::PathBuf,
};

/// Where it goes.
#[derive(clap::Args)]
#[command(after_help = "Example:
  quern keygen operator.json

The file is the money: its holder can spend, and nobody can restore it. Keep a copy in a safe place.")]
pub struct Args {
    /// The new file; only its owner can read it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Writes a new keypair.
pub fn run(format: Format, args: &Args) -> Result<()> {
    let keypair = Keypair::new();
    config::write_keypair(&args.file, &keypair).map_err(|error| match error {
        _ if args.file.exists() => Error::file(
            &args.file,
            "it exists already, and a keypair is never overwritten; name another file",
        ),
        ClientError::Keypair { path, reason } => Error::file(&path, reason),
        error => error.into(),
    })?;
    Fields::new()
        .text("address", keypair.pubkey())
        .text("file", args.file.display())
        .print(format);
    Ok(())
}
