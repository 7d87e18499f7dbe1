//! `quern emission show`: what is set, granted and left.

use {
    crate::{
        amount::{show, show_bps},
        context::Context,
        error::Result,
        output::Fields,
        span,
    },
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
    let bps = |bps: u16| show_bps(u32::from(bps));
    Fields::new()
        .with("configured", true)
        .text("emission", addresses::emission())
        .text("reward_mint", emission.reward_mint)
        .text("epoch", span::show(emission.epoch_secs.get()))
        .with("epoch_index", emission.epoch_index.get())
        .text(
            "cap_per_epoch",
            show(emission.next_cap_atoms.get(), decimals),
        )
        .text(
            "granted_this_epoch",
            show(emission.spent_atoms.get(), decimals),
        )
        .text(
            "outstanding",
            show(emission.outstanding_atoms.get(), decimals),
        )
        .text("left_to_grant", show(free, decimals))
        .text("refereed_weight", bps(emission.refereed_weight_bps.get()))
        .text("reviewed_weight", bps(emission.reviewed_weight_bps.get()))
        .print(context.format);
    Ok(())
}
