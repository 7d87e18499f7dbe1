//! `quern campaign show`: one campaign and its entries.

use {
    super::kinds,
    crate::{
        context::Context,
        error::Result,
        output::{Fields, Format, print_text},
    },
    quern_client::{
        Pubkey,
        campaigns::{self, CampaignState},
        claims::CampaignClaim,
        clock,
        instructions::NOBODY,
        quern::state::{Campaign, Entry},
    },
};

/// More entries than this are left to `--output json`: strangers may join.
const SHOWN: usize = 20;

/// Shows a campaign.
pub async fn run(context: &Context, address: &Pubkey) -> Result<()> {
    let campaign = context.campaign(address).await?;
    let decimals = context.mint(&campaign.mint).await?.decimals;
    let now = clock::moment(context.rpc()).await?.now;
    let all = campaigns::entries_of(context.rpc(), address).await?;
    let entries: Vec<Fields> = all
        .iter()
        .map(|(_, entry)| entry_fields(entry, &campaign, decimals))
        .collect();
    let fields = fields(address, &campaign, decimals, now);
    if context.format == Format::Json {
        let list: Vec<_> = entries.iter().map(Fields::json).collect();
        fields.with("entries", list).print(context.format);
        return Ok(());
    }
    fields.print(context.format);
    print_text("");
    let shown = entries.get(..SHOWN).unwrap_or(&entries);
    context.print_list(
        shown,
        "No provider has joined, or all have claimed; see `quern campaign join --help`.",
    );
    if entries.len() > SHOWN {
        print_text(&format!(
            "{} more have scored less; --output json shows them all",
            entries.len() - SHOWN
        ));
    }
    Ok(())
}

/// A campaign for people and programs.
pub fn fields(address: &Pubkey, campaign: &Campaign, decimals: u8, now: i64) -> Fields {
    let times = campaign.times();
    Fields::new()
        .text("campaign", address)
        .text("state", CampaignState::of(campaign, now).name())
        .text("sponsor", campaign.sponsor)
        .text("mint", campaign.mint)
        .tokens("pot", campaign.pot_atoms.get(), decimals)
        .tokens("total_score", campaign.total_score.get(), decimals)
        .tokens("claimed", campaign.claimed_atoms.get(), decimals)
        .moment("start", times.start)
        .moment("end", times.end)
        .moment("settle_by", times.settle_by)
        .moment("claim_by", times.claim_by)
        .text("kinds", kinds(campaign))
        .maybe(
            "model",
            (campaign.model != NOBODY).then_some(campaign.model),
        )
        .share("refereed_weight", campaign.refereed_bps.get())
        .share("reviewed_weight", campaign.reviewed_bps.get())
}

/// A provider's part.
fn entry_fields(entry: &Entry, campaign: &Campaign, decimals: u8) -> Fields {
    let claim = CampaignClaim {
        entry: *entry,
        campaign: Some(*campaign),
    };
    Fields::new()
        .text("provider", entry.provider)
        .tokens("score", entry.score.get(), decimals)
        .tokens("worth_now", claim.amount_atoms(), decimals)
        .text("rent_goes_to", entry.payer)
}

#[cfg(test)]
pub mod tests {
    use {
        super::*,
        crate::output::{Width, assert_fits, list_text},
    };

    /// A pot of 400 in which 475 were scored.
    pub fn campaign() -> Campaign {
        let mut campaign: Campaign = bytemuck::Zeroable::zeroed();
        (campaign.sponsor, campaign.mint) = (Pubkey::from([2; 32]), Pubkey::from([3; 32]));
        campaign.model = Pubkey::from([4; 32]);
        campaign.kinds = 0b101;
        campaign.pot_atoms = 400_000_000.into();
        campaign.total_score = 475_000_000.into();
        campaign.start = 1_798_675_200.into();
        campaign.end = 1_801_353_600.into();
        campaign.settle_by = 1_801_699_200.into();
        campaign.claim_by = 1_804_291_200.into();
        (campaign.refereed_bps, campaign.reviewed_bps) = (9_000.into(), 2_000.into());
        campaign
    }

    #[test]
    fn a_campaign_and_its_entries_are_shown() {
        let campaign = campaign();
        let mut entry: Entry = bytemuck::Zeroable::zeroed();
        (entry.provider, entry.payer) = (Pubkey::from([5; 32]), Pubkey::from([6; 32]));
        entry.score = 225_000_000.into();
        let mut widest = entry;
        widest.score = u64::MAX.into();
        assert_fits(&[entry_fields(&widest, &campaign, 6)]);
        let shown = fields(&Pubkey::from([1; 32]), &campaign, 6, 1_798_675_200);
        let list = [entry_fields(&entry, &campaign, 6)];
        let text = format!(
            "{}\n\n{}",
            shown.table(),
            list_text(&list, Width::Screen, "")
        );
        crate::snapshot::check("campaign-show", &text);
        let json = shown.json();
        assert_eq!(json["state"], "running");
        assert_eq!(json["start_unix"], 1_798_675_200);
        assert_eq!(json["pot_atoms"], "400000000");
    }
}
