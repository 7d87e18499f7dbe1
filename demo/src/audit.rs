//! The audit: what the events say, what the chain holds and what the indexer serves must be equal to the atom.

use {
    anyhow::{Context, Result, ensure},
    quern_api::{
        Assurance, AuditPage, AuditVerdict, Boards, BoardsRequest, Category, ConvictionReason,
        DemandState, DifferenceItem, JobPage, Key, Metric, Outcome, ProviderCounters, ProviderPage,
        PursePage, Ranked, Reply, StatusPage, TotalsPage,
    },
    quern_client::{
        Pubkey, Signer, accounts, addresses,
        quern::state::{self, MintConfig, Provider},
    },
    quern_testkit::net::{Ledger, Stage, ledger::Balance},
    serde::de::DeserializeOwned,
    std::{
        collections::{BTreeMap, BTreeSet},
        fmt::Display,
    },
};

/// What was compared.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// How many figures.
    pub compared: usize,
    /// Those that differ, each as a sentence.
    pub differences: Vec<String>,
}

impl Audit {
    /// In one word.
    pub fn verdict(&self) -> &'static str {
        if self.differences.is_empty() {
            "equal"
        } else {
            "DIFFERENT"
        }
    }

    fn equal<T: PartialEq + Display>(
        &mut self,
        what: impl Display,
        left: (&str, T),
        right: (&str, T),
    ) {
        self.compared += 1;
        if left.1 != right.1 {
            let ((left, l), (right, r)) = (left, right);
            self.differences
                .push(format!("{what}: {l} by {left}, {r} by {right}"));
        }
    }

    fn holds(&mut self, what: impl Display, holds: bool) {
        self.equal(what, ("what must be", true), ("what is", holds));
    }
}

const EVENTS: &str = "the events";
const CHAIN: &str = "the chain";
const INDEXER: &str = "the indexer";

/// Compares everything.
///
/// # Errors
/// That chain or indexer did not answer; a difference is no error but part of the result.
pub async fn audit(stage: &Stage, ledger: &Ledger, indexer_url: &str) -> Result<Audit> {
    let mut audit = Audit::default();
    let api = Api {
        url: indexer_url.to_owned(),
        client: reqwest::Client::new(),
    };
    money(&mut audit, stage, ledger, &api).await?;
    wallets(&mut audit, stage, ledger).await?;
    providers(&mut audit, stage, ledger, &api).await?;
    sums(&mut audit, ledger, &api, stage).await?;
    boards(&mut audit, ledger, &api, stage).await?;
    convictions(&mut audit, stage, ledger, &api).await?;
    demands(&mut audit, stage, ledger, &api).await?;
    completeness(&mut audit, stage, ledger, &api).await?;
    Ok(audit)
}

/// The indexer's HTTP API.
pub struct Api {
    /// Where it is.
    pub url: String,
    /// Who asks.
    pub client: reqwest::Client,
}

impl Api {
    /// A reply's body.
    ///
    /// # Errors
    /// That it is none, or says an error.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let reply = self
            .client
            .get(format!("{}{path}", self.url))
            .send()
            .await?;
        let status = reply.status();
        let text = reply.text().await?;
        ensure!(status.is_success(), "GET {path} gave {status}: {text}");
        let reply: Reply<T> = serde_json::from_str(&text)
            .with_context(|| format!("GET {path} gave what the API does not promise"))?;
        Ok(reply.body)
    }
}

/// An address of the chain as the API's.
fn key(address: &Pubkey) -> Key {
    Key(address.to_bytes())
}

/// The API's word for a level; none for the code 0.
fn level(code: u8) -> Option<Assurance> {
    state::Assurance::from_code(code)?.name().parse().ok()
}

fn level_name(level: Option<Assurance>) -> &'static str {
    level.map_or("none", Assurance::word)
}

/// Every purse three times.
async fn money(audit: &mut Audit, stage: &Stage, ledger: &Ledger, api: &Api) -> Result<()> {
    let rpc = stage.net.rpc();
    let on_chain: BTreeMap<(Pubkey, Pubkey), Balance> = accounts::purses(rpc, None)
        .await?
        .into_iter()
        .map(|(_, purse)| {
            let free_atoms = purse.free_atoms.get().into();
            (
                (purse.owner, purse.mint),
                Balance {
                    free_atoms,
                    reserved_atoms: purse.reserved_atoms.get().into(),
                },
            )
        })
        .collect();
    audit.equal(
        "number of purses",
        (EVENTS, ledger.purses.len()),
        (CHAIN, on_chain.len()),
    );
    for ((owner, mint), booked) in &ledger.purses {
        let what = format!(
            "{}'s purse in {}",
            stage.names.of(owner),
            stage.names.of(mint)
        );
        let found = on_chain.get(&(*owner, *mint)).copied().unwrap_or_default();
        let served: PursePage = api
            .get(&PursePage::path(addresses::purse(owner, mint)))
            .await?;
        for (part, booked, found, served) in [
            (
                "free",
                booked.free_atoms,
                found.free_atoms,
                i128::from(served.free_atoms),
            ),
            (
                "reserved",
                booked.reserved_atoms,
                found.reserved_atoms,
                i128::from(served.reserved_atoms),
            ),
        ] {
            audit.equal(
                format!("{part} atoms of {what}"),
                (EVENTS, booked),
                (CHAIN, found),
            );
            audit.equal(
                format!("{part} atoms of {what}"),
                (EVENTS, booked),
                (INDEXER, served),
            );
        }
        // Every job has ended; only granted rewards may still wait.
        let emission = addresses::emission();
        let outstanding = match *owner == emission {
            true => i128::from(accounts::emission(rpc).await?.outstanding_atoms.get()),
            false => 0,
        };
        audit.equal(
            format!("reserved atoms of {what}"),
            ("what is outstanding", outstanding),
            (CHAIN, found.reserved_atoms),
        );
    }
    vaults(audit, stage, ledger, api, &on_chain).await
}

/// Each vault against the sum of its purses.
async fn vaults(
    audit: &mut Audit,
    stage: &Stage,
    ledger: &Ledger,
    api: &Api,
    on_chain: &BTreeMap<(Pubkey, Pubkey), Balance>,
) -> Result<()> {
    let rpc = stage.net.rpc();
    let totals: TotalsPage = api.get(TotalsPage::PATH).await?;
    let configs: Vec<(Pubkey, MintConfig)> = accounts::mint_configs(rpc).await?;
    for (_, config) in configs {
        let symbol = stage.names.of(&config.mint);
        let purses = on_chain
            .iter()
            .filter(|((_, mint), _)| *mint == config.mint);
        let sum: i128 = purses
            .map(|(_, balance)| balance.free_atoms + balance.reserved_atoms)
            .sum();
        let total: i128 = config.total_atoms.get().into();
        let vault = token_balance(stage, &config.vault).await?;
        audit.equal(
            format!("total of {symbol}"),
            ("the sum of its purses", sum),
            (CHAIN, total),
        );
        let booked = ledger.vaults.get(&config.mint).copied().unwrap_or(0);
        audit.equal(
            format!("vault of {symbol}"),
            (EVENTS, booked),
            (CHAIN, vault),
        );
        audit.holds(
            format!("the vault of {symbol} holds at least its total"),
            vault >= total,
        );
        let mut ledgers = totals.ledgers.iter();
        let served = ledgers.find(|row| row.mint == key(&config.mint));
        let served = served.with_context(|| format!("the indexer knows no ledger of {symbol}"))?;
        audit.equal(
            format!("total of {symbol}"),
            (CHAIN, total),
            (INDEXER, i128::from(served.total_atoms)),
        );
        let both = i128::try_from(served.free_atoms + served.reserved_atoms)?;
        audit.equal(format!("purses of {symbol}"), (CHAIN, sum), (INDEXER, both));
        audit.holds(
            format!("the indexer finds its ledger of {symbol} equal"),
            served.equal,
        );
    }
    Ok(())
}

async fn token_balance(stage: &Stage, account: &Pubkey) -> Result<i128> {
    let balance = stage.net.rpc().get_token_account_balance(account).await?;
    Ok(balance.amount.parse()?)
}

/// Every wallet: what was minted, less deposits, plus withdrawals.
async fn wallets(audit: &mut Audit, stage: &Stage, ledger: &Ledger) -> Result<()> {
    for wallet in &stage.wallets {
        let moved = ledger.wallets.get(&wallet.account).copied().unwrap_or(0);
        let what = format!(
            "{}'s wallet in {}",
            stage.names.of(&wallet.owner),
            stage.names.of(&wallet.mint)
        );
        let found = token_balance(stage, &wallet.account).await?;
        audit.equal(
            what,
            (EVENTS, i128::from(wallet.minted_atoms) + moved),
            (CHAIN, found),
        );
    }
    for account in ledger.wallets.keys() {
        let is_known = stage
            .wallets
            .iter()
            .any(|wallet| wallet.account == *account);
        audit.holds(
            format!("the token account {account} belongs to somebody known"),
            is_known,
        );
    }
    Ok(())
}

/// Every provider's counters, and what it did at each level.
async fn providers(audit: &mut Audit, stage: &Stage, ledger: &Ledger, api: &Api) -> Result<()> {
    for keys in &stage.providers {
        let owner = keys.owner.pubkey();
        let account: Provider =
            accounts::fetch(stage.net.rpc(), &addresses::provider(&owner)).await?;
        let served: ProviderPage = api.get(&ProviderPage::path(owner)).await?;
        let served = &served.counters;
        let settled = ledger.counters.get(&owner).map_or(0, |one| one.settled);
        let scores = |level: u8| {
            ledger
                .scores
                .get(&(owner, level))
                .copied()
                .unwrap_or_default()
        };
        let rows = counter_rows(ledger, &owner, &account, served);
        for (field, booked, found, served) in rows {
            let what = format!("{field} of {}", keys.name);
            audit.equal(&what, (EVENTS, booked), (CHAIN, found.into()));
            audit.equal(&what, (EVENTS, booked), (INDEXER, served.into()));
        }
        audit.equal(
            format!("settled milestones of {}", keys.name),
            ("its scores", scores(1).milestones + scores(2).milestones),
            ("its counter", settled),
        );
    }
    Ok(())
}

/// Each counter of a provider by the events, the chain and the indexer.
fn counter_rows(
    ledger: &Ledger,
    owner: &Pubkey,
    account: &Provider,
    served: &ProviderCounters,
) -> [(&'static str, i128, u64, u64); 8] {
    let counters = ledger.counters.get(owner).copied().unwrap_or_default();
    let scores = |level: u8| {
        let score = ledger.scores.get(&(*owner, level));
        score.copied().unwrap_or_default()
    };
    let accrued = scores(1).reward_atoms + scores(2).reward_atoms;
    [
        (
            "taken",
            counters.taken.into(),
            account.taken.get(),
            served.taken,
        ),
        (
            "settled",
            counters.settled.into(),
            account.settled.get(),
            served.settled,
        ),
        (
            "late",
            counters.late.into(),
            account.late.get(),
            served.late,
        ),
        (
            "convicted",
            counters.convicted.into(),
            account.convicted.get(),
            served.convicted,
        ),
        (
            "refereed_work",
            scores(1).work.into(),
            account.refereed_work.get(),
            served.refereed_work,
        ),
        (
            "reviewed_work",
            scores(2).work.into(),
            account.reviewed_work.get(),
            served.reviewed_work,
        ),
        (
            "rewards_accrued_atoms",
            accrued,
            account.rewards_accrued_atoms.get(),
            served.rewards_accrued_atoms,
        ),
        (
            "rewards_claimed_atoms",
            counters.claimed_atoms,
            account.rewards_claimed_atoms.get(),
            served.rewards_claimed_atoms,
        ),
    ]
}

/// Every sum of the indexer.
async fn sums(audit: &mut Audit, ledger: &Ledger, api: &Api, stage: &Stage) -> Result<()> {
    let totals: TotalsPage = api.get(TotalsPage::PATH).await?;
    let mut served = BTreeMap::new();
    for row in &totals.totals {
        served.insert(
            (row.category, row.assurance, row.mint),
            (i128::try_from(row.atoms)?, row.count),
        );
    }
    for ((category, code, mint), (atoms, count)) in &ledger.sums {
        let level = level(*code);
        let found = served
            .remove(&(*category, level, key(mint)))
            .unwrap_or_default();
        let what = format!(
            "{category} ({}, {})",
            level_name(level),
            stage.names.of(mint)
        );
        audit.equal(
            format!("atoms of {what}"),
            (EVENTS, *atoms),
            (INDEXER, found.0),
        );
        audit.equal(
            format!("events of {what}"),
            (EVENTS, *count),
            (INDEXER, found.1),
        );
    }
    for ((category, level, _), _) in served {
        let level = level_name(level);
        audit.holds(
            format!("the sum {category} ({level}) of the indexer follows from an event"),
            false,
        );
    }
    identities(audit, ledger, stage);
    Ok(())
}

/// The identities between sums.
fn identities(audit: &mut Audit, ledger: &Ledger, stage: &Stage) {
    let mint = &stage.payment.address;
    let of = |category| ledger.total(category, mint);
    audit.equal(
        "prices of all paid and resolved milestones",
        ("the prices", of(Category::Settled) + of(Category::Resolved)),
        (
            "their parts",
            of(Category::Earnings)
                + of(Category::Royalties)
                + of(Category::Fees)
                + of(Category::Arbiters)
                + of(Category::Burnt)
                + resolved_refunds(ledger, mint),
        ),
    );
    audit.equal(
        "bonds of convicted providers",
        (
            "what was put up",
            ledger.slashes.values().map(|slash| slash.bond_atoms).sum(),
        ),
        (
            "its parts",
            of(Category::SlashedToProvers)
                + of(Category::SlashedToClients)
                + of(Category::SlashedToTreasury),
        ),
    );
    audit.equal(
        "escrow of all jobs",
        ("what was escrowed", of(Category::Escrowed)),
        (
            "what became of it",
            of(Category::Settled) + of(Category::Resolved) + of(Category::Refunds)
                - resolved_refunds(ledger, mint),
        ),
    );
}

/// What clients got back of prices that an arbiter split; no job of the demo with later milestones is resolved.
fn resolved_refunds(ledger: &Ledger, mint: &Pubkey) -> i128 {
    ledger
        .sums
        .iter()
        .filter(|((name, level, of), _)| *name == Category::Refunds && *level != 0 && of == mint)
        .map(|(_, (atoms, _))| atoms)
        .sum()
}

/// Every leaderboard by every metric.
async fn boards(audit: &mut Audit, ledger: &Ledger, api: &Api, stage: &Stage) -> Result<()> {
    for metric in Ranked::Providers.metrics().iter().copied() {
        let reply: Boards = api
            .get(&format!("{}?metric={metric}", BoardsRequest::PATH))
            .await?;
        let mut served = BTreeMap::new();
        for board in &reply.boards {
            let mut last = u128::MAX;
            for (rank, entry) in (1..).zip(&board.entries) {
                audit.holds(
                    format!("ranks by {metric} ({})", board.assurance),
                    entry.value <= last && entry.rank == rank,
                );
                last = entry.value;
                served.insert((entry.provider, Some(board.assurance)), entry);
            }
        }
        for ((provider, code), score) in &ledger.scores {
            let booked = match metric {
                Metric::Earned => score.earned_atoms,
                Metric::Work => score.work.into(),
                Metric::Milestones => score.milestones.into(),
                Metric::Rewards => score.reward_atoms,
                Metric::Royalties
                | Metric::Spend
                | Metric::Fees
                | Metric::Claims
                | Metric::Escrowed
                | Metric::Refunds
                | Metric::Jobs
                | Metric::Ended => continue,
            };
            let level = level(*code);
            let what = format!("{} ({})", stage.names.of(provider), level_name(level));
            let found = served.remove(&(key(provider), level));
            let value = found.map_or(Ok(0), |entry| i128::try_from(entry.value))?;
            audit.equal(
                format!("{metric} of {what}"),
                (EVENTS, booked),
                (INDEXER, value),
            );
            if let Some(convicted) = found.and_then(|entry| entry.convicted) {
                let counters = ledger.counters.get(provider).copied().unwrap_or_default();
                audit.equal(
                    format!("convictions on the board by {metric} of {what}"),
                    (EVENTS, counters.convicted),
                    (INDEXER, convicted),
                );
            }
        }
        audit.holds(
            format!("every line of the leaderboard by {metric} follows from an event"),
            served.is_empty(),
        );
    }
    Ok(())
}

/// Every conviction, as the indexer shows it.
async fn convictions(audit: &mut Audit, stage: &Stage, ledger: &Ledger, api: &Api) -> Result<()> {
    for (job, booked) in &ledger.slashes {
        let page: JobPage = api.get(&JobPage::path(job)).await?;
        let name = stage.names.of(job);
        let reason: Option<ConvictionReason> = state::ConvictionReason::from_code(booked.reason)
            .and_then(|reason| reason.name().parse().ok());
        let served = page.job.conviction.as_ref();
        audit.holds(
            format!("{name} ended with a conviction"),
            page.outcome == Some(Outcome::Convicted),
        );
        audit.holds(
            format!("reason of {name} as the events tell it"),
            reason.is_some() && served.map(|served| served.reason) == reason,
        );
        audit.holds(
            format!("prover of {name} as the events tell it"),
            served.map(|served| served.prover) == Some(key(&booked.prover)),
        );
    }
    Ok(())
}

/// Every demand three times: on chain it is there until it was closed.
async fn demands(audit: &mut Audit, stage: &Stage, ledger: &Ledger, api: &Api) -> Result<()> {
    let jobs: BTreeSet<Pubkey> = ledger.demands.values().map(|asked| asked.job).collect();
    for job in jobs {
        let page: JobPage = api.get(&JobPage::path(job)).await?;
        let demands = page.demands.into_iter();
        let mut served: BTreeMap<Key, _> = demands.map(|demand| (demand.address, demand)).collect();
        for (demand, asked) in ledger.demands.iter().filter(|(_, asked)| asked.job == job) {
            let what = format!("a demand about {}", stage.names.of(&job));
            let live = accounts::demand_optional(stage.net.rpc(), demand).await?;
            audit.equal(
                format!("existence of {what}"),
                (EVENTS, !asked.closed),
                (CHAIN, live.is_some()),
            );
            let booked = match (asked.closed, asked.answered) {
                (true, _) => DemandState::Closed,
                (false, true) => DemandState::Answered,
                (false, false) => DemandState::Waiting,
            };
            let Some(found) = served.remove(&key(demand)) else {
                audit.holds(format!("the indexer knows {what}"), false);
                continue;
            };
            audit.equal(
                format!("state of {what}"),
                (EVENTS, booked),
                (INDEXER, found.state),
            );
            audit.equal(
                format!("opener of {what}"),
                (EVENTS, key(&asked.opener)),
                (INDEXER, found.opener),
            );
            audit.equal(
                format!("fee_lamports of {what}"),
                (EVENTS, asked.fee_lamports),
                (INDEXER, found.fee_lamports),
            );
            audit.equal(
                format!("answer of {what}"),
                (EVENTS, asked.answered),
                (INDEXER, found.answered_at.is_some()),
            );
        }
        audit.holds(
            format!(
                "every demand about {} follows from an event",
                stage.names.of(&job)
            ),
            served.is_empty(),
        );
    }
    Ok(())
}

/// The indexer has every event, and no job is left.
async fn completeness(audit: &mut Audit, stage: &Stage, ledger: &Ledger, api: &Api) -> Result<()> {
    let status: StatusPage = api.get(StatusPage::PATH).await?;
    let seen: u64 = ledger.events.values().sum();
    audit.equal("number of events", (EVENTS, seen), (INDEXER, status.events));
    for (field, count) in [("dead_letters", status.dead_letters), ("gaps", status.gaps)] {
        audit.equal(field, ("what must be", 0), (INDEXER, count));
    }
    let own: AuditPage = api.get(AuditPage::PATH).await?;
    for difference in &own.differences {
        let DifferenceItem {
            figure,
            expected,
            found,
            ..
        } = difference;
        audit.differences.push(format!(
            "the indexer's own audit: {figure} of {}: {expected} and {found}",
            difference.address
        ));
    }
    audit.equal(
        "the indexer's own audit",
        ("what must be", AuditVerdict::Equal),
        (INDEXER, own.verdict),
    );
    let jobs = accounts::jobs(stage.net.rpc(), accounts::JobFilter::default()).await?;
    audit.equal("live jobs", ("what must be", 0), (CHAIN, jobs.len()));
    Ok(())
}
