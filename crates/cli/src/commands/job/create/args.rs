//! What `quern job create` is told on the command line.

use {
    crate::{
        amount,
        commands::{job::result::Target, watch},
        context::Context,
        data,
        error::{Error, Result},
        limits,
        named::{self, InMint},
    },
    quern_client::{
        Pubkey,
        quern::{
            constants::{MAX_STEP_SECS, MAX_WINDOW_SECS},
            state::{Assurance, JobKind},
        },
    },
    std::path::PathBuf,
};

/// A minute less than the program's bound: its clock goes on until the job is created.
const MAX_ENDS_IN_SECS: u32 = MAX_STEP_SECS - 60;
/// All of a price.
const WHOLE_BPS: u16 = 10_000;

/// What the client asks for.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub(super) terms: Terms,
    /// The model, agent or data set that it uses; by its name, if no other has it
    #[arg(long = "model", value_name = "ADDRESS_OR_NAME")]
    model_named: Option<String>,
    /// Its address, once it is known.
    #[arg(skip)]
    pub(super) model: Option<Pubkey>,
    /// Kind of work
    #[arg(long, value_enum, default_value_t = JobKind::Inference)]
    pub(super) kind: JobKind,
    /// Assurance [default: refereed with a sealed model, otherwise reviewed]
    #[arg(long, value_enum)]
    pub(super) assurance: Option<Assurance>,
    /// Milestones, each with its own price (reviewed jobs)
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    pub(super) milestones: u8,
    /// Files with the input tensors, in the graph's order, to be published; for a reviewed job also any one other file
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "publish_dir", group = "given")]
    pub(super) input: Vec<PathBuf>,
    /// A text as the input of a reviewed job, to be published: a prompt, a question
    #[arg(long, value_name = "TEXT", requires = "publish_dir", group = "given")]
    pub(super) text: Option<String>,
    /// Folder into which the inputs are published
    #[arg(long, value_name = "FOLDER", requires = "given")]
    pub(super) publish_dir: Option<PathBuf>,
    /// Address under which a web server shows that folder [default: a file URI, for this machine only]
    #[arg(long, value_name = "URL", requires = "publish_dir")]
    pub(super) public_url: Option<String>,
    /// Where the inputs are published already
    #[arg(long, value_name = "URI", conflicts_with = "given")]
    pub(super) input_uri: Option<String>,
    #[command(flatten)]
    pub(super) reach: data::Reach,
    /// Create the job although the inputs could not be fetched from where they were published
    #[arg(long, requires = "publish_dir")]
    pub(super) skip_input_check: bool,
    /// Create the job although the model's weights could not be checked
    #[arg(long)]
    pub(super) skip_weights_check: bool,
    /// Keep watching. A refereed job until it ends: check its result, demand what is withheld, convict what is wrong; the exit code
    /// says how it ended. A reviewed job until a result is submitted: show it, and what may be done about it
    #[arg(long)]
    pub(super) watch: bool,
    /// How many items to check with --watch: a share drawn at random after the submission, such as 5%
    #[arg(long, value_name = "SHARE", default_value = "100%", value_parser = watch::parse_sample)]
    pub(super) sample: u16,
    #[command(flatten)]
    pub(super) target: Target,
    /// Items of the job, where no input file says how many
    #[arg(long, value_name = "COUNT")]
    pub(super) items: Option<u32>,
    /// A campaign in which its milestones score; such a job accrues no rewards
    #[arg(long, value_name = "ADDRESS")]
    pub(super) campaign: Option<Pubkey>,
    /// Publish the inputs, check everything, show what the job would cost and what its provider would get, and create nothing
    #[arg(long, conflicts_with = "watch")]
    pub(super) dry_run: bool,
    /// Who decides if you reject a result (reviewed jobs)
    #[arg(long, value_name = "ADDRESS")]
    pub(super) arbiter: Option<Pubkey>,
}

/// What the client pays, and the times that it gives.
#[derive(clap::Args)]
pub struct Terms {
    #[command(flatten)]
    paid_in: InMint,
    /// The same, once it is known.
    #[arg(skip)]
    pub(super) mint: Pubkey,
    /// Price of a milestone, in tokens, or in atoms as 1000atoms [default: the least that is allowed]
    #[arg(long, value_name = "TOKENS", value_parser = amount::check)]
    pub(super) price: Option<String>,
    /// What a provider puts up, in tokens or atoms [default: the least that is allowed]
    #[arg(long, value_name = "TOKENS", value_parser = amount::check)]
    pub(super) bond: Option<String>,
    /// Time to find a provider
    #[arg(long, value_parser = limits::time(MAX_STEP_SECS), default_value = "1d", value_name = "TIME")]
    pub(super) take: u32,
    /// Time to do a milestone
    #[arg(long, value_parser = limits::time(MAX_STEP_SECS), default_value = "1h", value_name = "TIME")]
    pub(super) work: u32,
    /// Time to challenge or reject a result [default: the shortest allowed]
    #[arg(long, value_parser = limits::time(MAX_WINDOW_SECS), value_name = "TIME")]
    pub(super) review: Option<u32>,
    /// After this time no provider may take it any more, counted from now
    #[arg(long, value_parser = limits::time(MAX_ENDS_IN_SECS), default_value = "30d", value_name = "TIME")]
    pub(super) ends_in: u32,
    /// Highest protocol fee to accept, in basis points [default: the one that was read]
    #[arg(long, value_name = "BPS", value_parser = clap::value_parser!(u16).range(..=i64::from(WHOLE_BPS)))]
    pub(super) max_fee_bps: Option<u16>,
    /// Highest royalty to accept, in basis points [default: the one that was read]
    #[arg(long, value_name = "BPS", value_parser = clap::value_parser!(u16).range(..=i64::from(WHOLE_BPS)))]
    pub(super) max_royalty_bps: Option<u16>,
    /// The only provider that may take it: its owner, or its name, if no other has it
    #[arg(long = "provider", value_name = "ADDRESS_OR_NAME")]
    provider_named: Option<String>,
    /// Its owner, once it is known.
    #[arg(skip)]
    pub(super) provider: Option<Pubkey>,
}

impl Args {
    /// A refereed run of a model, on inputs that are published below a folder.
    pub(in crate::commands) fn inference(
        model: Pubkey,
        terms: Terms,
        (publish_dir, public_url): (PathBuf, Option<String>),
        reach: data::Reach,
    ) -> Self {
        Self {
            terms,
            model_named: None,
            model: Some(model),
            kind: JobKind::Inference,
            assurance: Some(Assurance::Refereed),
            milestones: 1,
            input: Vec::new(),
            text: None,
            publish_dir: Some(publish_dir),
            public_url,
            input_uri: None,
            reach,
            skip_input_check: false,
            skip_weights_check: false,
            watch: true,
            sample: 10_000,
            target: Target::default(),
            items: None,
            campaign: None,
            dry_run: false,
            arbiter: None,
        }
    }

    /// Finds what was named by a name or left out.
    ///
    /// # Errors
    /// That something could be several things, or is nothing.
    pub(super) async fn resolved(mut self, context: &Context) -> Result<Self> {
        if self.target.is_named() && !self.watch {
            return Err(Error::Usage(
                "--out and --format need --watch; without it use `quern job result`".to_owned(),
            ));
        }
        let terms = &mut self.terms;
        terms.mint = match terms.paid_in.mint {
            Some(mint) => mint,
            None => terms.paid_in.config(context).await?.mint,
        };
        if let Some(text) = &terms.provider_named {
            terms.provider = Some(named::provider(context, text).await?);
        }
        if let Some(text) = &self.model_named {
            self.model = Some(named::model(context, text).await?);
        }
        Ok(self)
    }

    /// The option, if there is one, that only a reviewed job can have.
    pub(super) fn only_reviewed(&self) -> Option<&'static str> {
        match (self.arbiter, self.milestones) {
            (Some(_), _) => Some("--arbiter"),
            (None, 2..) => Some("--milestones"),
            (None, _) => self.text.as_ref().map(|_| "--text"),
        }
    }

    /// The option, if there is one, that asks for another work than a run of the model's graph.
    pub(super) fn other_kind(&self) -> Option<&'static str> {
        (self.kind != JobKind::Inference).then_some("--kind")
    }
}
