//! A tally as a table for people, CSV or JSON, written row by row: nothing of it is collected.

use {
    super::{counted::Counted, difference::Difference},
    crate::{error::Result, project::key},
    quern_api::{Assurance, Key, ScoreReason, Signature},
    serde::{Serialize, Serializer},
    std::io::Write,
};

/// How a tally is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns for people
    #[default]
    Table,
    /// Comma-separated values with a header
    Csv,
    /// One JSON object
    Json,
}

/// A settled milestone of a job that names the campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MilestoneRow {
    /// Its slot.
    pub slot: u64,
    /// Its transaction.
    pub signature: Signature,
    /// The provider's owner.
    pub provider: Key,
    /// The job.
    pub job: Key,
    /// Which of its milestones, from 0.
    pub milestone: u8,
    /// How its result is assured.
    pub assurance: Assurance,
    /// When its result was submitted, in seconds.
    pub submitted_at: i64,
    /// When it settled.
    pub settled_at: i64,
    /// Its fee.
    #[serde(serialize_with = "digits")]
    pub fee_atoms: u64,
    /// Its share of the fee, in basis points.
    pub weight_bps: u16,
    /// Its score, as the rules say.
    #[serde(serialize_with = "digits")]
    pub score: u64,
    /// Why.
    pub reason: ScoreReason,
}

/// What a provider scored, and gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EntryRow {
    /// The provider's owner.
    pub provider: Key,
    /// Its settled milestones of jobs that name the campaign.
    pub milestones: u64,
    /// Its score.
    #[serde(serialize_with = "digits")]
    pub score: u64,
    /// What that is worth.
    #[serde(serialize_with = "digits")]
    pub amount_atoms: u64,
    /// What was claimed; none until then.
    #[serde(serialize_with = "maybe_digits")]
    pub claimed_atoms: Option<u64>,
    /// Whether the provider is the treasury, which gets the fees.
    pub is_treasury: bool,
}

/// The campaign as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its account.
    pub campaign: Key,
    /// In which mint.
    pub mint: Key,
    /// Its pot.
    #[serde(serialize_with = "digits")]
    pub pot_atoms: u64,
    /// The sum of all scores.
    #[serde(serialize_with = "digits")]
    pub total_score: u64,
    /// What all scores are worth together.
    #[serde(serialize_with = "digits")]
    pub amount_atoms: u64,
    /// What was claimed.
    #[serde(serialize_with = "digits")]
    pub claimed_atoms: u64,
    /// How many providers joined, or settled a milestone of a job that names it.
    pub providers: u64,
    /// How many milestones settled.
    pub milestones: u64,
    /// Whether the chain's accounts were compared, too.
    pub is_chain_compared: bool,
    /// The first difference.
    pub difference: Option<Difference>,
}

impl Summary {
    pub(super) fn of(counted: &Counted) -> Self {
        let campaign = &counted.campaign;
        Self {
            campaign: counted.address,
            mint: key(&campaign.mint),
            pot_atoms: campaign.pot_atoms.get(),
            claimed_atoms: campaign.claimed_atoms.get(),
            total_score: 0,
            amount_atoms: 0,
            providers: 0,
            milestones: 0,
            is_chain_compared: false,
            difference: None,
        }
    }

    pub(super) fn add(&mut self, entry: &EntryRow) {
        self.total_score = self.total_score.saturating_add(entry.score);
        self.amount_atoms = self.amount_atoms.saturating_add(entry.amount_atoms);
        self.providers += 1;
        self.milestones = self.milestones.saturating_add(entry.milestones);
    }
}

fn digits<S: Serializer>(atoms: &u64, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(atoms)
}

fn maybe_digits<S: Serializer>(
    atoms: &Option<u64>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    match atoms {
        Some(atoms) => serializer.collect_str(atoms),
        None => serializer.serialize_none(),
    }
}

/// Where a tally goes. A provider's milestones come before its entry.
pub trait Output: Send {
    /// A milestone.
    ///
    /// # Errors
    /// That it cannot be written.
    fn milestone(&mut self, row: &MilestoneRow) -> Result<()>;
    /// A provider.
    ///
    /// # Errors
    /// See [`Self::milestone`].
    fn entry(&mut self, row: &EntryRow) -> Result<()>;
    /// The end.
    ///
    /// # Errors
    /// See [`Self::milestone`].
    fn end(&mut self, summary: &Summary) -> Result<()>;
}

/// A tally in this format, of providers or of their milestones.
pub fn output<'a>(
    format: Format,
    has_milestones: bool,
    to: impl Write + Send + 'a,
) -> Box<dyn Output + 'a> {
    match format {
        Format::Table => Box::new(Table {
            to,
            has_milestones,
            has_begun: false,
        }),
        Format::Csv => Box::new(Csv {
            to: csv::Writer::from_writer(to),
            has_milestones,
        }),
        Format::Json => Box::new(Json {
            to,
            has_milestones,
            entries: 0,
            milestones: 0,
        }),
    }
}

struct Csv<W: Write> {
    to: csv::Writer<W>,
    has_milestones: bool,
}

impl<W: Write> Csv<W> {
    fn row(&mut self, row: &impl Serialize) -> Result<()> {
        self.to.serialize(row).map_err(std::io::Error::from)?;
        Ok(())
    }
}

impl<W: Write + Send> Output for Csv<W> {
    fn milestone(&mut self, row: &MilestoneRow) -> Result<()> {
        match self.has_milestones {
            true => self.row(row),
            false => Ok(()),
        }
    }

    fn entry(&mut self, row: &EntryRow) -> Result<()> {
        match self.has_milestones {
            true => Ok(()),
            false => self.row(row),
        }
    }

    fn end(&mut self, _: &Summary) -> Result<()> {
        Ok(self.to.flush()?)
    }
}

/// One object; each provider holds its milestones, if they are wanted.
struct Json<W> {
    to: W,
    has_milestones: bool,
    entries: u64,
    /// Of the provider that is being written.
    milestones: u64,
}

impl<W: Write> Json<W> {
    fn begin_entry(&mut self) -> Result<()> {
        let start = match self.entries {
            0 => "{\"entries\":[\n{",
            _ => ",\n{",
        };
        self.entries += 1;
        self.to.write_all(start.as_bytes())?;
        Ok(())
    }

    /// An object's fields, without its braces.
    fn fields(&mut self, row: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(row).map_err(std::io::Error::from)?;
        let fields = text.trim_start_matches('{');
        self.to.write_all(fields.as_bytes())?;
        Ok(())
    }
}

impl<W: Write + Send> Output for Json<W> {
    fn milestone(&mut self, row: &MilestoneRow) -> Result<()> {
        if !self.has_milestones {
            return Ok(());
        }
        if self.milestones == 0 {
            self.begin_entry()?;
            self.to.write_all(b"\"milestone_list\":[{")?;
        } else {
            self.to.write_all(b",\n{")?;
        }
        self.milestones += 1;
        self.fields(row)
    }

    fn entry(&mut self, row: &EntryRow) -> Result<()> {
        match self.milestones {
            0 => self.begin_entry()?,
            _ => self.to.write_all(b"],")?,
        }
        self.milestones = 0;
        self.fields(row)
    }

    fn end(&mut self, summary: &Summary) -> Result<()> {
        let start = match self.entries {
            0 => "{\"entries\":[],\n",
            _ => "\n],\n",
        };
        self.to.write_all(start.as_bytes())?;
        self.fields(summary)?;
        self.to.write_all(b"\n")?;
        Ok(self.to.flush()?)
    }
}

struct Table<W> {
    to: W,
    has_milestones: bool,
    has_begun: bool,
}

impl<W: Write + Send> Output for Table<W> {
    fn milestone(&mut self, row: &MilestoneRow) -> Result<()> {
        if !self.has_milestones {
            return Ok(());
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            writeln!(
                self.to,
                "{:>12}  {:<88}  {:<44}  {:<44}  {:>3}  {:<8}  {:>10}  {:>10}  {:>20}  {:>5}  {:>20}  reason",
                "slot",
                "transaction",
                "provider",
                "job",
                "m",
                "level",
                "submitted",
                "settled",
                "fee",
                "bps",
                "score"
            )?;
        }
        writeln!(
            self.to,
            "{:>12}  {:<88}  {:<44}  {:<44}  {:>3}  {:<8}  {:>10}  {:>10}  {:>20}  {:>5}  {:>20}  {}",
            row.slot,
            row.signature,
            row.provider,
            row.job,
            row.milestone,
            row.assurance,
            row.submitted_at,
            row.settled_at,
            row.fee_atoms,
            row.weight_bps,
            row.score,
            row.reason
        )?;
        Ok(())
    }

    fn entry(&mut self, row: &EntryRow) -> Result<()> {
        if self.has_milestones {
            return Ok(());
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            writeln!(
                self.to,
                "{:<44}  {:>10}  {:>20}  {:>20}  {:>20}",
                "provider", "milestones", "score", "amount", "claimed"
            )?;
        }
        let claimed = row
            .claimed_atoms
            .map_or_else(|| "-".to_owned(), |atoms| atoms.to_string());
        let mark = if row.is_treasury { "  treasury" } else { "" };
        writeln!(
            self.to,
            "{:<44}  {:>10}  {:>20}  {:>20}  {:>20}{mark}",
            row.provider, row.milestones, row.score, row.amount_atoms, claimed
        )?;
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> Result<()> {
        let Summary {
            campaign,
            pot_atoms,
            total_score,
            amount_atoms,
            claimed_atoms,
            ..
        } = summary;
        let (providers, milestones) = (summary.providers, summary.milestones);
        let with = match (summary.is_chain_compared, &summary.difference) {
            (_, Some(_)) => "DIFFERS",
            (true, None) => "equal to the chain's accounts",
            (false, None) => "equal to what the store holds; it was not compared with the chain",
        };
        writeln!(
            self.to,
            "campaign {campaign}: {providers} providers, {milestones} milestones, total score {total_score}, pot {pot_atoms}, \
             worth {amount_atoms}, claimed {claimed_atoms}: {with}"
        )?;
        Ok(self.to.flush()?)
    }
}
