//! `quern campaign list`: the campaigns that fit.

use {
    super::{kinds, show},
    crate::{
        amount::show_bps,
        commands::purse::decimals_of,
        context::Context,
        error::Result,
        named,
        output::{Fields, Format},
        span,
    },
    quern_client::{
        Pubkey,
        campaigns::{self, CampaignFilter, CampaignState},
        clock,
        quern::state::Campaign,
    },
};

/// Which campaigns.
#[derive(clap::Args)]
pub struct Args {
    /// Of this sponsor
    #[arg(long, value_name = "ADDRESS")]
    sponsor: Option<Pubkey>,
    /// In this mint
    #[arg(long, value_name = "ADDRESS")]
    mint: Option<Pubkey>,
    /// For this model alone
    #[arg(long, value_name = "ADDRESS_OR_NAME")]
    model: Option<String>,
}

/// Lists campaigns.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    context.protocol().await?;
    let model = match &args.model {
        Some(text) => Some(named::model(context, text).await?),
        None => None,
    };
    let filter = CampaignFilter {
        sponsor: args.sponsor,
        mint: args.mint,
        model,
    };
    let all = campaigns::campaigns(context.rpc(), filter).await?;
    let decimals = decimals_of(context).await?;
    let now = clock::moment(context.rpc()).await?.now;
    let list: Vec<Fields> = all
        .iter()
        .map(|(address, campaign)| {
            let decimals = decimals.get(&campaign.mint).copied().unwrap_or(0);
            match context.format {
                Format::Json => show::fields(address, campaign, decimals, now),
                Format::Table => summary(address, campaign, decimals, now),
            }
        })
        .collect();
    context.print_list(
        &list,
        "No campaign matches; see `quern campaign create --help`.",
    );
    Ok(())
}

/// What providers and clients compare.
fn summary(address: &Pubkey, campaign: &Campaign, decimals: u8, now: i64) -> Fields {
    let times = campaign.times();
    let state = CampaignState::of(campaign, now);
    let left = state.ends(&times).and_then(|end| {
        let secs = end.saturating_add(1).saturating_sub(now);
        u64::try_from(secs).ok()
    });
    let weights = [campaign.refereed_bps.get(), campaign.reviewed_bps.get()];
    let [refereed, reviewed] = weights.map(|bps| show_bps(u32::from(bps)));
    Fields::new()
        .text("campaign", address)
        .text("state", state.name())
        .text("for", left.map_or_else(|| "-".to_owned(), span::about))
        .text("mint", campaign.mint)
        .tokens("pot", campaign.pot_atoms.get(), decimals)
        .tokens("total_score", campaign.total_score.get(), decimals)
        .text("kinds", kinds(campaign))
        .text("weights", format!("{refereed}, {reviewed}"))
}

#[cfg(test)]
mod tests {
    use {
        super::*,
        crate::output::{Width, assert_fits, list_text},
    };

    #[test]
    fn campaigns_are_compared_on_one_screen() {
        let campaign = show::tests::campaign();
        let address = Pubkey::from([1; 32]);
        let times = campaign.times();
        let at = |now| summary(&address, &campaign, 6, now);
        let list = [
            at(times.start - 90_061),
            at(times.start),
            at(times.end),
            at(times.settle_by + 1),
            at(times.claim_by + 1),
        ];
        crate::snapshot::check("campaign-list", &list_text(&list, Width::Screen, ""));
        let mut widest = campaign;
        (widest.pot_atoms, widest.total_score) = (u64::MAX.into(), u64::MAX.into());
        (widest.refereed_bps, widest.reviewed_bps) = (9_999.into(), 9_999.into());
        widest.kinds = 0b111;
        widest.start = i64::MAX.into();
        widest.end = i64::MAX.into();
        assert_fits(&[summary(&address, &widest, 6, i64::MIN)]);
    }
}
