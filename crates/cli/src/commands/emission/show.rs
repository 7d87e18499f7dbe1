//! `quern emission show`: what is set, granted and left.

use {
    crate::{context::Context, error::Result, output::Fields},
    quern_client::{accounts, addresses, quern::constants::NOBODY},
};

/// Shows what is set, granted and left.
pub async fn run(context: &Context) -> Result<()> {
    let emission = accounts::emission(context.rpc()).await?;
    if emission.reward_mint == NOBODY {
        Fields::new()
            .with("configured", false)
            .print(context.format);
        return Ok(());
    }
    let decimals = context.mint(&emission.reward_mint).await?.decimals;
    let purse =
        accounts::purse(context.rpc(), &addresses::emission(), &emission.reward_mint).await?;
    let free = purse.map_or(0, |purse| purse.free_atoms.get());
    Fields::new()
        .with("configured", true)
        .text("emission", addresses::emission())
        .text("reward_mint", emission.reward_mint)
        .time("epoch", emission.epoch_secs.get())
        .with("epoch_index", emission.epoch_index.get())
        .tokens("cap_per_epoch", emission.next_cap_atoms.get(), decimals)
        .tokens("granted_this_epoch", emission.spent_atoms.get(), decimals)
        .tokens("outstanding", emission.outstanding_atoms.get(), decimals)
        .tokens("left_to_grant", free, decimals)
        .share("refereed_weight", emission.refereed_weight_bps.get())
        .share("reviewed_weight", emission.reviewed_weight_bps.get())
        .print(context.format);
    Ok(())
}
