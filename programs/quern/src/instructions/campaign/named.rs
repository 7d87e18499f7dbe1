//! The campaign that a job names, where a job is created, taken and settled. Its two accounts, campaign and entry, stand before the
//! purses among the remaining ones, so that jobs without a campaign carry nothing for it.

use {
    crate::{
        constants::is_nobody,
        error::QuernError,
        state::{Campaign, CampaignCandidate, Change, Entry, Job, changed},
    },
    anchor_lang::{address_eq, prelude::*},
    quern_rules::campaign,
};

/// Splits the account of a campaign from those behind it, if there is a campaign; its address is compared, so that no other account
/// passes for it.
pub fn split_campaign<'a>(
    campaign: &Address,
    views: &'a [AccountView],
) -> Result<(Option<&'a AccountView>, &'a [AccountView])> {
    if is_nobody(campaign) {
        return Ok((None, views));
    }
    match views.split_first() {
        Some((first, rest)) if address_eq(first.address(), campaign) => Ok((Some(first), rest)),
        _ => Err(QuernError::WrongCampaign.into()),
    }
}

/// Fails unless a new job fits the campaign that it names.
pub fn require_fit(view: &AccountView, job: &Job, now: i64) -> Result<()> {
    require!(view.owned_by(&crate::ID), QuernError::WrongCampaign);
    let campaign = Account::<Campaign>::load(*view)?;
    let with_tokens = job.tokens_input().is_some();
    let review_secs = job.review_secs.get();
    let candidate = CampaignCandidate {
        mint: &job.mint,
        kind: job.kind(),
        model: &job.model,
        longest_review_secs: job
            .terms
            .longest_review(job.assurance(), with_tokens, review_secs),
    };
    let misfit = campaign.misfit(&candidate, now);
    require!(misfit.is_none(), QuernError::CampaignMisfit);
    Ok(())
}

/// The accounts that were shown for a job's campaign.
pub struct Named {
    campaign: AccountView,
    entry: AccountView,
}

impl Named {
    /// Splits them from the purses behind them, if the job names a campaign. What the entry is, is asked where it counts.
    pub fn split<'a>(
        job: &Job,
        views: &'a [AccountView],
    ) -> Result<(Option<Self>, &'a [AccountView])> {
        let (Some(campaign), rest) = split_campaign(&job.campaign, views)? else {
            return Ok((None, views));
        };
        let (entry, purses) = rest.split_first().ok_or(QuernError::EntryMissing)?;
        let named = Self {
            campaign: *campaign,
            entry: *entry,
        };
        Ok((Some(named), purses))
    }

    /// Whether the campaign is still there: gone is what the program does not own, and its address never recurs.
    fn is_there(&self) -> bool {
        self.campaign.owned_by(&crate::ID)
    }

    /// Fails unless the provider may take a job of the campaign: before its end only one that has joined.
    pub fn require_joined(&self, provider: &Address, now: i64) -> Result<()> {
        if !self.is_there() {
            return Ok(());
        }
        let campaign = Account::<Campaign>::load(self.campaign)?;
        if !campaign.times().is_open(now) {
            return Ok(());
        }
        require!(self.entry.owned_by(&crate::ID), QuernError::EntryMissing);
        let entry = Account::<Entry>::load(self.entry)?;
        self.require_entry_of(&entry, provider)
    }

    fn require_entry_of(&self, entry: &Entry, provider: &Address) -> Result<()> {
        let is_its = address_eq(&entry.campaign, self.campaign.address())
            && address_eq(&entry.provider, provider);
        require!(is_its, QuernError::EntryMissing);
        Ok(())
    }

    /// Adds what a settled milestone scores, if it does. Returns how much it was.
    #[inline(never)]
    pub fn score(
        &self,
        job: &Job,
        submitted_at: i64,
        fee_atoms: u64,
        now: i64,
        changes: &mut Vec<Change>,
    ) -> Result<u64> {
        if !self.is_there() {
            return Ok(0);
        }
        let campaign = Account::<Campaign>::load(self.campaign)?;
        if !campaign.times().counts(submitted_at, now) {
            return Ok(0);
        }
        drop(campaign);
        let is_writable = self.campaign.is_writable() && self.entry.is_writable();
        require!(is_writable, QuernError::CampaignReadOnly);
        let is_free = self.entry.owned_by(&crate::ID) && !self.entry.is_borrowed();
        require!(is_free, QuernError::EntryMissing);
        // SAFETY: no other wrapper of these accounts is alive: a loaded account is marked as borrowed, which the line above
        // refuses for the entry, and no fixed account and no purse is a campaign.
        let (mut campaign, mut entry) = unsafe {
            (
                Account::<Campaign>::load_mut(self.campaign)?,
                Account::<Entry>::load_mut(self.entry)?,
            )
        };
        self.require_entry_of(&entry, &job.provider)?;
        let weight_bps = campaign.weight_bps(job.assurance());
        let score = campaign::score(fee_atoms, weight_bps, campaign.total_score.get());
        if score > 0 {
            for sum in [&mut campaign.total_score, &mut entry.score] {
                *sum = sum.checked_add(score).ok_or(QuernError::Overflow)?;
            }
            changed(changes, &mut campaign)?;
            changed(changes, &mut entry)?;
        }
        Ok(score)
    }
}
