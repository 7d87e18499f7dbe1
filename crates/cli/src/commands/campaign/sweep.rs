//! `quern campaign sweep`: what is left of a pot goes back.

use {
    crate::{
        context::{Context, with_signatures},
        error::{Error, Result},
        output::Fields,
        when,
    },
    quern_client::{
        Instruction, Pubkey, Signer, campaigns, clock, instructions,
        quern::state::{Campaign, Entry},
    },
};

/// Sweeps a campaign.
pub async fn run(context: &Context, address: &Pubkey) -> Result<()> {
    let wallet = context.wallet()?;
    context.protocol().await?;
    let campaign = campaigns::campaigns_at(context.rpc(), &[*address]).await?;
    let campaign = campaign.into_iter().next().flatten();
    let entries = campaigns::entries_of(context.rpc(), address).await?;
    let payer = wallet.pubkey();
    let own: Vec<Entry> = entries
        .iter()
        .map(|(_, entry)| *entry)
        .filter(|entry| entry.payer == payer)
        .collect();
    let mut done = Fields::new().text("campaign", address);
    let mut all: Vec<Instruction> = Vec::new();
    match &campaign {
        Some(campaign) => {
            check_due(address, campaign, clock::moment(context.rpc()).await?.now)?;
            let decimals = context.mint(&campaign.mint).await?.decimals;
            let left_atoms = campaign.left_atoms().unwrap_or(0);
            done = done
                .text("sponsor", campaign.sponsor)
                .text("mint", campaign.mint)
                .tokens("released", left_atoms, decimals);
            all.push(instructions::sweep_campaign(campaign));
        }
        // Somebody has swept it; entries may remain.
        None if own.is_empty() => return context.campaign(address).await.map(drop),
        None => {}
    }
    // Behind the sweep an entry only closes.
    all.extend(
        own.iter()
            .map(|entry| instructions::claim_campaign(entry, None)),
    );
    let receipts = context.send(&all, &[&wallet]).await?;
    let done = done.with("entries_closed", own.len());
    with_signatures(done, &receipts).print(context.format);
    Ok(())
}

/// Refuses what is not due yet, and says when it is.
fn check_due(address: &Pubkey, campaign: &Campaign, now: i64) -> Result<()> {
    let (times, total_score) = (campaign.times(), campaign.total_score.get());
    if times.may_sweep(now, total_score) {
        return Ok(());
    }
    let (after, why) = match total_score {
        0 => (
            times.settle_by,
            "results may still settle; if nobody scores it is due",
        ),
        _ => (times.claim_by, "providers may still claim; it is due"),
    };
    Err(Error::Other(format!(
        "the campaign {address} cannot be swept yet: {why} after {}",
        when::show(after)
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, crate::commands::campaign::show};

    #[test]
    fn what_is_not_due_says_when_it_is() {
        let address = Pubkey::from([1; 32]);
        let mut campaign = show::tests::campaign();
        let times = campaign.times();
        check_due(&address, &campaign, times.claim_by + 1).unwrap();
        let said =
            |campaign: &Campaign, now| check_due(&address, campaign, now).unwrap_err().to_string();
        let late = said(&campaign, times.claim_by);
        assert!(late.contains(&when::show(times.claim_by)), "{late}");
        campaign.total_score = 0.into();
        check_due(&address, &campaign, times.settle_by + 1).unwrap();
        let early = said(&campaign, times.settle_by);
        assert!(early.contains(&when::show(times.settle_by)), "{early}");
    }
}
