//! What will be claimed: every source of money of an owner, and the parts that a transaction can be put together of.

use {
    super::people::People,
    crate::{
        amount::{parse, show},
        context::Context,
        error::{Error, Result},
        funds::both,
        when,
    },
    quern_client::{
        ClientError, Instruction, Pubkey, addresses,
        claims::{CampaignClaim, Claims},
        flows,
    },
    std::collections::{BTreeMap, BTreeSet},
};

/// What the person asks for.
pub struct Wanted<'a> {
    /// Only this mint.
    pub mint: Option<Pubkey>,
    /// How much leaves the purses: an amount, or `all`.
    pub withdraw: Option<&'a str>,
    /// What stays in each.
    pub keep: Option<&'a str>,
}

/// Where money comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// What is free in a purse.
    Purse,
    /// The emission.
    Rewards,
    /// A campaign.
    Campaign,
}

impl Source {
    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Purse => "purse",
            Self::Rewards => "rewards",
            Self::Campaign => "campaign",
        }
    }
}

/// What there is from one source.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What it is.
    pub source: Source,
    /// The purse, the emission or the campaign.
    pub from: Pubkey,
    /// In which mint.
    pub mint: Pubkey,
    /// Of the mint.
    pub decimals: u8,
    /// How much.
    pub atoms: u64,
    /// What happens to it, or why nothing does yet.
    pub state: String,
    /// Which part takes it.
    pub part: Option<usize>,
}

impl Claim {
    /// Whether it lies in a purse already.
    pub fn is_purse(&self) -> bool {
        self.source == Source::Purse
    }
}

/// Instructions that stay together.
#[derive(Clone, Debug)]
enum Part {
    /// Into the purse of a mint.
    Into {
        mint: Pubkey,
        atoms: u64,
        instructions: Vec<Instruction>,
        name: String,
    },
    /// Out of it, as much as `withdrawn_atoms` of the mint's flow says.
    Out { mint: Pubkey },
}

/// What happens to the free atoms of one purse.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flow {
    /// Of the mint.
    pub decimals: u8,
    /// Of the mint.
    pub token_program: Pubkey,
    /// What is free in it.
    pub before_atoms: u64,
    /// What no withdrawal takes.
    pub locked_atoms: u64,
    /// What stays free at least.
    pub keep_atoms: u64,
    /// What comes in.
    pub claimed_atoms: u64,
    /// What goes out.
    pub withdrawn_atoms: u64,
}

impl Flow {
    /// Before anything is withdrawn.
    fn free_atoms(&self) -> u64 {
        self.before_atoms.saturating_add(self.claimed_atoms)
    }

    /// In the end.
    pub fn after_atoms(&self) -> u64 {
        self.free_atoms().saturating_sub(self.withdrawn_atoms)
    }

    /// Whether anything moves.
    pub fn moves(&self) -> bool {
        self.claimed_atoms > 0 || self.withdrawn_atoms > 0
    }

    /// What a withdrawal takes at most.
    fn most_atoms(&self) -> u64 {
        self.free_atoms().saturating_sub(self.keep_atoms)
    }

    /// How much a withdrawal takes.
    fn withdrawal(&self, wanted: &str) -> Result<u64> {
        let most = self.most_atoms();
        if wanted == "all" {
            return Ok(most);
        }
        let atoms = parse("--withdraw", wanted, self.decimals)?;
        if atoms > most {
            return Err(Error::Other(format!(
                "--withdraw {wanted} is more than may leave the purse: {} will be free in it, {} are locked in jobs, bonds and deposits until those end, and {} stays (--keep); withdraw at most {}",
                both(self.free_atoms(), self.decimals),
                both(self.locked_atoms, self.decimals),
                both(self.keep_atoms, self.decimals),
                both(most, self.decimals)
            )));
        }
        Ok(atoms)
    }
}

/// Every mint's flow, in a fixed order.
pub type Flows = BTreeMap<Pubkey, Flow>;

/// Everything that there is and what will be done about it.
pub struct Plan {
    /// Whose.
    pub owner: Pubkey,
    /// Who pays.
    pub payer: Pubkey,
    /// Every source, in order.
    pub claims: Vec<Claim>,
    parts: Vec<Part>,
    flows: Flows,
    /// Whether a withdrawal takes everything that is there.
    takes_all: bool,
}

impl Plan {
    /// Puts it together.
    ///
    /// # Errors
    /// A withdrawal that makes no sense, or that the cluster did not answer.
    pub async fn new(
        context: &Context,
        people: &People,
        found: Claims,
        wanted: &Wanted<'_>,
    ) -> Result<Self> {
        let mut plan = Self {
            owner: people.owner,
            payer: people.payer,
            claims: Vec::new(),
            parts: Vec::new(),
            flows: Flows::new(),
            takes_all: wanted.withdraw == Some("all"),
        };
        let is_wanted = |mint: &Pubkey| wanted.mint.is_none_or(|only| only == *mint);
        plan.add_purses(&found, &is_wanted);
        let rewards = found.rewards;
        if let Some(rewards) = rewards.filter(|rewards| is_wanted(&rewards.emission.reward_mint)) {
            let mint = rewards.emission.reward_mint;
            let claim = match people.signs {
                true => {
                    let (rpc, payer) = (context.rpc(), &people.payer);
                    let emission = &rewards.emission;
                    Some(flows::claim_rewards(rpc, payer, &people.owner, emission).await?)
                }
                false => None,
            };
            let from = addresses::emission();
            let state = match claim {
                Some(_) => "into the purse".to_owned(),
                None => "only its owner can claim it".to_owned(),
            };
            plan.add(
                &found,
                (Source::Rewards, from, mint),
                rewards.atoms,
                state,
                claim,
            );
        }
        plan.add_campaigns(&found, &is_wanted);
        if let Some(text) = wanted.withdraw {
            plan.withdraw(text, wanted.keep)?;
        }
        Ok(plan)
    }

    /// What is free in the purses.
    fn add_purses(&mut self, found: &Claims, is_wanted: &impl Fn(&Pubkey) -> bool) {
        for purse in found.purses.iter().filter(|purse| is_wanted(&purse.mint)) {
            let free_atoms = purse.free_atoms.get();
            if free_atoms == 0 {
                continue;
            }
            let flow = self.flow(found, &purse.mint);
            (flow.before_atoms, flow.locked_atoms) = (free_atoms, purse.reserved_atoms.get());
            let source = (
                Source::Purse,
                addresses::purse(&self.owner, &purse.mint),
                purse.mint,
            );
            let state = "stays; --withdraw takes it out".to_owned();
            self.add(found, source, free_atoms, state, None);
        }
    }

    fn add_campaigns(&mut self, found: &Claims, is_wanted: &impl Fn(&Pubkey) -> bool) {
        // Whose rent is worth a transaction.
        let own = [Some(self.owner), Some(self.payer), found.operator];
        for claim in &found.campaigns {
            // The mint of a campaign that was swept is not known any more, and nothing comes of it.
            let mint = claim.campaign.map(|campaign| campaign.mint);
            let is_own = own.contains(&Some(claim.entry.payer));
            let is_worth = is_own || claim.amount_atoms() > 0;
            if !is_worth || !mint.is_none_or(|mint| is_wanted(&mint)) {
                continue;
            }
            let is_due = claim.is_due(found.moment.now);
            let source = (
                Source::Campaign,
                claim.entry.campaign,
                mint.unwrap_or_default(),
            );
            let instructions = is_due.then(|| vec![claim.instruction()]);
            let state = state_of(claim, found.moment.now);
            self.add(found, source, claim.amount_atoms(), state, instructions);
        }
    }

    /// Adds a source, and the part that takes it, if there is one.
    fn add(
        &mut self,
        found: &Claims,
        (source, from, mint): (Source, Pubkey, Pubkey),
        atoms: u64,
        state: String,
        instructions: Option<Vec<Instruction>>,
    ) {
        let part = instructions.map(|instructions| {
            if atoms > 0 {
                let flow = self.flow(found, &mint);
                flow.claimed_atoms = flow.claimed_atoms.saturating_add(atoms);
            }
            self.parts.push(Part::Into {
                mint,
                atoms,
                instructions,
                name: format!("{} {from}", source.name()),
            });
            self.parts.len() - 1
        });
        let decimals = found.mints.get(&mint).map_or(0, |config| config.decimals);
        self.claims.push(Claim {
            source,
            from,
            mint,
            decimals,
            atoms,
            state,
            part,
        });
    }

    fn flow(&mut self, found: &Claims, mint: &Pubkey) -> &mut Flow {
        let known = found.mints.get(mint);
        self.flows.entry(*mint).or_insert_with(|| Flow {
            decimals: known.map_or(0, |config| config.decimals),
            token_program: known.map_or_else(Pubkey::default, |config| config.token_program),
            ..Flow::default()
        })
    }

    /// Plans a withdrawal: of everything from every purse, or of an amount from the only one.
    pub fn withdraw(&mut self, wanted: &str, keep: Option<&str>) -> Result<()> {
        if wanted != "all" && self.flows.len() > 1 {
            return Err(Error::Usage(
                "you have purses in several mints; say with --mint from which one to withdraw that amount".to_owned(),
            ));
        }
        if wanted != "all" && self.flows.is_empty() {
            return Err(Error::Other(
                "nothing is free in your purses, so nothing can be withdrawn".to_owned(),
            ));
        }
        for (mint, flow) in &mut self.flows {
            flow.keep_atoms = keep.map_or(Ok(0), |text| parse("--keep", text, flow.decimals))?;
            flow.withdrawn_atoms = flow.withdrawal(wanted)?;
            if flow.withdrawn_atoms == 0 {
                continue;
            }
            let part = Some(self.parts.len());
            let state = format!(
                "{} to the token account",
                show(flow.withdrawn_atoms, flow.decimals)
            );
            self.parts.push(Part::Out { mint: *mint });
            let known = self.claims.iter_mut();
            match known
                .filter(|claim| claim.is_purse())
                .find(|claim| claim.mint == *mint)
            {
                Some(claim) => (claim.part, claim.state) = (part, state),
                // Nothing is free in it before the claims.
                None => self.claims.push(Claim {
                    source: Source::Purse,
                    from: addresses::purse(&self.owner, mint),
                    mint: *mint,
                    decimals: flow.decimals,
                    atoms: flow.before_atoms,
                    state,
                    part,
                }),
            }
        }
        Ok(())
    }

    /// How many parts there are.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// What a part is, in a sentence.
    pub fn name(&self, part: usize) -> String {
        match self.parts.get(part) {
            Some(Part::Into { name, .. }) => name.clone(),
            Some(Part::Out { mint }) => format!("the withdrawal of {mint}"),
            None => String::new(),
        }
    }

    /// The instructions of a part, if these have failed before it. A withdrawal of everything takes less then.
    ///
    /// # Errors
    /// That nothing is left to withdraw, or less than was asked for.
    pub fn instructions(
        &self,
        part: usize,
        failed: &BTreeSet<usize>,
    ) -> std::result::Result<Vec<Instruction>, ClientError> {
        let mint = match self.parts.get(part) {
            Some(Part::Into { instructions, .. }) => return Ok(instructions.clone()),
            Some(Part::Out { mint }) => mint,
            None => return Ok(Vec::new()),
        };
        let flow = self.sums(failed).remove(mint).unwrap_or_default();
        if flow.withdrawn_atoms == 0 {
            return Err(ClientError::Argument(format!(
                "what should have come into the purse did not; without it {} may be withdrawn, and {} stays (--keep)",
                both(flow.most_atoms(), flow.decimals),
                both(flow.keep_atoms, flow.decimals)
            )));
        }
        let (payer, owner) = (&self.payer, &self.owner);
        let (token_program, atoms) = (&flow.token_program, flow.withdrawn_atoms);
        Ok(flows::withdraw(
            payer,
            owner,
            mint,
            token_program,
            None,
            atoms,
        ))
    }

    /// What happens to each purse if these parts fail. What is to be kept stays: a withdrawal of everything takes less then, and
    /// one of an amount nothing.
    pub fn sums(&self, failed: &BTreeSet<usize>) -> Flows {
        let mut flows = self.flows.clone();
        for part in failed.iter().filter_map(|part| self.parts.get(*part)) {
            match part {
                Part::Into { mint, atoms, .. } => {
                    let Some(flow) = flows.get_mut(mint) else {
                        continue;
                    };
                    flow.claimed_atoms = flow.claimed_atoms.saturating_sub(*atoms);
                    let most = flow.most_atoms();
                    if flow.withdrawn_atoms > most {
                        flow.withdrawn_atoms = if self.takes_all { most } else { 0 };
                    }
                }
                Part::Out { mint } => {
                    if let Some(flow) = flows.get_mut(mint) {
                        flow.withdrawn_atoms = 0;
                    }
                }
            }
        }
        flows
    }

    /// Whether parts cannot be simulated by themselves: a withdrawal of what an earlier transaction brings.
    pub fn waits_for_others(&self, parts: &[usize]) -> bool {
        parts.iter().any(|part| match self.parts.get(*part) {
            Some(Part::Out { mint }) => self
                .flows
                .get(mint)
                .is_some_and(|flow| flow.withdrawn_atoms > flow.before_atoms),
            _ => false,
        })
    }
}

/// What becomes of a campaign's score now.
fn state_of(claim: &CampaignClaim, now: i64) -> String {
    let Some(campaign) = &claim.campaign else {
        return "over; only the entry's rent comes back".to_owned();
    };
    let times = campaign.times();
    if times.may_claim(now) {
        return "into the purse".to_owned();
    }
    match now <= times.settle_by {
        true => format!("as of now; claim it after {}", when::show(times.settle_by)),
        false => format!(
            "too late since {}; the rent comes back after the sweep",
            when::show(times.claim_by)
        ),
    }
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A provider's deposit of 1000 tokens and 0.9 earned in one purse, 0.5 of rewards in its mint, two campaigns in it that pay
    /// 0.2 and 0.1, and one that still counts.
    pub fn plan() -> Plan {
        let mint = Pubkey::from([1; 32]);
        let mut found = Claims {
            mints: BTreeMap::new(),
            purses: Vec::new(),
            rewards: None,
            campaigns: Vec::new(),
            operator: None,
            moment: quern_client::quern::clock::Moment {
                now: 0,
                slot: 0,
                last_restart_slot: 0,
            },
        };
        let mut config: quern_client::quern::state::MintConfig = bytemuck::Zeroable::zeroed();
        (config.mint, config.decimals) = (mint, 6);
        found.mints.insert(mint, config);
        let mut purse: quern_client::quern::state::Purse = bytemuck::Zeroable::zeroed();
        (purse.mint, purse.free_atoms) = (mint, 1_000_900_000.into());
        purse.reserved_atoms = 7_000_000.into();
        found.purses.push(purse);
        let mut plan = Plan {
            owner: Pubkey::from([7; 32]),
            payer: Pubkey::from([8; 32]),
            claims: Vec::new(),
            parts: Vec::new(),
            flows: Flows::new(),
            takes_all: true,
        };
        plan.add_purses(&found, &|_| true);
        let one = |number: u8| {
            let address = Pubkey::from([number; 32]);
            Some(vec![Instruction::new_with_bytes(address, &[], Vec::new())])
        };
        let from = |number: u8| Pubkey::from([number; 32]);
        let into = || "into the purse".to_owned();
        let rewards = (Source::Rewards, from(2), mint);
        plan.add(&found, rewards, 500_000, into(), one(2));
        for (number, atoms) in [(3, 200_000), (4, 100_000)] {
            let campaign = (Source::Campaign, from(number), mint);
            plan.add(&found, campaign, atoms, into(), one(number));
        }
        let campaign = (Source::Campaign, from(5), mint);
        let state = format!("as of now; claim it after {}", when::show(1_801_699_200));
        plan.add(&found, campaign, 300_000, state, None);
        plan
    }

    fn flow() -> Flow {
        plan().flows.values().next().copied().unwrap()
    }

    fn keeping(atoms: u64) -> Flow {
        Flow {
            keep_atoms: atoms,
            ..flow()
        }
    }

    #[test]
    fn a_withdrawal_leaves_what_is_to_be_kept() {
        assert_eq!(flow().withdrawal("all").unwrap(), 1_001_700_000);
        assert_eq!(keeping(2_000_000_000).withdrawal("all").unwrap(), 0);
        let flow = keeping(1_000_000_000);
        assert_eq!(flow.withdrawal("all").unwrap(), 1_700_000);
        assert_eq!(flow.withdrawal("0.9").unwrap(), 900_000);
        let refused = flow.withdrawal("2").unwrap_err().to_string();
        let said = [
            "--withdraw 2 ",
            "at most 1.7 (1700000 atoms)",
            "7 (7000000 atoms) are locked",
        ];
        assert!(
            said.iter().all(|words| refused.contains(words)),
            "{refused}"
        );
        assert!(flow.withdrawal("everything").is_err());
    }

    /// Whatever fails, each purse's sum is right, and a withdrawal of everything takes what has come in.
    #[test]
    fn what_fails_is_neither_counted_nor_withdrawn() {
        let mut plan = plan();
        plan.withdraw("all", Some("1000")).unwrap();
        assert_eq!(plan.parts(), 4);
        let came = [500_000, 200_000, 100_000];
        for failed in 0..8usize {
            let failed: BTreeSet<usize> = (0..3).filter(|part| failed & (1 << part) != 0).collect();
            let ok = (0..3).filter(|part| !failed.contains(part));
            let claimed: u64 = ok.map(|part| came[part]).sum();
            let flow = plan.sums(&failed).values().next().copied().unwrap();
            assert_eq!(flow.claimed_atoms, claimed, "{failed:?}");
            assert_eq!(flow.withdrawn_atoms, 900_000 + claimed, "{failed:?}");
            assert_eq!(flow.after_atoms(), 1_000_000_000);
            assert_eq!(plan.instructions(3, &failed).unwrap().len(), 2);
        }
        let without = plan.sums(&BTreeSet::from([3]));
        assert_eq!(without.values().next().unwrap().withdrawn_atoms, 0);
        assert!(plan.waits_for_others(&[3]) == (900_000 + 800_000 > 1_000_900_000));
    }

    /// Whatever fails, an amount leaves in full or not at all, and what is to be kept stays.
    #[test]
    fn an_amount_never_touches_what_is_to_be_kept() {
        let came = [500_000u64, 200_000, 100_000];
        for (wanted, atoms) in [("0.9", 900_000), ("1.4", 1_400_000), ("1.7", 1_700_000)] {
            let mut plan = plan();
            plan.takes_all = false;
            plan.withdraw(wanted, Some("1000")).unwrap();
            for failed in 0..8usize {
                let failed: BTreeSet<usize> =
                    (0..3).filter(|part| failed & (1 << part) != 0).collect();
                let ok = (0..3).filter(|part| !failed.contains(part));
                let most = 900_000 + ok.map(|part| came[part]).sum::<u64>();
                let flow = plan.sums(&failed).values().next().copied().unwrap();
                let leaves = if atoms <= most { atoms } else { 0 };
                assert_eq!(flow.withdrawn_atoms, leaves, "{wanted} without {failed:?}");
                assert!(flow.after_atoms() >= 1_000_000_000);
                match plan.instructions(3, &failed) {
                    Ok(_) => assert!(atoms <= most),
                    Err(error) => {
                        assert!(atoms > most);
                        let said = format!("without it {} may be", both(most, 6));
                        assert!(error.to_string().contains(&said), "{error}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_amount_needs_to_know_its_mint() {
        let mut plan = plan();
        plan.flows.insert(Pubkey::default(), flow());
        let refused = plan.withdraw("1", None).unwrap_err();
        assert!(matches!(refused, Error::Usage(_)), "{refused}");
        plan.withdraw("all", Some("1000")).unwrap();
        let mut flows = plan.sums(&BTreeSet::new()).into_values();
        assert!(flows.all(|flow| flow.after_atoms() == 1_000_000_000));
        plan.flows.clear();
        assert!(plan.withdraw("1", None).is_err());
    }
}
