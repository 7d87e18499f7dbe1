//! What an event means to a person.

use {
    super::names::Names,
    quern_client::{
        Pubkey,
        quern::{
            events::{MilestoneSettled, QuernEvent},
            state::{Conviction, JobState, NodeRef},
        },
    },
    quern_proof::Charge,
};

/// Turns events into sentences; set-up is told by whoever does it.
pub(super) struct Teller<'a> {
    pub(super) names: &'a Names,
    /// The mint of the event's job or campaign, where it was created before.
    pub(super) mint: Option<Pubkey>,
    pub(super) reward_mint: Option<Pubkey>,
}

impl Teller<'_> {
    pub(super) fn tell(&self, event: &QuernEvent) -> Option<String> {
        self.purse(event)
            .or_else(|| self.work(event))
            .or_else(|| self.settlement(event))
            .or_else(|| self.campaign(event))
            .or_else(|| self.referee(event))
    }

    fn name(&self, address: &Pubkey) -> String {
        self.names.of(address)
    }

    fn amount(&self, atoms: u64, mint: &Pubkey) -> String {
        self.names.amount(atoms, mint)
    }

    /// What goes into a purse and out of it.
    fn purse(&self, event: &QuernEvent) -> Option<String> {
        let name = |address: &Pubkey| self.name(address);
        let amount = |atoms: u64, mint: &Pubkey| self.amount(atoms, mint);
        Some(match event {
            QuernEvent::Deposited(event) => {
                let paid = amount(event.amount_atoms, &event.mint);
                let target = match event.owner == event.depositor {
                    true => String::new(),
                    false => format!(" for the {}", name(&event.owner)),
                };
                format!("{} deposits {paid}{target}", name(&event.depositor))
            }
            QuernEvent::Withdrawn(event) => {
                format!(
                    "{} withdraws {}",
                    name(&event.owner),
                    amount(event.amount_atoms, &event.mint)
                )
            }
            QuernEvent::RewardsClaimed(event) => {
                format!(
                    "{} claims {} of rewards",
                    name(&event.owner),
                    amount(event.amount_atoms, &event.mint)
                )
            }
            _ => return None,
        })
    }

    /// A job from its creation to its result, and what is late.
    fn work(&self, event: &QuernEvent) -> Option<String> {
        let name = |address: &Pubkey| self.name(address);
        let amount = |atoms: u64, mint: &Pubkey| self.amount(atoms, mint);
        Some(match event {
            QuernEvent::JobCreated(event) => {
                format!(
                    "{}: {} escrows {}",
                    name(&event.job),
                    name(&event.client),
                    amount(event.escrow_atoms, &event.mint)
                )
            }
            QuernEvent::JobCancelled(event) => {
                let back = amount(event.released_atoms, &event.mint);
                format!(
                    "{}: cancelled, {} gets {back} back",
                    name(&event.job),
                    name(&event.client)
                )
            }
            QuernEvent::JobTaken(event) => {
                let mint = self.mint;
                let bond = mint.map_or_else(
                    || event.bond_atoms.to_string(),
                    |mint| amount(event.bond_atoms, &mint),
                );
                format!(
                    "{}: {} takes it, bond {bond}",
                    name(&event.job),
                    name(&event.provider)
                )
            }
            QuernEvent::ResultSubmitted(event) => {
                let root: String = event.trace_root[..6]
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                let (job, provider) = (name(&event.job), name(&event.provider));
                format!(
                    "{job}: {provider} commits to milestone {} as {root}..",
                    event.milestone + 1
                )
            }
            QuernEvent::JobExpired(event) if event.from_state() == JobState::Taken => {
                let penalty = amount(event.penalty_atoms, &event.mint);
                let (job, provider, client) =
                    (name(&event.job), name(&event.provider), name(&event.client));
                let then = if event.closed { "closed" } else { "open again" };
                format!(
                    "{job}: {provider} missed its deadline and pays {penalty} to {client}; {then}"
                )
            }
            QuernEvent::JobExpired(event) => {
                let back = amount(event.released_atoms, &event.mint);
                format!(
                    "{}: nobody took it, {} gets {back} back",
                    name(&event.job),
                    name(&event.client)
                )
            }
            _ => return None,
        })
    }

    /// What is paid, and what is decided about it.
    fn settlement(&self, event: &QuernEvent) -> Option<String> {
        let name = |address: &Pubkey| self.name(address);
        let amount = |atoms: u64, mint: &Pubkey| self.amount(atoms, mint);
        Some(match event {
            QuernEvent::MilestoneSettled(event) => self.paid(event),
            QuernEvent::JobRejected(event) => format!(
                "{}: {} rejects: {}",
                name(&event.job),
                name(&event.client),
                event.reason
            ),
            QuernEvent::JobResolved(event) => {
                let mint = &event.mint;
                let (provider, client) = (
                    amount(event.provider_atoms, mint),
                    amount(event.client_atoms, mint),
                );
                let (fee, penalty) = (
                    amount(event.arbiter_atoms, mint),
                    amount(event.penalty_atoms, mint),
                );
                format!(
                    "{}: {} gives {} {provider}, {} {client} and a penalty of {penalty}; takes {fee}",
                    name(&event.job),
                    name(&event.arbiter),
                    name(&event.provider),
                    name(&event.client)
                )
            }
            _ => return None,
        })
    }

    /// Pots, who takes part, what is claimed and what goes back.
    fn campaign(&self, event: &QuernEvent) -> Option<String> {
        let name = |address: &Pubkey| self.name(address);
        let amount = |atoms: u64, mint: &Pubkey| self.amount(atoms, mint);
        Some(match event {
            QuernEvent::CampaignCreated(event) => format!(
                "{}: {} reserves a pot of {}",
                name(&event.campaign),
                name(&event.sponsor),
                amount(event.pot_atoms, &event.mint)
            ),
            QuernEvent::CampaignJoined(event) => {
                format!("{}: {} joins", name(&event.campaign), name(&event.provider))
            }
            QuernEvent::CampaignClaimed(event) => {
                let paid = self.mint.map_or_else(
                    || event.amount_atoms.to_string(),
                    |mint| amount(event.amount_atoms, &mint),
                );
                format!(
                    "{}: {} claims {paid} for a score of {}",
                    name(&event.campaign),
                    name(&event.provider),
                    event.score
                )
            }
            QuernEvent::CampaignSwept(event) => format!(
                "{}: {} of the pot go back to {}",
                name(&event.campaign),
                amount(event.released_atoms, &event.mint),
                name(&event.sponsor)
            ),
            _ => return None,
        })
    }

    fn paid(&self, event: &MilestoneSettled) -> String {
        let name = |address: &Pubkey| self.name(address);
        let amount = |atoms: u64, mint: &Pubkey| self.amount(atoms, mint);
        let mint = &event.mint;
        let how = if event.accepted {
            "accepted"
        } else {
            "nobody refuted it"
        };
        let reward = self
            .reward_mint
            .map(|mint| amount(event.reward_atoms, &mint))
            .unwrap_or_default();
        let royalty = match event.royalty_atoms {
            0 => String::new(),
            atoms => format!(", {} {}", name(&event.royalty_owner), amount(atoms, mint)),
        };
        let (job, milestone) = (name(&event.job), event.milestone + 1);
        let (paid, provider) = (amount(event.price_atoms, mint), name(&event.provider));
        let (earned, fee) = (
            amount(event.provider_atoms, mint),
            amount(event.fee_atoms, mint),
        );
        format!(
            "{job}: milestone {milestone} paid ({how}): {paid} = {provider} {earned}{royalty}, treasury {fee}; reward {reward}"
        )
    }

    /// Demands and convictions.
    fn referee(&self, event: &QuernEvent) -> Option<String> {
        let name = |address: &Pubkey| self.name(address);
        let amount = |atoms: u64, mint: &Pubkey| self.amount(atoms, mint);
        Some(match event {
            QuernEvent::DemandOpened(event) => {
                let (opener, provider) = (name(&event.opener), name(&event.provider));
                let (job, what) = (name(&event.job), node_name(&event.node_id));
                let hours = (event.due - event.at) as f64 / 3_600.0;
                format!(
                    "{job}: {opener} asks {provider} about {what}, to be answered within {hours:.1} h"
                )
            }
            QuernEvent::DemandAnswered(event) => {
                let (job, what) = (name(&event.job), node_name(&event.node_id));
                format!(
                    "{job}: {} answers about {what} with {} bytes for {} lamports",
                    name(&event.revealer),
                    event.answer.len(),
                    event.fee_lamports
                )
            }
            QuernEvent::DemandClosed(event) => {
                let (job, opener) = (name(&event.job), name(&event.opener));
                format!(
                    "{job}: a demand is closed; its rent, and its fee if nobody earned it, go back to {opener}"
                )
            }
            QuernEvent::JobConvicted(event) => {
                let (job, provider) = (name(&event.job), name(&event.provider));
                let prover = name(&event.prover);
                let (why, place) = match event.conviction {
                    Conviction::WrongCell { op, row, col, at } => {
                        let cell = Charge::Cell { op, row, col, at };
                        ("of a wrong value", cell.to_string())
                    }
                    Conviction::WrongTokens { item } => {
                        ("of wrong tokens", Charge::Tokens { item }.to_string())
                    }
                    Conviction::BadPadding(node) => ("of wrong padding", node_name(&node)),
                    Conviction::Unanswered(node) => {
                        ("for leaving a demand unanswered", node_name(&node))
                    }
                };
                format!("{job}: {prover} convicts {provider} {why}: {place}")
            }
            QuernEvent::ConvictionSettled(event) => {
                let mint = &event.mint;
                let [back, prover, client, treasury] = [
                    event.released_atoms,
                    event.prover_atoms,
                    event.client_atoms,
                    event.treasury_atoms,
                ]
                .map(|atoms| amount(atoms, mint));
                format!(
                    "{}: {} gets {back} back; {}'s bond: {} {prover}, {} {client}, treasury {treasury}",
                    name(&event.job),
                    name(&event.client),
                    name(&event.provider),
                    name(&event.prover),
                    name(&event.client)
                )
            }
            _ => return None,
        })
    }
}

/// A node of a commitment, in words.
fn node_name(node: &NodeRef) -> String {
    node.node_id().map_or_else(
        || format!("an unknown tree ({})", node.tree),
        |node_id| node_id.to_string(),
    )
}
