//! How a milestone was paid: every amount of it computed again by the rules, from what the chain said before.

use {
    super::{amount, words},
    crate::project::{
        Event, key,
        program::{
            Change, Emission, EntityKind, Job, MilestoneSettled, MintConfig, Provider, Purse,
            QuernEvent, read,
        },
    },
    quern_api::{Amount, ExplainEvent, ExplainInput, ExplainPage, ExplainStep, Key},
    quern_rules::{reward, settle},
};

/// The explanation of a payment in full. The job's events from its creation to the payment are given in order, as far as they are
/// known.
pub fn explain(
    settled: &MilestoneSettled,
    events: &[Event],
    mints: &[MintConfig],
) -> Option<ExplainPage> {
    let paid = Paid {
        settled,
        job: job_before(settled, events),
        mints,
    };
    let mut steps = paid.split();
    steps.extend(paid.reward());
    let is_known = steps.iter().all(|step| step.computed.is_some());
    let is_equal = steps
        .iter()
        .all(|step| step.computed.as_ref() == Some(&step.paid));
    Some(ExplainPage {
        job: key(&settled.job),
        milestone: settled.milestone,
        assurance: words::assurance(settled.assurance)?,
        provider: key(&settled.provider),
        client: key(&settled.client),
        why: why(settled, words::assurance(settled.assurance)?),
        steps,
        equal: is_known.then_some(is_equal),
        events: events.iter().map(named).collect(),
    })
}

fn why(settled: &MilestoneSettled, assurance: quern_api::Assurance) -> String {
    let how = match (settled.accepted, assurance) {
        (true, _) => "its client accepted the result",
        (false, quern_api::Assurance::Refereed) => {
            "nobody proved the result wrong within its review, and every demand was answered"
        }
        (false, quern_api::Assurance::Reviewed) => {
            "its client did not reject the result within its review"
        }
    };
    format!("Milestone {} was paid in full: {how}.", settled.milestone)
}

fn named(event: &Event) -> ExplainEvent {
    ExplainEvent {
        event: event.body.name().to_owned(),
        at: event.body.at(),
        slot: event.slot,
        signature: event.id.signature,
    }
}

/// The job's last values before the payment: the shares and rates that held for it.
fn job_before(settled: &MilestoneSettled, events: &[Event]) -> Option<Job> {
    let earlier = events
        .iter()
        .rev()
        .filter(|event| !is_payment(&event.body, settled));
    earlier
        .flat_map(|event| event.body.changes())
        .find(|change| change.kind == EntityKind::Job as u8 && change.address == settled.job)
        .and_then(|change| read(&change.after))
}

fn is_payment(event: &QuernEvent, settled: &MilestoneSettled) -> bool {
    matches!(event, QuernEvent::MilestoneSettled(one) if one.milestone == settled.milestone)
}

struct Paid<'a> {
    settled: &'a MilestoneSettled,
    job: Option<Job>,
    mints: &'a [MintConfig],
}

impl Paid<'_> {
    /// Fee, royalty and the provider's part.
    fn split(&self) -> Vec<ExplainStep> {
        let settled = self.settled;
        let shares = self
            .job
            .map(|job| (job.terms.fee_bps.get(), job.royalty_bps.get()));
        let parts = shares.and_then(|(fee_bps, royalty_bps)| {
            settle::split_price(settled.price_atoms, fee_bps, royalty_bps).ok()
        });
        let (fee_bps, royalty_bps) = shares.unwrap_or_default();
        let price = input("price_atoms", settled.price_atoms, "MilestoneSettled");
        let mint = key(&settled.mint);
        let job = "the job, copied when it was created";
        let step = |what: &str, rule: &str, inputs, computed: Option<u64>, paid| ExplainStep {
            what: what.to_owned(),
            rule: rule.to_owned(),
            inputs,
            computed: computed.map(|atoms| self.amount(atoms, mint)),
            paid: self.amount(paid, mint),
        };
        vec![
            step(
                "fee",
                "floor(price_atoms x fee_bps / 10000)",
                vec![price.clone(), input("fee_bps", fee_bps.into(), job)],
                parts.map(|parts| parts.fee_atoms),
                settled.fee_atoms,
            ),
            step(
                "royalty",
                "floor(price_atoms x royalty_bps / 10000)",
                vec![price.clone(), input("royalty_bps", royalty_bps.into(), job)],
                parts.map(|parts| parts.royalty_atoms),
                settled.royalty_atoms,
            ),
            step(
                "provider",
                "price_atoms - fee - royalty",
                vec![price],
                parts.map(|parts| parts.provider_atoms),
                settled.provider_atoms,
            ),
        ]
    }

    /// The reward, if the emission was configured. What it had left before follows from what it had left afterwards.
    fn reward(&self) -> Option<ExplainStep> {
        let settled = self.settled;
        let emission: Emission = self.changed(EntityKind::Emission, |_: &Emission| true)?;
        let changes = settled.changes.iter();
        let mut of_emission = changes.filter(|change| change.kind == EntityKind::Emission as u8);
        let owner = of_emission.next().map(|change| change.address);
        let mint = key(&emission.reward_mint);
        let granted_atoms = settled.reward_atoms;
        let spent_atoms = emission.spent_atoms.get().saturating_sub(granted_atoms);
        let purse: Option<Purse> = self.changed(EntityKind::Purse, |purse: &Purse| {
            purse.mint == emission.reward_mint && Some(purse.owner) == owner
        });
        let provider: Option<Provider> = self.changed(EntityKind::Provider, |_: &Provider| true);
        let free_atoms = purse.map(|purse| purse.free_atoms.get().saturating_add(granted_atoms));
        let accrued = provider.map(|provider| provider.rewards_accrued_atoms.get());
        let room_atoms = accrued.map(|atoms| reward::room(atoms.saturating_sub(granted_atoms)));
        let computed = self
            .job
            .zip(free_atoms.zip(room_atoms))
            .map(|(job, (free, room))| {
                reward::accrue(
                    settled.fee_atoms,
                    job.reward_rate_e9.get(),
                    job.reward_weight_bps.get(),
                    emission.cap_atoms.get(),
                    spent_atoms,
                    free.min(room),
                )
            });
        let mut inputs = vec![input("fee_atoms", settled.fee_atoms, "MilestoneSettled")];
        if let Some(job) = self.job {
            let from = "the job, copied when it was created";
            inputs.push(input("rate_e9", job.reward_rate_e9.get(), from));
            inputs.push(input(
                "weight_bps",
                job.reward_weight_bps.get().into(),
                from,
            ));
        }
        let before = "the emission before the payment";
        inputs.push(input("cap_atoms", emission.cap_atoms.get(), before));
        inputs.push(input("spent_atoms", spent_atoms, before));
        if let Some(free_atoms) = free_atoms {
            inputs.push(input(
                "free_atoms",
                free_atoms,
                "the emission's purse before the payment",
            ));
        }
        Some(ExplainStep {
            what: "reward".to_owned(),
            rule: "min(floor(fee_atoms x rate_e9 x weight_bps / 10^13), cap_atoms - spent_atoms, free_atoms)".to_owned(),
            inputs,
            computed: computed.map(|atoms| self.amount(atoms, mint)),
            paid: self.amount(granted_atoms, mint),
        })
    }

    /// The values of an account that the payment changed.
    fn changed<T: bytemuck::Pod>(&self, kind: EntityKind, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let changes = self.settled.changes.iter();
        let of_kind = changes.filter(|change: &&Change| change.kind == kind as u8);
        of_kind
            .filter_map(|change| read::<T>(&change.after))
            .find(is_it)
    }

    fn amount(&self, atoms: u64, mint: Key) -> Amount {
        amount(atoms, mint, self.mints)
    }
}

fn input(name: &str, value: u64, from: &str) -> ExplainInput {
    ExplainInput {
        name: name.to_owned(),
        value,
        from: from.to_owned(),
    }
}
