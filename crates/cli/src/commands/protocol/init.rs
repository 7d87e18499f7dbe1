//! `quern protocol init`: set the protocol up on a cluster.

use {
    super::settings::Settings,
    crate::{
        context::{Context, with_signatures},
        error::{Error, Result},
        output::Fields,
        signer,
    },
    quern_client::{
        ClientError, Signer, accounts, addresses, cluster,
        instructions::{self, NOBODY},
        program_id,
    },
};

/// Sets the protocol up.
pub async fn run(context: &Context, settings: &Settings) -> Result<()> {
    let wallet = context.wallet()?;
    match accounts::protocol(context.rpc()).await {
        Ok(protocol) => {
            return Err(Error::Other(format!(
                "Quern is set up on this cluster already; its authority is {}",
                protocol.authority
            )));
        }
        Err(ClientError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let may_upgrade = quern_deploy::authority(context.rpc(), &program_id()).await?;
    let may = [("upgrade authority", may_upgrade.unwrap_or(NOBODY))];
    signer::require(&wallet.pubkey(), &may, "set the protocol up")?;
    let cluster = cluster::genesis(context.rpc()).await?;
    let settings = settings.over(instructions::usual_settings(wallet.pubkey()));
    let done = Fields::new()
        .text("protocol", addresses::protocol())
        .text("authority", wallet.pubkey())
        .text("treasury", settings.treasury_owner)
        .text("guardian", settings.guardian)
        .text("cluster", cluster);
    let initialize = instructions::initialize(&wallet.pubkey(), settings, cluster);
    // Not `send`: there is no protocol yet, which is no excuse here.
    let receipts = context.sender.send_all(&[initialize], &[&wallet]).await?;
    with_signatures(done, &receipts).print(context.format);
    Ok(())
}
