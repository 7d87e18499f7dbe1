//! Random steps of campaigns: sponsors, providers that join, claims and sweeps at every time.

use {
    super::Fuzz,
    quern::{
        constants::NOBODY,
        instructions::{NewCampaign, Submission},
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

    /// A campaign in which somebody is likely to score: single random steps hardly ever come so far. Each step may be refused, and
    /// what others begun meanwhile goes on.
    pub(super) fn lively_campaign(&mut self, seen: &mut super::Seen) -> Option<()> {
        let (sponsor, mint) = (self.wallet(), self.mint());
        let purse: Purse = self.stage.get(&addresses::purse(&sponsor, &mint));
        let mut args = self.campaign_args();
        args.start = self.stage.now();
        args.settle_by = args.end + self.rng.between(500_000, 3_000_000) as i64;
        args.claim_by = args.settle_by + self.rng.between(20_000, 60_000) as i64;
        (args.model, args.kinds) = (NOBODY, 0b111);
        let n = purse.opened.get();
        let create = ix::create_campaign(&sponsor, &mint, n, args);
        if !self.send("create_campaign", create, seen) {
            return None;
        }
        let campaign = addresses::campaign(&sponsor, &mint, n);
        let mut scored = false;
        for _ in 0..self.rng.between(1, 4) {
            scored |= self.lively_job(&campaign, &mint, seen).is_some();
        }
        if scored && self.rng.once_in(2) {
            let (first, last) = (args.settle_by, args.claim_by + 2);
            let at = first + self.rng.below((last - first) as u64) as i64;
            self.not_before(at);
            for (_, entry) in self.stage.list::<Entry>() {
                let claim = self.claim_of_entry(&entry);
                self.send("claim_campaign", claim, seen);
            }
        }
        Some(())
    }

    fn not_before(&mut self, at: i64) {
        let now = self.stage.now();
        self.stage.set_time(at.max(now));
    }

    /// A job of a campaign, as far as it gets; nothing if it was not paid.
    fn lively_job(
        &mut self,
        campaign: &Pubkey,
        mint: &Pubkey,
        seen: &mut super::Seen,
    ) -> Option<()> {
        let client = self.wallet();
        let model = self.one::<Model>().map(|(address, _)| address);
        let mut args = self.job_args(&client, model.as_ref());
        args.campaign = *campaign;
        let n = self
            .stage
            .get::<Purse>(&addresses::purse(&client, mint))
            .opened
            .get();
        let create = self.stage.create_ix_of(&client, mint, model.as_ref(), args);
        self.send("create_job", create, seen).then_some(())?;
        let address = addresses::job(&client, mint, n);
        let provider = self.provider_for(&self.stage.job(&address))?;
        let join = ix::join_campaign(&self.wallet(), campaign, &provider.owner);
        self.send("join_campaign", join, seen);
        let job = self.stage.job(&address);
        let take = ix::take_job(&provider.owner, &provider.owner, &job);
        self.send("take_job", take, seen).then_some(())?;
        let job = self.stage.job(&address);
        let result = Submission {
            trace_root: self.result(&job),
            tokens_root: [0; 32],
            output_uri: "u".into(),
        };
        let submit = ix::submit(&provider.owner, &job, result);
        self.send("submit", submit, seen).then_some(())?;
        let job = self.stage.job(&address);
        let emission = self.stage.emission();
        if !job.is_refereed() && self.rng.once_in(2) {
            return self
                .send("finalize", ix::accept(&job, &emission), seen)
                .then_some(());
        }
        let at = job.deadline.get() + i64::from(job.terms.grace_secs.get()) + 1;
        self.not_before(at);
        let finalize = ix::finalize(&self.wallet(), &job, &emission);
        self.send("finalize", finalize, seen).then_some(())
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
