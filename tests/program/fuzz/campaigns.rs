//! Random steps of campaigns: sponsors, providers that join, claims and sweeps at every time.

use {
    super::Fuzz,
    quern::{
        constants::NOBODY,
        instructions::NewCampaign,
        state::{Campaign, Entry, Model, Provider, Purse},
    },
    quern_testkit::svm::*,
    solana_sdk::{instruction::Instruction, pubkey::Pubkey},
};

impl Fuzz {
    /// A random step of a campaign.
    pub(super) fn campaigning(&mut self) -> Option<(&'static str, Vec<Instruction>)> {
        let one = |name, instruction| Some((name, vec![instruction]));
        match self.rng.below(12) {
            0..=1 => {
                let (sponsor, mint) = (self.wallet(), self.mint());
                let purse: Purse = self.stage.get(&addresses::purse(&sponsor, &mint));
                let args = self.campaign_args();
                let n = purse.opened.get();
                one(
                    "create_campaign",
                    ix::create_campaign(&sponsor, &mint, n, args),
                )
            }
            2..=5 => {
                let (campaign, _) = self.one::<Campaign>()?;
                let (_, provider) = self.one::<Provider>()?;
                let payer = self.wallet();
                one(
                    "join_campaign",
                    ix::join_campaign(&payer, &campaign, &provider.owner),
                )
            }
            6..=9 => {
                let (_, entry) = self.one::<Entry>()?;
                one("claim_campaign", self.claim_of_entry(&entry))
            }
            _ => {
                let (_, campaign) = self.one::<Campaign>()?;
                one("sweep_campaign", ix::sweep_campaign(&campaign))
            }
        }
    }

    fn claim_of_entry(&self, entry: &Entry) -> Instruction {
        let campaign = self
            .stage
            .exists(&entry.campaign)
            .then(|| self.stage.get::<Campaign>(&entry.campaign));
        ix::claim_campaign(entry, campaign.as_ref())
    }

    /// Mostly one that lets jobs in; now and then one that is refused.
    fn campaign_args(&mut self) -> NewCampaign {
        let start = self.stage.now() + self.rng.below(500) as i64;
        let end = start + self.rng.between(1, 60_000) as i64;
        let settle_by = end + self.rng.between(1, 150_000) as i64;
        let claim_secs = self.stage.protocol().campaign_claim_secs.get();
        let claim_by = settle_by + i64::from(claim_secs) + self.rng.below(50_000) as i64;
        let pot_atoms = match self.rng.below(6) {
            0 => 1,
            1 => self.rng.bits(),
            _ => self.rng.between(1, 3_000),
        };
        let model = match self.rng.below(8) {
            0 => self.one::<Model>().map_or(NOBODY, |(model, _)| model),
            _ => NOBODY,
        };
        let mut args = NewCampaign {
            pot_atoms,
            start,
            end,
            settle_by,
            claim_by,
            kinds: if self.rng.once_in(4) { 0b011 } else { 0b111 },
            model,
            refereed_bps: self.bps(9_999).min(9_999),
            reviewed_bps: self.bps(9_999).min(9_999),
        };
        match self.rng.below(20) {
            0 => args.kinds = self.rng.bits() as u8,
            1 => args.refereed_bps = 10_000,
            2 => (args.start, args.end) = (args.end, args.start),
            3 => args.claim_by = args.settle_by + self.rng.below(100) as i64,
            4 => args.claim_by = i64::MAX,
            _ => (),
        }
        args
    }

    /// A campaign for a new job, and the mint that fits it.
    pub(super) fn campaign_for_job(&mut self) -> Option<(Pubkey, Pubkey)> {
        if !self.rng.once_in(3) {
            return None;
        }
        let (address, campaign) = self.one::<Campaign>()?;
        Some((address, campaign.mint))
    }

    /// A second about one at which something of a campaign changes.
    pub(super) fn time_of_a_campaign(&mut self) -> Option<i64> {
        let (_, campaign) = self.one::<Campaign>()?;
        let times = campaign.times();
        let at = *self
            .rng
            .pick(&[times.start, times.end, times.settle_by, times.claim_by]);
        Some(at + self.rng.below(3) as i64 - 1)
    }

    /// P8 for campaigns: strangers give every pot and every rent back.
    pub(super) fn strangers_sweep(&mut self, seen: &mut super::Seen) {
        for (_, campaign) in self.stage.list::<Campaign>() {
            let after = campaign.claim_by.get() + 1;
            if after > self.stage.now() {
                self.stage.set_time(after);
            }
            self.must("sweep_campaign", ix::sweep_campaign(&campaign), seen);
        }
        for (_, entry) in self.stage.list::<Entry>() {
            let claim = self.claim_of_entry(&entry);
            self.must("claim_campaign", claim, seen);
        }
    }
}
