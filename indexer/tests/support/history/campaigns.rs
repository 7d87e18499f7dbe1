//! Campaigns in the invented history.

use {
    super::{Change, Event, EventId, History, QuernEvent},
    bytemuck::Zeroable,
    quern_api::Key,
    quern_client::{
        Pubkey,
        quern::{
            self,
            events::{CampaignClaimed, CampaignCreated, CampaignJoined, CampaignSwept},
            state::{Campaign, EntityKind, Entry, Job},
        },
    },
    quern_rules::campaign,
};

/// How long results score, and then settle.
pub const SCORING_SECS: i64 = 200_000;
const SETTLING_SECS: i64 = 20_000;
const CLAIMING_SECS: i64 = 20_000;

impl History {
    /// A campaign of the second client that begins now, and the jobs that follow name; returns its address.
    pub fn begin_campaign(&mut self, pot: u64) -> Pubkey {
        let (sponsor, mint) = (self.clients[1], self.mints[0]);
        let at = self.at;
        let purse = self.purse(&sponsor, &mint);
        purse.free_atoms = (purse.free_atoms.get() - pot).into();
        purse.reserved_atoms = (purse.reserved_atoms.get() + pot).into();
        let n = purse.opened.get();
        purse.opened = (n + 1).into();
        let address = Campaign::find_address(&quern::ID, &Self::purse_address(&sponsor), n).0;
        let mut campaign = Campaign::zeroed();
        (campaign.sponsor, campaign.mint, campaign.kinds) = (sponsor, mint, 0b111);
        (campaign.n, campaign.pot_atoms) = (n.into(), pot.into());
        let end = at + SCORING_SECS;
        let settle_by = end + SETTLING_SECS;
        (campaign.start, campaign.end) = (at.into(), end.into());
        campaign.settle_by = settle_by.into();
        campaign.claim_by = (settle_by + CLAIMING_SECS).into();
        campaign.refereed_bps = 9_000u16.into();
        campaign.reviewed_bps = 5_000u16.into();
        self.campaigns.insert(address, campaign);
        self.campaign = address;
        let changes = vec![
            self.campaign_changed(&address),
            self.purse_changed(&sponsor, &mint),
        ];
        self.tell(QuernEvent::CampaignCreated(CampaignCreated {
            at,
            campaign: address,
            sponsor,
            mint,
            pot_atoms: pot,
            changes,
        }));
        address
    }

    pub fn entry_address(campaign: &Pubkey, owner: &Pubkey) -> Pubkey {
        Entry::find_address(&quern::ID, campaign, owner).0
    }

    /// Lets a provider take part, if it does not yet.
    pub fn join_campaign(&mut self, campaign: &Pubkey, provider: &Pubkey) {
        if self.entries.contains_key(&(*campaign, *provider)) {
            return;
        }
        let mut entry = Entry::zeroed();
        (entry.campaign, entry.provider, entry.payer) = (*campaign, *provider, self.creator);
        self.entries.insert((*campaign, *provider), entry);
        let changes = vec![self.entry_changed(campaign, provider)];
        let at = self.at;
        self.tell(QuernEvent::CampaignJoined(CampaignJoined {
            at,
            campaign: *campaign,
            provider: *provider,
            changes,
        }));
    }

    /// Lets a provider take part in the campaign of the jobs that follow, as long as providers may.
    pub(super) fn join_if_open(&mut self, provider: &Pubkey) {
        let (campaign, at) = (self.campaign, self.at);
        if self.campaigns[&campaign].times().is_open(at) {
            self.join_campaign(&campaign, provider);
        }
    }

    /// What a milestone that was submitted and settles now scores, with the changes that it makes.
    pub(super) fn score(&mut self, job: &Job, fee: u64) -> (u64, Vec<Change>) {
        let at = self.at;
        let Some(campaign) = self.campaigns.get_mut(&job.campaign) else {
            return (0, Vec::new());
        };
        if !campaign.times().counts(at, at) {
            return (0, Vec::new());
        }
        let weight = campaign.weight_bps(job.assurance());
        let score = campaign::score(fee, weight, campaign.total_score.get());
        if score == 0 {
            return (0, Vec::new());
        }
        campaign.total_score = (campaign.total_score.get() + score).into();
        let key = (job.campaign, job.provider);
        let entry = self.entries.get_mut(&key).unwrap();
        entry.score = (entry.score.get() + score).into();
        let changes = vec![
            self.campaign_changed(&job.campaign),
            self.entry_changed(&job.campaign, &job.provider),
        ];
        (score, changes)
    }

    /// Moves on to the first second in which a campaign's scores may be claimed.
    pub fn wait_for_claims(&mut self, campaign: &Pubkey) {
        self.at = self.at.max(self.campaigns[campaign].settle_by.get() + 1);
    }

    /// Moves on to the first second after the last claim.
    pub fn wait_for_sweep(&mut self, campaign: &Pubkey) {
        self.at = self.at.max(self.campaigns[campaign].claim_by.get() + 1);
    }

    /// Pays a provider for its score; only closes its entry if the campaign is gone.
    pub fn claim_campaign(&mut self, address: &Pubkey, provider: &Pubkey) -> u64 {
        let entry = self.entries.remove(&(*address, *provider)).unwrap();
        let (at, score) = (self.at, entry.score.get());
        let mut changes = Vec::new();
        let mut amount = 0;
        if let Some(campaign) = self.campaigns.get_mut(address) {
            let (pot, total) = (campaign.pot_atoms.get(), campaign.total_score.get());
            amount = campaign::amount(pot, score, total);
            campaign.claimed_atoms = (campaign.claimed_atoms.get() + amount).into();
            let (sponsor, mint) = (campaign.sponsor, campaign.mint);
            self.pay(&sponsor, provider, amount);
            changes.push(self.campaign_changed(address));
            changes.push(self.purse_changed(&sponsor, &mint));
            changes.push(self.purse_changed(provider, &mint));
        }
        changes.push(Change {
            kind: EntityKind::Entry as u8,
            address: Self::entry_address(address, provider),
            seq: entry.seq.get() + 1,
            after: Vec::new(),
        });
        self.tell(QuernEvent::CampaignClaimed(CampaignClaimed {
            at,
            campaign: *address,
            provider: *provider,
            score,
            amount_atoms: amount,
            changes,
        }));
        amount
    }

    /// Gives the rest of a pot back.
    pub fn sweep_campaign(&mut self, address: &Pubkey) {
        let campaign = self.campaigns.remove(address).unwrap();
        let (sponsor, mint) = (campaign.sponsor, campaign.mint);
        let left = campaign.left_atoms().unwrap();
        let purse = self.purse(&sponsor, &mint);
        purse.reserved_atoms = (purse.reserved_atoms.get() - left).into();
        purse.free_atoms = (purse.free_atoms.get() + left).into();
        let changes = vec![
            Change {
                kind: EntityKind::Campaign as u8,
                address: *address,
                seq: campaign.seq.get() + 1,
                after: Vec::new(),
            },
            self.purse_changed(&sponsor, &mint),
        ];
        let at = self.at;
        self.tell(QuernEvent::CampaignSwept(CampaignSwept {
            at,
            campaign: *address,
            sponsor,
            mint,
            released_atoms: left,
            changes,
        }));
    }

    /// A campaign from its creation to its end, with an entry that nobody claimed in time, and one that runs.
    pub fn campaigns(&mut self) -> [Pubkey; 2] {
        let over = self.begin_campaign(30_000);
        for n in 0..6 {
            self.job_of_milestones(1 + n % 2, 1 + n / 2);
        }
        self.wait_for_claims(&over);
        // Too late to score anything.
        self.job_of_milestones(1, 1);
        let joined: Vec<Pubkey> = self.joined(&over);
        for provider in &joined[1..] {
            self.claim_campaign(&over, provider);
        }
        self.wait_for_sweep(&over);
        self.sweep_campaign(&over);
        self.claim_campaign(&over, &joined[0]);
        let running = self.begin_campaign(40_000);
        for n in 0..4 {
            self.job_of_milestones(1 + n % 2, 1);
        }
        self.campaign = Pubkey::default();
        [over, running]
    }

    /// Who takes part and has not claimed.
    pub fn joined(&self, campaign: &Pubkey) -> Vec<Pubkey> {
        let entries = self.entries.keys().filter(|(of, _)| of == campaign);
        entries.map(|(_, provider)| *provider).collect()
    }

    /// What a provider earned with milestones that were paid in full.
    pub fn earned(&self, provider: &Key) -> u64 {
        let events = self.events.iter().filter_map(|event| match &event.body {
            QuernEvent::MilestoneSettled(paid) if super::key(&paid.provider) == *provider => {
                Some(paid.provider_atoms)
            }
            _ => None,
        });
        events.sum()
    }

    /// The first campaign of all.
    pub fn first_campaign(&self) -> Pubkey {
        let mut events = self.events.iter();
        let found = events.find_map(|event| match &event.body {
            QuernEvent::CampaignCreated(created) => Some(created.campaign),
            _ => None,
        });
        found.unwrap()
    }

    /// Who ever took part.
    pub fn joined_ever(&self, campaign: &Key) -> Vec<Pubkey> {
        let events = self.events.iter().filter_map(|event| match &event.body {
            QuernEvent::CampaignJoined(joined) if super::key(&joined.campaign) == *campaign => {
                Some(joined.provider)
            }
            _ => None,
        });
        events.collect()
    }

    /// What a campaign was when it ended, or is now: its total score and what was claimed.
    pub fn campaign_sums(&self, campaign: &Pubkey) -> (u64, u64) {
        let campaign = &self.campaigns[campaign];
        (campaign.total_score.get(), campaign.claimed_atoms.get())
    }

    fn campaign_changed(&mut self, address: &Pubkey) -> Change {
        let campaign = self.campaigns.get_mut(address).unwrap();
        let seq = campaign.seq.get() + 1;
        campaign.seq = seq.into();
        Change {
            kind: EntityKind::Campaign as u8,
            address: *address,
            seq,
            after: bytemuck::bytes_of(campaign).to_vec(),
        }
    }

    fn entry_changed(&mut self, campaign: &Pubkey, provider: &Pubkey) -> Change {
        let entry = self.entries.get_mut(&(*campaign, *provider)).unwrap();
        let seq = entry.seq.get() + 1;
        entry.seq = seq.into();
        Change {
            kind: EntityKind::Entry as u8,
            address: Self::entry_address(campaign, provider),
            seq,
            after: bytemuck::bytes_of(entry).to_vec(),
        }
    }
}

/// The same event in another transaction.
pub fn again(event: &Event) -> Event {
    let mut signature = event.id.signature;
    signature.0[63] ^= 1;
    Event {
        id: EventId {
            signature,
            ..event.id
        },
        ..event.clone()
    }
}

/// An event's milestone: its job and number.
pub fn milestone_of(event: &Event) -> (Key, u8) {
    match &event.body {
        QuernEvent::MilestoneSettled(settled) => (super::key(&settled.job), settled.milestone),
        other => panic!("{} settles nothing", other.name()),
    }
}
