//! `quern protocol show`: the settings in force.

use {
    crate::{amount::show_bps, context::Context, error::Result, output::Fields, span},
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
    let bps = |bps: u16| show_bps(u32::from(bps));
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
        .text("fee", bps(terms.fee_bps.get()))
        .text("late_penalty", bps(terms.late_penalty_bps.get()))
        .text("reject_deposit", bps(terms.reject_bps.get()))
        .text("arbiter_share", bps(terms.arbiter_bps.get()))
        .text("refereed_bond", show_bps(protocol.refereed_bond_bps.get()))
        .text("reviewed_bond", show_bps(protocol.reviewed_bond_bps.get()))
        .text(
            "refereed_review",
            span::show(protocol.refereed_review_secs.get()),
        )
        .text(
            "reviewed_review",
            span::show(protocol.reviewed_review_secs.get()),
        )
        .with("demand_fee_lamports", terms.demand_fee_lamports.get())
        .text("response", span::show(terms.response_secs.get()))
        .text("react", span::show(terms.react_secs.get()))
        .text("resolve", span::show(terms.resolve_secs.get()))
        .text("grace", span::show(terms.grace_secs.get()))
        .text("restart_grace", span::show(terms.restart_grace_secs.get()))
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
