//! `quern protocol update`: other settings for new jobs.

use {
    super::{
        settings::{Settings, changes, present},
        show::fields,
    },
    crate::{
        context::Context,
        error::Result,
        output::{Fields, print_nothing},
    },
    quern_client::{Signer, instructions},
};

/// Changes what is named.
pub async fn run(context: &Context, settings: &Settings) -> Result<()> {
    let action = "change the protocol's settings";
    let (protocol, wallet) = context.authority(action).await?;
    let wanted = settings.over(present(&protocol));
    let mut updated = protocol;
    // What the program refuses, it says itself.
    let _ = updated.apply(&wanted);
    if wanted == present(&protocol) {
        print_nothing(
            context.format,
            Fields::new(),
            "nothing would change; name a setting with another value (see `quern protocol update --help`)",
        );
        return Ok(());
    }
    let done = changes(&fields(&protocol), &fields(&updated));
    let update = instructions::update_protocol(&wallet.pubkey(), Some(wanted), None);
    context.send_and_show(&[update], &[&wallet], done).await
}
