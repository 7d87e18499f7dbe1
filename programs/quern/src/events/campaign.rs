//! Campaigns: from the pot to the last claim. What a milestone scores stands in [`crate::events::MilestoneSettled`].

use {crate::state::Change, anchor_lang::prelude::*};

/// A campaign was created and its pot reserved.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct CampaignCreated {
    pub at: i64,
    pub campaign: Address,
    /// Whose pot it is.
    pub sponsor: Address,
    /// In which mint.
    pub mint: Address,
    /// What was reserved.
    pub pot_atoms: u64,
    pub changes: Vec<Change>,
}

/// A provider joined a campaign.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct CampaignJoined {
    pub at: i64,
    pub campaign: Address,
    /// The provider's owner.
    pub provider: Address,
    pub changes: Vec<Change>,
}

/// A provider's score was paid, or its entry closed because the campaign is over.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct CampaignClaimed {
    pub at: i64,
    pub campaign: Address,
    /// The provider's owner.
    pub provider: Address,
    /// What it had scored.
    pub score: u64,
    /// What it got.
    pub amount_atoms: u64,
    pub changes: Vec<Change>,
}

/// The rest of a pot went back and the campaign closed.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct CampaignSwept {
    pub at: i64,
    pub campaign: Address,
    /// Whose pot it was.
    pub sponsor: Address,
    /// In which mint.
    pub mint: Address,
    /// What went back.
    pub released_atoms: u64,
    pub changes: Vec<Change>,
}
