//! The end of the demo: tables for a person, one JSON object for a program. Amounts in JSON are strings of atoms.

use {
    super::{
        audit::{Api, Audit},
        campaign::Sponsored,
        cheats::Cheat,
        gateway::Asked,
        sentences::Embedded,
    },
    anyhow::Result,
    comfy_table::{CellAlignment, Table, presets},
    quern_api::{Board, Boards, BoardsRequest, Category},
    quern_client::{Signer, quern::state::Assurance},
    quern_testkit::net::{
        Ledger, Stage,
        names::{decimal, short},
    },
    serde::Serialize,
    serde_json::{Value, json},
};

/// What only the demo itself knows.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Images in refereed jobs.
    pub images: usize,
    /// Those recognised.
    pub right: usize,
    /// Unseen images that the trained classifier recognises.
    pub training_right: usize,
    /// Of how many.
    pub training_images: usize,
    /// Refereed jobs of honest providers that were paid.
    pub honest_paid: usize,
    /// What became of the sentences.
    pub embedded: Embedded,
    /// What became of the campaign.
    pub sponsored: Sponsored,
    /// What an indexer says that misses one of its events.
    pub named: String,
    /// What became of the application's request.
    pub asked: Asked,
}

/// What happened to a provider.
#[derive(Clone, Debug, Serialize)]
pub struct ProviderSummary {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Jobs taken.
    pub taken: u64,
    /// Deadlines missed.
    pub late: u64,
    /// Convictions that cost a bond.
    pub convicted: u64,
    /// What it paid to clients out of its bonds.
    pub penalties_atoms: String,
    /// Rewards claimed.
    pub rewards_claimed_atoms: String,
    /// Work that could have been refuted.
    pub refereed: LevelSummary,
    /// Work that its client reviewed or an arbiter judged.
    pub reviewed: LevelSummary,
}

/// What a provider did at one assurance level.
#[derive(Clone, Debug, Serialize)]
pub struct LevelSummary {
    /// Milestones in its favour.
    pub milestones: u64,
    /// Units of work of settled milestones.
    pub work: u64,
    /// Its parts of prices.
    pub earned_atoms: String,
    /// Rewards accrued.
    pub rewards_atoms: String,
}

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// `equal`, or what is not.
    pub audit: &'static str,
    /// Figures that the audit compared.
    pub audit_compared: usize,
    /// Sentences about figures that differ.
    pub audit_differences: Vec<String>,
    /// Jobs created.
    pub jobs_created: u64,
    /// Jobs that ended with their last milestone paid.
    pub jobs_settled: u64,
    /// Jobs cancelled.
    pub jobs_cancelled: u64,
    /// Jobs that nobody took.
    pub jobs_expired: u64,
    /// Jobs that an arbiter decided.
    pub jobs_resolved: u64,
    /// Jobs that came open again because their provider had left.
    pub jobs_reopened: u64,
    /// Jobs whose provider was convicted.
    pub jobs_convicted: u64,
    /// Refereed jobs of honest providers that were paid.
    pub honest_paid: usize,
    /// The sentences, refereed.
    pub embedded: Embedded,
    /// The campaign.
    pub sponsored: Sponsored,
    /// What counting it again says where one of its events is missing.
    pub missing_event: String,
    /// What the dishonest provider tried while a watcher was there, and what became of it.
    pub cheats: Vec<Cheat>,
    /// The request of an application, through the gateway.
    pub gateway: Asked,
    /// Milestones paid in full.
    pub milestones_settled: u64,
    /// Held-out images in refereed jobs.
    pub images: usize,
    /// Those recognised.
    pub images_right: usize,
    /// The share of them.
    pub accuracy: f64,
    /// The share of unseen images that the classifier trained by two providers recognises.
    pub training_accuracy: f64,
    /// Prices of milestones paid in full.
    pub settled_atoms: String,
    /// Providers' parts of prices.
    pub earnings_atoms: String,
    /// The creator's.
    pub royalties_atoms: String,
    /// The treasury's.
    pub fees_atoms: String,
    /// The arbiter's.
    pub arbiters_atoms: String,
    /// Back to the client.
    pub refunds_atoms: String,
    /// To the client out of bonds.
    pub penalties_atoms: String,
    /// Rewards accrued.
    pub rewards_atoms: String,
    /// Rewards claimed.
    pub rewards_claimed_atoms: String,
    /// Taken out of the vaults, payment mint.
    pub withdrawn_atoms: String,
    /// Providers.
    pub providers: Vec<ProviderSummary>,
    /// The leaderboard by earnings, as the indexer served it.
    pub leaderboard: Vec<Board>,
    /// Where everything answers.
    pub urls: Value,
    /// Transactions' events.
    pub events: u64,
    /// How long it took.
    pub seconds: f64,
    #[serde(skip)]
    decimals: (u8, u8),
}

impl Summary {
    /// Sums up.
    ///
    /// # Errors
    /// That the indexer did not answer.
    pub async fn new(
        stage: &Stage,
        ledger: &Ledger,
        audit: &Audit,
        indexer_url: &str,
        facts: Facts,
        cheats: Vec<Cheat>,
    ) -> Result<Self> {
        let api = Api {
            url: indexer_url.to_owned(),
            client: reqwest::Client::new(),
        };
        let leaderboard: Boards = api.get(BoardsRequest::PATH).await?;
        let (payment, reward) = (&stage.payment.address, &stage.reward.address);
        let of = |category: Category| ledger.total(category, payment).to_string();
        let share = |right: usize, of: usize| {
            if of == 0 {
                0.0
            } else {
                right as f64 / of as f64
            }
        };
        let reopened = ledger.counters.values().map(|counters| counters.late).sum();
        Ok(Self {
            audit: audit.verdict(),
            audit_compared: audit.compared,
            audit_differences: audit.differences.clone(),
            jobs_created: ledger.count("JobCreated"),
            jobs_settled: ledger.jobs_settled,
            jobs_cancelled: ledger.count("JobCancelled"),
            jobs_expired: ledger.count("JobExpired").saturating_sub(reopened),
            jobs_resolved: ledger.count("JobResolved"),
            jobs_reopened: reopened,
            jobs_convicted: ledger.count("ConvictionSettled"),
            honest_paid: facts.honest_paid,
            embedded: facts.embedded,
            sponsored: facts.sponsored,
            missing_event: facts.named,
            cheats,
            gateway: facts.asked,
            milestones_settled: ledger.count("MilestoneSettled"),
            images: facts.images,
            images_right: facts.right,
            accuracy: share(facts.right, facts.images),
            training_accuracy: share(facts.training_right, facts.training_images),
            settled_atoms: of(Category::Settled),
            earnings_atoms: of(Category::Earnings),
            royalties_atoms: of(Category::Royalties),
            fees_atoms: of(Category::Fees),
            arbiters_atoms: of(Category::Arbiters),
            refunds_atoms: of(Category::Refunds),
            penalties_atoms: of(Category::Penalties),
            rewards_atoms: ledger.total(Category::Rewards, reward).to_string(),
            rewards_claimed_atoms: ledger.total(Category::RewardsClaimed, reward).to_string(),
            withdrawn_atoms: of(Category::Withdrawn),
            providers: stage
                .providers
                .iter()
                .map(|keys| provider(ledger, keys.name, &keys.owner.pubkey()))
                .collect(),
            leaderboard: leaderboard.boards,
            urls: json!({ "rpc": stage.net.rpc_url(), "ws": stage.net.ws_url(), "indexer": indexer_url }),
            events: ledger.events.values().sum(),
            seconds: (stage.names.seconds() * 10.0).round() / 10.0,
            decimals: (stage.payment.decimals, stage.reward.decimals),
        })
    }

    /// The tables for a person.
    pub fn tables(&self) -> String {
        let mut text = String::from("\nProviders by earnings, from the indexer (finalized)\n");
        text.push_str(&self.board_table());
        text.push_str(&self.convicted_lines());
        text.push_str(&self.embedded_lines());
        text.push_str(&self.campaign_lines());
        text.push_str(&self.cheat_table());
        text.push_str(&self.gateway.lines(self.decimals.0));
        let mut table = table(&["", ""]);
        for (what, value) in self.totals() {
            table.add_row(vec![what.to_owned(), value]);
        }
        text.push_str(&format!(
            "\nAll in all (no two prices are equal, so that nothing can be mixed up: hence the odd atoms)\n{table}\n"
        ));
        text
    }

    /// What there is to count, and how much of it.
    fn totals(&self) -> Vec<(&'static str, String)> {
        let (payment, reward) = self.decimals;
        let money = |atoms: &str, decimals: u8| {
            atoms
                .parse()
                .map_or_else(|_| atoms.to_owned(), |atoms| decimal(atoms, decimals))
        };
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        vec![
            ("jobs created", self.jobs_created.to_string()),
            (
                "jobs settled",
                format!(
                    "{} ({} refereed, {} reviewed)",
                    self.jobs_settled,
                    self.honest_paid,
                    self.jobs_settled.saturating_sub(self.honest_paid as u64)
                ),
            ),
            ("milestones settled", self.milestones_settled.to_string()),
            (
                "cancelled / expired / resolved / reopened / convicted",
                format!(
                    "{} / {} / {} / {} / {}",
                    self.jobs_cancelled,
                    self.jobs_expired,
                    self.jobs_resolved,
                    self.jobs_reopened,
                    self.jobs_convicted
                ),
            ),
            (
                "digits recognised",
                format!(
                    "{} of {} = {}",
                    self.images_right,
                    self.images,
                    percent(self.accuracy)
                ),
            ),
            (
                "texts of a transformer",
                format!("{} ({})", self.embedded.items, self.embedded.what),
            ),
            (
                "trained by two providers, unseen images",
                percent(self.training_accuracy),
            ),
            ("earnings (qUSD)", money(&self.earnings_atoms, payment)),
            ("royalties (qUSD)", money(&self.royalties_atoms, payment)),
            ("fees (qUSD)", money(&self.fees_atoms, payment)),
            ("arbiter (qUSD)", money(&self.arbiters_atoms, payment)),
            ("refunds (qUSD)", money(&self.refunds_atoms, payment)),
            ("penalties (qUSD)", money(&self.penalties_atoms, payment)),
            (
                "rewards accrued = claimed (QRN)",
                money(&self.rewards_atoms, reward),
            ),
            (
                "audit",
                format!("{} ({} figures)", self.audit, self.audit_compared),
            ),
            ("seconds", format!("{:.1}", self.seconds)),
        ]
    }

    /// The cheats side by side: so it fits a terminal of eighty columns.
    fn cheat_table(&self) -> String {
        let mut header = vec![String::new()];
        header.extend((1..=self.cheats.len()).map(|number| number.to_string()));
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let mut table = table(&header);
        for column in 1..=self.cheats.len() {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let amount = |atoms: &String| {
            atoms
                .parse()
                .map_or_else(|_| atoms.clone(), |atoms| decimal(atoms, self.decimals.0))
        };
        let mut row = |what: &str, value: &dyn Fn(&Cheat) -> String| {
            let mut cells = vec![what.to_owned()];
            cells.extend(self.cheats.iter().map(value));
            table.add_row(cells);
        };
        row("evidence", &|cheat| match cheat.route {
            "timeout" => "no answer".to_owned(),
            "account" => "in account".to_owned(),
            _ => "inline".to_owned(),
        });
        row("its bytes", &|cheat| cheat.evidence_bytes.to_string());
        row("transaction version", &|cheat| {
            cheat.transaction_version.to_owned()
        });
        row("compute units", &|cheat| cheat.compute_units.to_string());
        row("demands", &|cheat| cheat.demands.to_string());
        row("all fees, lamports", &|cheat| cheat.lamports.to_string());
        row("seconds waited", &|cheat| format!("{:.1}", cheat.seconds));
        row("seconds of the cluster's clock", &|cheat| {
            cheat.chain_seconds.to_string()
        });
        row("watcher gets (qUSD)", &|cheat| amount(&cheat.prover_atoms));
        row("client gets (qUSD)", &|cheat| amount(&cheat.client_atoms));
        row("treasury gets (qUSD)", &|cheat| {
            amount(&cheat.treasury_atoms)
        });
        let titles: String = self
            .cheats
            .iter()
            .enumerate()
            .map(|(index, cheat)| format!("  {}  {}\n", index + 1, cheat.kind.title()))
            .collect();
        format!(
            "\nCheats; the price went back to the client each time, and {} honest results beside them were paid\n{titles}{table}\n",
            self.honest_paid
        )
    }

    /// The nearest sentences, or what was done instead.
    fn embedded_lines(&self) -> String {
        let Embedded {
            what,
            items,
            nearest,
            ..
        } = &self.embedded;
        if nearest.is_empty() {
            return format!("\n{items} texts by {what}, refereed\n");
        }
        let mut text =
            format!("\n{items} sentences embedded with {what}, refereed; the nearest:\n");
        for pair in nearest {
            let line = format!(
                "  {:.3}  {} | {}\n",
                pair.cosine, pair.sentence, pair.nearest
            );
            text.push_str(&line);
        }
        text
    }

    /// Who got what of the campaign, and what buying from oneself cost.
    fn campaign_lines(&self) -> String {
        let money = |atoms: &str| {
            atoms.parse().map_or_else(
                |_| atoms.to_owned(),
                |atoms: i128| decimal(atoms, self.decimals.0),
            )
        };
        let all = &self.sponsored;
        let mut text = format!(
            "\nA campaign: pot {} qUSD, {} scored in all, {} back to its sponsor\n",
            money(&all.pot_atoms),
            money(&all.total_score),
            money(&all.swept_atoms)
        );
        for share in &all.shares {
            text.push_str(&format!(
                "  {}: scored {}, claimed {} qUSD\n",
                share.name,
                money(&share.score),
                money(&share.claimed_atoms)
            ));
        }
        text.push_str(&format!(
            "  thistle bought from itself: {} qUSD before, {} after, its claim included\n",
            money(&all.wash_before_atoms),
            money(&all.wash_after_atoms)
        ));
        text
    }

    /// Who is on no board: what the convicted have earned and lost.
    fn convicted_lines(&self) -> String {
        let lost: u128 = self
            .cheats
            .iter()
            .map(|cheat| &cheat.bond_atoms)
            .chain([&self.gateway.bond_atoms])
            .filter_map(|atoms| atoms.parse::<u128>().ok())
            .sum();
        let convicted = self.providers.iter().filter(|one| one.convicted > 0);
        convicted
            .map(|one| {
                let earned =
                    [&one.refereed, &one.reviewed].map(|level| level.earned_atoms.parse::<i128>());
                let earned: i128 = earned.into_iter().filter_map(Result::ok).sum();
                format!(
                    "{}: earned {} qUSD, convicted {} times, bonds of {} qUSD lost\n",
                    one.name,
                    decimal(earned, self.decimals.0),
                    one.convicted,
                    decimal(i128::try_from(lost).unwrap_or(i128::MAX), self.decimals.0),
                )
            })
            .collect()
    }

    fn board_table(&self) -> String {
        let mut table = table(&[
            "assurance",
            "rank",
            "provider",
            "earned (qUSD)",
            "milestones",
            "units of work",
            "rewards (QRN)",
        ]);
        for column in 3..7 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for board in &self.leaderboard {
            for entry in &board.entries {
                let name = entry.name.as_deref().unwrap_or_default();
                table.add_row(vec![
                    board.assurance.to_string(),
                    entry.rank.to_string(),
                    format!("{name} ({})", short(&entry.provider.to_string())),
                    tokens(entry.value, board.decimals),
                    entry.milestones.to_string(),
                    entry.work.to_string(),
                    entry.rewards.first().map_or("0".to_owned(), |reward| {
                        tokens(reward.atoms, reward.decimals)
                    }),
                ]);
            }
        }
        format!("{table}\n")
    }
}

/// An amount of the API in tokens, or its digits where it is too large.
fn tokens(atoms: u128, decimals: Option<u8>) -> String {
    atoms.try_into().map_or_else(
        |_| atoms.to_string(),
        |atoms| decimal(atoms, decimals.unwrap_or(0)),
    )
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    if header.iter().any(|title| !title.is_empty()) {
        table.set_header(header.to_vec());
    }
    table
}

fn provider(ledger: &Ledger, name: &str, owner: &quern_client::Pubkey) -> ProviderSummary {
    let counters = ledger.counters.get(owner).copied().unwrap_or_default();
    let level = |assurance: Assurance| {
        let score = ledger
            .scores
            .get(&(*owner, assurance as u8))
            .copied()
            .unwrap_or_default();
        LevelSummary {
            milestones: score.milestones,
            work: score.work,
            earned_atoms: score.earned_atoms.to_string(),
            rewards_atoms: score.reward_atoms.to_string(),
        }
    };
    ProviderSummary {
        name: name.to_owned(),
        owner: owner.to_string(),
        taken: counters.taken,
        late: counters.late,
        convicted: counters.convicted,
        penalties_atoms: counters.penalty_atoms.to_string(),
        rewards_claimed_atoms: counters.claimed_atoms.to_string(),
        refereed: level(Assurance::Refereed),
        reviewed: level(Assurance::Reviewed),
    }
}
