//! Scores of campaigns that have settled: claimed without a command, so that no owner misses the last moment for it.
//!
//! Anybody may claim for anybody. The amount goes into the owner's purse and the entry's rent to whoever paid it, so a claim costs
//! its fee and can lose nothing else.

use {
    crate::{
        context::{Context, LEAST_LAMPORTS},
        error::Result,
    },
    quern_client::{Pubkey, addresses, claims::CampaignClaim, quern::state::Entry},
    std::time::Duration,
};

/// Between two looks. Claims wait for weeks, and each look reads all entries of the owner.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// Most claims of one look, each a transaction of its own: one that fails holds up no other.
const MOST_CLAIMS: usize = 16;
/// Campaigns that are read in one look, those of the highest scores first.
const MOST_READ: usize = 400;

/// What may be claimed now and is worth the fee, by the address of its entry; nothing if the last look was not long ago, or the
/// wallet has only what answers need.
///
/// # Errors
/// That the chain did not answer.
pub(crate) async fn due(context: &Context, now: i64) -> Result<Vec<(Pubkey, CampaignClaim)>> {
    if !context.is_time_for("claims", LOOK_EVERY) {
        return Ok(Vec::new());
    }
    let (chain, owner) = (context.chain.as_ref(), &context.settings.owner);
    if chain.lamports().await? < LEAST_LAMPORTS {
        return Ok(Vec::new());
    }
    // Strangers can let an owner join any number of campaigns: without a score nothing of them is worth a fee.
    let own = [*owner, chain.signer()];
    let is_own = |entry: &Entry| own.contains(&entry.payer);
    let mut entries = chain.entries(owner).await?;
    entries.retain(|entry| entry.score.get() > 0 || is_own(entry));
    entries.truncate(MOST_READ);
    let named: Vec<Pubkey> = entries.iter().map(|entry| entry.campaign).collect();
    let found = chain.campaigns(&named).await?.into_iter();
    let all = entries.into_iter().zip(found);
    let all = all.map(|(entry, campaign)| CampaignClaim { entry, campaign });
    let worth = all.filter(|claim| claim.amount_atoms() > 0 || is_own(&claim.entry));
    let mut due: Vec<CampaignClaim> = worth.filter(|claim| claim.is_due(now)).collect();
    // The one that can be missed first comes first.
    due.sort_by_key(|claim| {
        claim
            .campaign
            .map_or(0, |campaign| campaign.times().claim_by)
    });
    let at = |claim: &CampaignClaim| addresses::entry(&claim.entry.campaign, owner);
    let due = due.into_iter().map(|claim| (at(&claim), claim));
    Ok(match context.settings.policy.claims {
        true => due.take(MOST_CLAIMS).collect(),
        false => {
            due.for_each(|(entry, claim)| leave(context, &entry, &claim));
            Vec::new()
        }
    })
}

/// Says once what the owner has to claim itself.
fn leave(context: &Context, address: &Pubkey, claim: &CampaignClaim) {
    let (campaign, atoms) = (claim.entry.campaign, claim.amount_atoms());
    context.say_once(address, claim.entry.seq.get(), || {
        tracing::info!(%campaign, atoms, "a campaign can be claimed; run `quern claim`, or start without --no-claims");
    });
}

/// Claims one. A failure is only said: the next look finds it again.
pub(crate) async fn claim(context: &Context, claim: &CampaignClaim) {
    let (campaign, atoms) = (claim.entry.campaign, claim.amount_atoms());
    match context.chain.claim(claim).await {
        Ok(()) => tracing::info!(%campaign, atoms, "claimed what was scored in a campaign"),
        Err(error) => {
            tracing::warn!(%campaign, %error, "cannot claim what was scored in a campaign; trying again later");
        }
    }
}
