//! `quern protocol pause`: stop what is new; what runs goes on.

use {
    crate::{context::Context, error::Result, output::Fields, signer},
    quern_client::{Signer, instructions},
};

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    /// Stopped.
    On,
    /// Allowed.
    Off,
}

/// What to switch.
#[derive(clap::Args)]
pub struct Args {
    /// Whether they are stopped
    #[arg(value_enum)]
    state: Switch,
}

/// Pauses or goes on.
pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let protocol = context.protocol().await?;
    let wallet = context.wallet()?;
    let may = [
        ("authority", protocol.authority),
        ("guardian", protocol.guardian),
    ];
    // A guardian stops what is new, and only the authority lets it go on.
    let (may, action) = match args.state {
        Switch::On => (&may[..], "pause the protocol"),
        Switch::Off => (&may[..1], "end the pause"),
    };
    signer::require(&wallet.pubkey(), may, action)?;
    let paused = args.state == Switch::On;
    let pause = instructions::set_pause(&wallet.pubkey(), paused);
    let done = Fields::new().with("paused", paused);
    context.send_and_show(&[pause], &[&wallet], done).await
}
