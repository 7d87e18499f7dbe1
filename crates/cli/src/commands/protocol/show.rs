//! `quern protocol show`: the settings in force.

use {
    crate::{context::Context, error::Result, output::Fields},
    quern_client::{Hash, addresses, instructions::NOBODY, program_id, quern::state::Protocol},
};

/// Shows the settings.
pub async fn run(context: &Context) -> Result<()> {
    fields(&context.protocol().await?).print(context.format);
    Ok(())
}

/// All settings, for people and programs.
pub fn fields(protocol: &Protocol) -> Fields {
    let terms = &protocol.terms;
    Fields::new()
        .text("protocol", addresses::protocol())
        .text("program", program_id())
        .text("cluster", Hash::new_from_array(protocol.cluster))
        .with("paused", protocol.paused.get())
        .text("authority", protocol.authority)
        .maybe(
            "proposed_authority",
            (protocol.pending_authority != NOBODY).then_some(protocol.pending_authority),
        )
        .text("guardian", protocol.guardian)
        .text("treasury", protocol.treasury_owner)
        .share("fee", terms.fee_bps.get())
        .share("late_penalty", terms.late_penalty_bps.get())
        .share("reject_deposit", terms.reject_bps.get())
        .share("arbiter_share", terms.arbiter_bps.get())
        .share("refereed_bond", protocol.refereed_bond_bps.get())
        .share("reviewed_bond", protocol.reviewed_bond_bps.get())
        .time("refereed_review", protocol.refereed_review_secs.get())
        .time("reviewed_review", protocol.reviewed_review_secs.get())
        .with("demand_fee_lamports", terms.demand_fee_lamports.get())
        .time("response", terms.response_secs.get())
        .time("react", terms.react_secs.get())
        .time("resolve", terms.resolve_secs.get())
        .time("grace", terms.grace_secs.get())
        .time("restart_grace", terms.restart_grace_secs.get())
        .time("campaign_claim", protocol.campaign_claim_secs.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_shown_in_percent_and_time() {
        let mut protocol: Protocol = bytemuck::Zeroable::zeroed();
        protocol.authority = quern_client::Pubkey::from([1; 32]);
        protocol.refereed_bond_bps = 20_000.into();
        protocol.refereed_review_secs = 86_400.into();
        protocol.terms.fee_bps = 250.into();
        protocol.terms.response_secs = 21_600.into();
        protocol.terms.demand_fee_lamports = 10_000.into();
        crate::snapshot::check("protocol-show", &fields(&protocol).table());
    }
}
