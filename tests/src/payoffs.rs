//! What every party of a job earns, strategy by strategy: a simulation over the program's own rules, for `protocol/payoffs.rs`
//! and the tables of the documents. It runs no program and knows no chain.
//!
//! Amounts are atoms of the payment mint; lamports are converted at a rate that a deal names. Probabilities are basis points,
//! and expected amounts are kept in atoms times 10,000, so that everything is exact.

use {
    quern::state::ProtocolSettings,
    quern_rules::{late, reject, settle, slash},
    solana_sdk::pubkey::Pubkey,
};

pub mod deepest;
pub mod demands;
pub mod text;

/// What a signature costs on Solana, in lamports; a transaction here has one, but for the one that creates an evidence account,
/// which the account signs, too.
pub const SIGNATURE_LAMPORTS: u64 = 5_000;
/// One whole, in basis points.
pub const ONE_BPS: i128 = 10_000;

/// Settings as `quern protocol init` writes them when nothing else is said.
pub fn defaults() -> ProtocolSettings {
    ProtocolSettings {
        guardian: Pubkey::new_from_array([1; 32]),
        ..quern_client::instructions::usual_settings(Pubkey::new_from_array([2; 32]))
    }
}

/// Whose money it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Who {
    /// Owner of the provider.
    Provider,
    /// Somebody who does what the provider says, under another name.
    Accomplice,
    /// Pays for the job.
    Client,
    /// A stranger who checks.
    Watcher,
    /// Another stranger who checks.
    Rival,
    /// Earns fees.
    Treasury,
    /// Owner of the model.
    Creator,
    /// Decides about rejections.
    Arbiter,
    /// The purse that nothing leaves.
    Burn,
    /// Where rewards come from.
    Emission,
    /// Earns transaction fees.
    Network,
    /// Earns what work costs: electricity, machines.
    World,
}

/// How many of them there are.
const PARTIES: usize = Who::World as usize + 1;

/// What each party has gained, in atoms. The sum is always zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger([i128; PARTIES]);

impl Ledger {
    /// Moves an amount.
    pub fn pay(&mut self, from: Who, to: Who, atoms: impl Into<i128>) {
        let atoms = atoms.into();
        assert!(atoms >= 0, "nobody pays {atoms}");
        self.0[from as usize] -= atoms;
        self.0[to as usize] += atoms;
    }

    /// What one party has gained.
    pub fn of(&self, who: Who) -> i128 {
        self.0[who as usize]
    }

    /// What several have gained together.
    pub fn of_all(&self, coalition: &[Who]) -> i128 {
        coalition.iter().map(|who| self.of(*who)).sum()
    }

    /// Zero, unless something was made from nothing.
    pub fn sum(&self) -> i128 {
        self.0.iter().sum()
    }
}

/// One milestone, and what it is worth to whom.
#[derive(Clone, Copy, Debug)]
pub struct Deal {
    /// The protocol's settings.
    pub params: ProtocolSettings,
    /// The model owner's share.
    pub royalty_bps: u16,
    /// Price of the milestone.
    pub price_atoms: u64,
    /// What the provider reserves.
    pub bond_atoms: u64,
    /// What the reward that a settlement accrues is worth in atoms of the payment mint.
    pub reward_atoms: u64,
    /// What doing the work costs the provider.
    pub work_atoms: u64,
    /// What of that a cheat saves.
    pub saved_atoms: u64,
    /// What a wrong result that is paid for is worth to the provider beside that: a bribe, a bet, a sabotage.
    pub outside_atoms: u64,
    /// Atoms that a SOL is worth.
    pub atoms_per_sol: u64,
}

/// What a provider does with a refereed job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Play {
    /// Leaves it alone.
    StayAway,
    /// Takes it and does nothing.
    Late,
    /// Does the work, publishes everything, is paid.
    Honest,
    /// Does the work, publishes nothing, answers so many demands in time and is paid.
    AnswerAll(u32),
    /// Commits to something with a wrong number in it; what it saves is the deal's.
    WrongCell,
    /// The same, and publishes nothing, but answers so many demands.
    Withhold(u32),
}

/// Who records the conviction of a cheat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caught {
    /// Nobody: it is paid like honest work.
    Never,
    /// This party, with so many signatures beside answered demands and paying out: those of a conviction, or a demand
    /// without an answer (whose fee comes back), the time-out and closing the demand.
    By(Who, u32),
}

/// A deviation, and how it is found if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the provider does.
    pub play: Play,
    /// Who convicts.
    pub caught: Caught,
}

impl Plan {
    /// This play, convicted by this party with so many signatures.
    pub fn found(play: Play, by: Who, signatures: u32) -> Self {
        let caught = Caught::By(by, signatures);
        Self { play, caught }
    }
}

impl Deal {
    /// A deal over defaults, of this price, bonded as low as allowed; the work costs what the provider earns and all of it can
    /// be saved.
    pub fn tightest(price_atoms: u64) -> Self {
        Self::bonded(
            defaults(),
            price_atoms,
            u64::from(defaults().refereed_bond_bps),
        )
    }

    /// The same with other settings, and a bond of this share of the price.
    pub fn bonded(params: ProtocolSettings, price_atoms: u64, bond_bps: u64) -> Self {
        let mut deal = Self {
            params,
            royalty_bps: 0,
            price_atoms,
            bond_atoms: price_atoms / 10_000 * bond_bps,
            reward_atoms: 0,
            work_atoms: 0,
            saved_atoms: 0,
            outside_atoms: 0,
            atoms_per_sol: 0,
        };
        deal.work_atoms = deal.net_atoms();
        deal.saved_atoms = deal.work_atoms;
        deal
    }

    /// What a settled milestone brings the provider, costs apart: its part of the price and the reward.
    pub fn net_atoms(&self) -> u64 {
        self.split().provider_atoms + self.reward_atoms
    }

    fn split(&self) -> settle::Split {
        settle::split_price(self.price_atoms, self.params.fee_bps, self.royalty_bps).unwrap()
    }

    /// Lamports in atoms, rounded up.
    pub fn lamports(&self, lamports: u64) -> i128 {
        (i128::from(lamports) * i128::from(self.atoms_per_sol) + 999_999_999) / 1_000_000_000
    }

    /// Pays for signatures.
    fn transactions(&self, ledger: &mut Ledger, who: Who, count: u32) {
        let fees = SIGNATURE_LAMPORTS * u64::from(count);
        ledger.pay(who, Who::Network, self.lamports(fees));
    }

    /// Asks a demand, has it answered, and closes it at the end, which brings its rent back.
    fn node_id(&self, ledger: &mut Ledger, opener: Who, revealer: Who) {
        self.transactions(ledger, opener, 2);
        self.transactions(ledger, revealer, 1);
        ledger.pay(
            opener,
            revealer,
            self.lamports(self.params.demand_fee_lamports),
        );
    }

    /// Pays the price and the reward.
    fn settle(&self, ledger: &mut Ledger) {
        let split = self.split();
        ledger.pay(Who::Client, Who::Treasury, split.fee_atoms);
        ledger.pay(Who::Client, Who::Creator, split.royalty_atoms);
        ledger.pay(Who::Client, Who::Provider, split.provider_atoms);
        ledger.pay(Who::Emission, Who::Provider, self.reward_atoms);
        self.transactions(ledger, Who::Provider, 1);
    }

    /// Divides the bond; the price goes back to the client by never leaving it. Anybody may send this; it is the prover who has
    /// reason to.
    fn slash(&self, ledger: &mut Ledger, prover: Who) {
        let parts = slash::split_bond(self.bond_atoms);
        ledger.pay(Who::Provider, prover, parts.prover_atoms);
        ledger.pay(Who::Provider, Who::Client, parts.client_atoms);
        ledger.pay(Who::Provider, Who::Treasury, parts.treasury_atoms);
        self.transactions(ledger, prover, 1);
    }

    /// A refereed job from its creation to its end. Rent comes back to whoever paid it and is left out.
    pub fn refereed(&self, play: Play, caught: Caught) -> Ledger {
        let mut ledger = Ledger::default();
        let it = &mut ledger;
        self.transactions(it, Who::Client, 1); // create
        if play == Play::StayAway {
            return ledger;
        }
        self.transactions(it, Who::Provider, 1); // take
        if play == Play::Late {
            let bond = late::split(self.bond_atoms, self.params.late_penalty_bps).unwrap();
            it.pay(Who::Provider, Who::Client, bond.penalty_atoms);
            self.transactions(it, Who::Client, 1); // expire
            return ledger;
        }
        self.transactions(it, Who::Provider, 1); // submit
        let cheats = matches!(play, Play::WrongCell | Play::Withhold(_));
        let work_atoms = self.work_atoms - if cheats { self.saved_atoms } else { 0 };
        it.pay(Who::Provider, Who::World, work_atoms);
        match (play, caught) {
            (Play::AnswerAll(demands), _) => {
                for _ in 0..demands {
                    self.node_id(it, Who::Client, Who::Provider);
                }
                self.settle(it);
            }
            (Play::WrongCell, Caught::By(prover, signatures)) => {
                self.transactions(it, prover, signatures);
                self.slash(it, prover);
            }
            (Play::Withhold(answers), Caught::By(opener, signatures)) => {
                for _ in 0..answers {
                    self.node_id(it, opener, Who::Provider);
                }
                self.transactions(it, opener, signatures);
                self.slash(it, opener);
            }
            _ => {
                self.settle(it);
                if cheats {
                    it.pay(Who::World, Who::Provider, self.outside_atoms);
                }
            }
        }
        ledger
    }

    /// What a deviation of a coalition gains over the best of these alternatives if nobody finds it, and loses if somebody
    /// does.
    pub fn stakes(&self, plan: Plan, coalition: &[Who], alternatives: &[Play]) -> Stakes {
        let of = |play, caught| self.refereed(play, caught).of_all(coalition);
        let best = alternatives.iter().map(|play| of(*play, Caught::Never));
        let unseen = of(plan.play, Caught::Never);
        Stakes {
            gain: unseen - best.max().unwrap(),
            swing: unseen - of(plan.play, plan.caught),
        }
    }
}

/// What hangs on whether a deviation is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stakes {
    /// What it gains over the best alternative if it is not.
    pub gain: i128,
    /// What being found takes away.
    pub swing: i128,
}

impl Stakes {
    /// The expected gain over the best alternative when it is found with this probability, times 10,000.
    pub fn expected(&self, found_bps: i128) -> i128 {
        self.gain * ONE_BPS - found_bps * self.swing
    }

    /// The least probability (rounded up to a basis point) from which the deviation gains nothing. Above 10,000 where none is
    /// enough.
    pub fn threshold_bps(&self) -> i128 {
        if self.gain <= 0 {
            return 0;
        }
        assert!(self.swing > 0, "to be found costs something");
        (self.gain * ONE_BPS + self.swing - 1) / self.swing
    }
}

/// What an arbiter does with a rejected milestone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Gives it all to whoever is right.
    Right,
    /// Lets its time pass.
    Unanswered,
    /// Gives it all to the client, with the highest penalty.
    ForClient,
    /// Gives it all to the provider.
    ForProvider,
}

impl Deal {
    /// One milestone of a reviewed job: whether the work is good, whether the client rejects it, and what the arbiter does
    /// then. A client that does not reject has accepted or was silent; both pay.
    pub fn accepted(&self, good: bool, rejected: Option<Ruling>) -> Ledger {
        let mut ledger = Ledger::default();
        let it = &mut ledger;
        self.transactions(it, Who::Client, 1); // create
        self.transactions(it, Who::Provider, 2); // take, submit
        let work_atoms = self.work_atoms - if good { 0 } else { self.saved_atoms };
        it.pay(Who::Provider, Who::World, work_atoms);
        let Some(ruling) = rejected else {
            self.settle(it);
            return ledger;
        };
        self.transactions(it, Who::Client, 1); // reject
        let deposit_atoms = reject::deposit(self.price_atoms, self.params.reject_bps).unwrap();
        let for_provider = match ruling {
            Ruling::Right => good,
            Ruling::ForProvider => true,
            Ruling::ForClient => false,
            Ruling::Unanswered => {
                let parts =
                    reject::silence(self.price_atoms, self.params.fee_bps, self.royalty_bps)
                        .unwrap();
                it.pay(
                    Who::Client,
                    Who::Provider,
                    parts.provider_atoms + deposit_atoms,
                );
                it.pay(Who::Client, Who::Treasury, parts.fee_atoms);
                it.pay(Who::Client, Who::Creator, parts.royalty_atoms);
                it.pay(Who::Client, Who::Burn, parts.burn_atoms);
                self.transactions(it, Who::Provider, 1); // expire
                return ledger;
            }
        };
        self.transactions(it, Who::Arbiter, 1); // resolve
        let parts = reject::resolve(
            self.price_atoms,
            self.params.arbiter_bps,
            if for_provider { 10_000 } else { 0 },
            self.params.fee_bps,
            self.royalty_bps,
        )
        .unwrap();
        it.pay(Who::Client, Who::Arbiter, parts.arbiter_atoms);
        it.pay(Who::Client, Who::Provider, parts.provider_atoms);
        it.pay(Who::Client, Who::Treasury, parts.fee_atoms);
        it.pay(Who::Client, Who::Creator, parts.royalty_atoms);
        if for_provider {
            it.pay(Who::Client, Who::Provider, deposit_atoms);
        } else {
            let bond = late::split(self.bond_atoms, self.params.late_penalty_bps).unwrap();
            let asked_atoms = bond.penalty_atoms;
            let penalty_atoms = reject::penalty(
                self.bond_atoms,
                asked_atoms,
                self.params.late_penalty_bps,
                false,
            )
            .unwrap();
            it.pay(Who::Provider, Who::Client, penalty_atoms);
        }
        ledger
    }
}
