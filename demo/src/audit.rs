//! The audit: what the events say, what the chain holds and what the indexer serves must be equal to the atom.

use {
    anyhow::{Context, Result, ensure},
    quern_client::{
        Pubkey, Signer, accounts, addresses,
        quern::state::{ConvictionReason, MintConfig, Provider},
    },
    quern_testkit::net::{Ledger, Stage, chronicle::assurance_name, ledger::Balance},
    serde_json::Value,
    std::{
        collections::{BTreeMap, BTreeSet},
        fmt::Display,
        str::FromStr,
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
    slashes(&mut audit, stage, ledger, &api).await?;
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
    /// A reply's JSON.
    ///
    /// # Errors
    /// That it is none, or says an error.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let reply = self
            .client
            .get(format!("{}{path}", self.url))
            .send()
            .await?;
        let status = reply.status();
        let body: Value = reply
            .json()
            .await
            .with_context(|| format!("GET {path} gave no JSON"))?;
        ensure!(status.is_success(), "GET {path} gave {status}: {body}");
        Ok(body)
    }
}

/// A number that the API writes as a string.
fn number(value: &Value) -> Result<i128> {
    let text = value
        .as_str()
        .with_context(|| format!("{value} should be a number in a string"))?;
    text.parse()
        .with_context(|| format!("{text} should be a number"))
}

fn address(value: &Value) -> Result<Pubkey> {
    let text = value
        .as_str()
        .with_context(|| format!("{value} should be an address"))?;
    Pubkey::from_str(text).with_context(|| format!("{text} should be an address"))
}

fn array(value: &Value) -> Result<&Vec<Value>> {
    value
        .as_array()
        .with_context(|| format!("{value} should be a list"))
}

/// Every purse three times, and each vault against the sum of its purses.
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
        let served = api
            .get(&format!("/v1/purses/{}", addresses::purse(owner, mint)))
            .await?;
        for (part, booked, found, served) in [
            (
                "free",
                booked.free_atoms,
                found.free_atoms,
                number(&served["free_atoms"])?,
            ),
            (
                "reserved",
                booked.reserved_atoms,
                found.reserved_atoms,
                number(&served["reserved_atoms"])?,
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
        let outstanding = if *owner == emission {
            accounts::emission(rpc)
                .await?
                .outstanding_atoms
                .get()
                .into()
        } else {
            0
        };
        audit.equal(
            format!("reserved atoms of {what}"),
            ("what is outstanding", outstanding),
            (CHAIN, found.reserved_atoms),
        );
    }

    let totals = api.get("/v1/totals").await?;
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
        let served = array(&totals["ledgers"])?
            .iter()
            .find(|row| row["mint"] == config.mint.to_string().as_str());
        let served = served.with_context(|| format!("the indexer knows no ledger of {symbol}"))?;
        audit.equal(
            format!("total of {symbol}"),
            (CHAIN, total),
            (INDEXER, number(&served["total_atoms"])?),
        );
        let both = number(&served["free_atoms"])? + number(&served["reserved_atoms"])?;
        audit.equal(format!("purses of {symbol}"), (CHAIN, sum), (INDEXER, both));
        audit.holds(
            format!("the indexer finds its ledger of {symbol} equal"),
            served["equal"] == true,
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
        let served = api.get(&format!("/v1/providers/{owner}")).await?;
        let counters = ledger.counters.get(&owner).copied().unwrap_or_default();
        let scores = |level: u8| {
            ledger
                .scores
                .get(&(owner, level))
                .copied()
                .unwrap_or_default()
        };
        let accrued = scores(1).reward_atoms + scores(2).reward_atoms;
        let rows: [(&str, i128, u64); 8] = [
            ("taken", counters.taken.into(), account.taken.get()),
            ("settled", counters.settled.into(), account.settled.get()),
            ("late", counters.late.into(), account.late.get()),
            (
                "convicted",
                counters.convicted.into(),
                account.convicted.get(),
            ),
            (
                "refereed_macs",
                scores(1).macs.into(),
                account.refereed_macs.get(),
            ),
            (
                "reviewed_macs",
                scores(2).macs.into(),
                account.reviewed_macs.get(),
            ),
            (
                "rewards_accrued_atoms",
                accrued,
                account.rewards_accrued_atoms.get(),
            ),
            (
                "rewards_claimed_atoms",
                counters.claimed_atoms,
                account.rewards_claimed_atoms.get(),
            ),
        ];
        for (field, booked, found) in rows {
            let what = format!("{field} of {}", keys.name);
            audit.equal(&what, (EVENTS, booked), (CHAIN, found.into()));
            audit.equal(
                &what,
                (EVENTS, booked),
                (INDEXER, number(&served["counters"][field])?),
            );
        }
        audit.equal(
            format!("settled milestones of {}", keys.name),
            ("its scores", scores(1).milestones + scores(2).milestones),
            ("its counter", counters.settled),
        );
    }
    Ok(())
}

/// Every sum of the indexer, and the identities between them.
async fn sums(audit: &mut Audit, ledger: &Ledger, api: &Api, stage: &Stage) -> Result<()> {
    let totals = api.get("/v1/totals").await?;
    let mut served = BTreeMap::new();
    for row in array(&totals["totals"])? {
        let level = row["assurance"].as_str().unwrap_or("none").to_owned();
        let category = row["category"].as_str().unwrap_or_default().to_owned();
        served.insert(
            (category, level, address(&row["mint"])?),
            (number(&row["atoms"])?, number(&row["count"])?),
        );
    }
    for ((category, level, mint), (atoms, count)) in &ledger.sums {
        let level = if *level == 0 {
            "none"
        } else {
            assurance_name(*level)
        };
        let found = served
            .remove(&((*category).to_owned(), level.to_owned(), *mint))
            .unwrap_or_default();
        let what = format!("{category} ({level}, {})", stage.names.of(mint));
        audit.equal(
            format!("atoms of {what}"),
            (EVENTS, *atoms),
            (INDEXER, found.0),
        );
        audit.equal(
            format!("events of {what}"),
            (EVENTS, i128::from(*count)),
            (INDEXER, found.1),
        );
    }
    for ((category, level, _), _) in served {
        audit.holds(
            format!("the sum {category} ({level}) of the indexer follows from an event"),
            false,
        );
    }

    let mint = &stage.payment.address;
    let of = |category| ledger.total(category, mint);
    audit.equal(
        "prices of all paid and resolved milestones",
        ("the prices", of("settled") + of("resolved")),
        (
            "their parts",
            of("earnings")
                + of("royalties")
                + of("fees")
                + of("arbiters")
                + of("burnt")
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
            of("slashed_to_provers") + of("slashed_to_clients") + of("slashed_to_treasury"),
        ),
    );
    audit.equal(
        "escrow of all jobs",
        ("what was escrowed", of("escrowed")),
        (
            "what became of it",
            of("settled") + of("resolved") + of("refunds") - resolved_refunds(ledger, mint),
        ),
    );
    Ok(())
}

/// What clients got back of prices that an arbiter split; no job of the demo with later milestones is resolved.
fn resolved_refunds(ledger: &Ledger, mint: &Pubkey) -> i128 {
    ledger
        .sums
        .iter()
        .filter(|((name, level, of), _)| *name == "refunds" && *level != 0 && of == mint)
        .map(|(_, (atoms, _))| atoms)
        .sum()
}

/// Every leaderboard by every metric.
async fn boards(audit: &mut Audit, ledger: &Ledger, api: &Api, stage: &Stage) -> Result<()> {
    for metric in ["earned", "macs", "milestones", "rewards"] {
        let reply = api
            .get(&format!("/v1/leaderboards/providers?metric={metric}"))
            .await?;
        let mut served = BTreeMap::new();
        for board in array(&reply["boards"])? {
            let level = board["assurance"].as_str().unwrap_or_default().to_owned();
            let mut last = i128::MAX;
            for (index, entry) in array(&board["entries"])?.iter().enumerate() {
                let value = number(&entry["value"])?;
                audit.holds(
                    format!("ranks by {metric} ({level})"),
                    value <= last && entry["rank"] == index as u64 + 1,
                );
                last = value;
                served.insert((address(&entry["provider"])?, level.clone()), value);
            }
        }
        for ((provider, level), score) in &ledger.scores {
            let booked = match metric {
                "earned" => score.earned_atoms,
                "macs" => score.macs.into(),
                "milestones" => score.milestones.into(),
                _ => score.reward_atoms,
            };
            let found = served
                .remove(&(*provider, assurance_name(*level).to_owned()))
                .unwrap_or(0);
            let what = format!(
                "{metric} of {} ({})",
                stage.names.of(provider),
                assurance_name(*level)
            );
            audit.equal(what, (EVENTS, booked), (INDEXER, found));
        }
        audit.holds(
            format!("every line of the leaderboard by {metric} follows from an event"),
            served.is_empty(),
        );
    }
    Ok(())
}

/// Every conviction, as the indexer shows it.
async fn slashes(audit: &mut Audit, stage: &Stage, ledger: &Ledger, api: &Api) -> Result<()> {
    for (job, slash) in &ledger.slashes {
        let (page, name) = (
            api.get(&format!("/v1/jobs/{job}")).await?,
            stage.names.of(job),
        );
        let reason = match ConvictionReason::from_code(slash.reason) {
            Some(ConvictionReason::WrongCell) => "wrong_cell",
            Some(ConvictionReason::BadPadding) => "bad_padding",
            Some(ConvictionReason::Unanswered) => "silence",
            None => "unknown",
        };
        for (what, booked, served) in [
            ("end", "slashed".to_owned(), &page["outcome"]),
            ("reason", reason.to_owned(), &page["slash"]["reason"]),
            ("prover", slash.prover.to_string(), &page["slash"]["prover"]),
        ] {
            audit.equal(
                format!("{what} of {name}"),
                (EVENTS, booked),
                (INDEXER, plain(served)),
            );
        }
    }
    Ok(())
}

/// Every demand three times: on chain it is there until it was closed.
async fn demands(audit: &mut Audit, stage: &Stage, ledger: &Ledger, api: &Api) -> Result<()> {
    let jobs: BTreeSet<Pubkey> = ledger.demands.values().map(|asked| asked.job).collect();
    for job in jobs {
        let page = api.get(&format!("/v1/jobs/{job}")).await?;
        let mut served = BTreeMap::new();
        for demand in array(&page["demands"])? {
            served.insert(address(&demand["address"])?, demand.clone());
        }
        for (demand, asked) in ledger.demands.iter().filter(|(_, asked)| asked.job == job) {
            let what = format!("a demand about {}", stage.names.of(&job));
            let live = accounts::demand_optional(stage.net.rpc(), demand).await?;
            audit.equal(
                format!("existence of {what}"),
                (EVENTS, !asked.closed),
                (CHAIN, live.is_some()),
            );
            let booked = match (asked.closed, asked.answered) {
                (true, _) => "closed",
                (false, true) => "answered",
                (false, false) => "waiting",
            };
            let Some(found) = served.remove(demand) else {
                audit.holds(format!("the indexer knows {what}"), false);
                continue;
            };
            for (field, booked) in [
                ("state", booked.to_owned()),
                ("opener", asked.opener.to_string()),
                ("fee_lamports", asked.fee_lamports.to_string()),
            ] {
                audit.equal(
                    format!("{field} of {what}"),
                    (EVENTS, booked),
                    (INDEXER, plain(&found[field])),
                );
            }
            audit.equal(
                format!("answer of {what}"),
                (EVENTS, asked.answered),
                (INDEXER, !found["answered_at"].is_null()),
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
    let status = api.get("/v1/status").await?;
    let seen: u64 = ledger.events.values().sum();
    audit.equal(
        "number of events",
        (EVENTS, seen.to_string()),
        (INDEXER, plain(&status["events"])),
    );
    for field in ["dead_letters", "gaps"] {
        audit.equal(
            field,
            ("what must be", "0".to_owned()),
            (INDEXER, plain(&status[field])),
        );
    }
    let jobs = accounts::jobs(stage.net.rpc(), accounts::JobFilter::default()).await?;
    audit.equal("live jobs", ("what must be", 0), (CHAIN, jobs.len()));
    Ok(())
}

/// A number, whether the API writes it as one or as a string.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
