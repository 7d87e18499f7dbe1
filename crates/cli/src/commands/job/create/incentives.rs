//! What a milestone is worth to its provider beside the price: emission reward and campaign score, side by side before anything
//! is locked.

use {
    crate::{
        amount::show,
        context::Context,
        error::{Error, Result},
        output::Fields,
        span, when,
    },
    quern_client::{
        Pubkey, accounts, addresses,
        campaigns::{self, Granting},
        instructions::NOBODY,
        quern::{
            instructions::NewJob,
            state::{Assurance, Campaign, CampaignCandidate, CampaignMisfit, JobKind},
        },
        read::ForCreate,
    },
    quern_proof::graph::Graph,
};

/// What a milestone is worth, and how to show it.
#[derive(Clone, Debug)]
pub struct Incentives {
    known: campaigns::Incentives,
    /// The mint of rewards and its decimals, if there are any.
    reward: Option<(Pubkey, u8)>,
    /// The campaign that the job names.
    campaign: Option<Pubkey>,
    /// Of the job's mint.
    decimals: u8,
}

/// Reads emission and campaign, and counts both.
///
/// # Errors
/// That the job does not fit the campaign, and what to do; or that the cluster did not answer.
pub async fn of(
    context: &Context,
    known: &ForCreate,
    args: &NewJob,
    assurance: Assurance,
) -> Result<Incentives> {
    let campaign = match args.campaign {
        NOBODY => None,
        address => {
            let campaign = context.campaign(&address).await?;
            check_fit(known, &campaign, args, assurance)?;
            Some(campaign)
        }
    };
    let rpc = context.rpc();
    let emission = accounts::emission(rpc).await?;
    let (reward, free_atoms) = match emission.is_configured() {
        false => (None, 0),
        true => {
            let mint = emission.reward_mint;
            let purse = accounts::purse(rpc, &addresses::emission(), &mint).await?;
            let decimals = context.mint(&mint).await?.decimals;
            let free_atoms = purse.map_or(0, |purse| purse.free_atoms.get());
            (Some((mint, decimals)), free_atoms)
        }
    };
    let granting = Granting {
        emission: &emission,
        free_atoms,
    };
    Ok(Incentives {
        known: campaigns::incentives(
            (args.price_atoms, assurance),
            (&known.protocol, &known.mint),
            &granting,
            campaign.as_ref(),
        ),
        reward,
        campaign: campaign.map(|_| args.campaign),
        decimals: known.mint.decimals,
    })
}

/// Refuses a job that the campaign does not take, or that would score nothing in it.
fn check_fit(
    known: &ForCreate,
    campaign: &Campaign,
    args: &NewJob,
    assurance: Assurance,
) -> Result<()> {
    let model = known.model.as_ref();
    let sealed = model.filter(|model| model.model.sealed.get());
    let with_tokens = match sealed {
        Some(model) => Graph::load(&model.graph)?.tokens().is_some(),
        None => false,
    };
    let Some(kind) = JobKind::from_code(args.kind) else {
        return Err(Error::Usage(
            "--kind: there is no such kind of work; see `quern job create --help`".to_owned(),
        ));
    };
    let terms = &known.protocol.terms;
    let candidate = CampaignCandidate {
        mint: &known.mint.mint,
        kind,
        model: model.map_or(&NOBODY, |model| &model.address),
        longest_review_secs: terms.longest_review(assurance, with_tokens, args.review_secs),
    };
    if let Some(misfit) = campaign.misfit(&candidate, known.moment.now) {
        let why = sentence(misfit, campaign, &candidate);
        return Err(Error::Usage(format!("--campaign: {why}")));
    }
    if campaign.weight_bps(assurance) == 0 {
        return Err(Error::Usage(format!(
            "--campaign: it counts no {assurance} work, and a job that names it accrues no rewards either; leave --campaign out or name another one"
        )));
    }
    Ok(())
}

fn sentence(
    misfit: CampaignMisfit,
    campaign: &Campaign,
    candidate: &CampaignCandidate<'_>,
) -> String {
    let times = campaign.times();
    match misfit {
        CampaignMisfit::Mint => {
            let mint = campaign.mint;
            format!(
                "it counts jobs that are paid in the mint {mint}; pass --mint {mint}, or name another one"
            )
        }
        CampaignMisfit::Kind => format!(
            "it counts no {} work; name another one (`quern campaign list`)",
            candidate.kind
        ),
        CampaignMisfit::Model => {
            let model = campaign.model;
            format!(
                "it counts work with the model {model} alone; pass --model {model}, or name another one"
            )
        }
        CampaignMisfit::Over => format!(
            "no job may name it any more, it ended at {}; leave it out or name another one (`quern campaign list`)",
            when::show(times.end)
        ),
        CampaignMisfit::Review => format!(
            "the review may last {} with all its demands and answers, and the campaign settles {} after its end; pass a shorter --review, or name another one",
            span::about(candidate.longest_review_secs),
            span::about(times.room_secs())
        ),
    }
}

impl Incentives {
    /// What naming a campaign means, where the job names one.
    pub fn note(&self) -> Option<String> {
        let campaign = self.campaign?;
        let known = &self.known;
        let worth = match known.amount_atoms < known.score {
            true => format!(
                ", worth {} now because its pot is too small for all",
                show(known.amount_atoms, self.decimals)
            ),
            false => String::new(),
        };
        let instead = self.reward.map(|(mint, decimals)| {
            let reward = show(known.reward_atoms, decimals);
            format!(
                "; without --campaign it would accrue up to {reward} of the mint {mint} instead"
            )
        });
        Some(format!(
            "a milestone scores {} in the campaign {campaign}{worth}, and accrues no rewards{}; only providers that have joined may take the job before the campaign ends",
            show(known.score, self.decimals),
            instead.unwrap_or_default()
        ))
    }

    /// Adds both to what is shown of the job.
    pub fn add_to(&self, fields: Fields, decimals: u8) -> Fields {
        let known = &self.known;
        let mut fields = fields.tokens("fee_per_milestone", known.fee_atoms, decimals);
        if let Some((mint, reward_decimals)) = self.reward {
            let name = match self.campaign {
                Some(_) => "reward_without_campaign",
                None => "reward_per_milestone",
            };
            let reward = fields.tokens(name, known.reward_atoms, reward_decimals);
            fields = reward.text("reward_mint", mint);
        }
        match self.campaign {
            Some(campaign) => fields
                .text("campaign", campaign)
                .tokens("score_per_milestone", known.score, decimals)
                .tokens("score_worth_now", known.amount_atoms, decimals),
            None => fields,
        }
    }
}
