//! `quern campaign create`: everything is checked before the pot is reserved, because nothing of a campaign changes later.

use {
    super::show,
    crate::{
        amount,
        context::{Context, with_signatures},
        error::{Error, Result},
        funds, limits,
        named::{self, InMint},
        span,
        when::{self, When},
    },
    quern_client::{
        Signer, flows,
        instructions::NOBODY,
        quern::{
            instructions::NewCampaign,
            state::{Assurance, JobKind, MintConfig, Protocol, kind_bit},
        },
    },
    quern_rules::campaign::{MOST_SECS, Times, check_weights},
};

/// A weight is below one whole: a score is worth less than the fee that earned it.
const MOST_WEIGHT_BPS: u16 = 9_999;
const DAY_SECS: i64 = 86_400;

/// What a sponsor offers.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    mint: InMint,
    /// What is shared out, in tokens or atoms, from your purse
    #[arg(long, value_name = "TOKENS", value_parser = amount::check)]
    pot: String,
    /// Results submitted from then on score; it must lie ahead when the transaction lands
    #[arg(long, value_name = "WHEN", value_parser = when::parse, default_value = "5m")]
    start: When,
    /// Results submitted from then on do not
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    end: When,
    /// What settles later scores nothing [default: as long after --end as a review of the shortest length that this protocol allows lasts with all its demands]
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    settle_by: Option<When>,
    /// Last moment for claims [default: the shortest time that the protocol allows]
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    claim_by: Option<When>,
    /// Which kind of work scores (repeatable) [default: all]
    #[arg(long, value_enum)]
    kind: Vec<JobKind>,
    /// The only model whose work scores; by its name, if no other has it [default: any, or none]
    #[arg(long, value_name = "ADDRESS_OR_NAME")]
    model: Option<String>,
    /// What a refereed milestone scores, as a share of its fee
    #[arg(long, value_parser = limits::share(MOST_WEIGHT_BPS), default_value = "90%", value_name = "SHARE")]
    refereed_weight: u16,
    /// What a reviewed milestone scores, as a share of its fee
    #[arg(long, value_parser = limits::share(MOST_WEIGHT_BPS), default_value = "20%", value_name = "SHARE")]
    reviewed_weight: u16,
}

/// Creates a campaign.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let wallet = context.wallet()?;
    let config = args.mint.config(context).await?;
    let model = match &args.model {
        Some(text) => Some(named::model(context, text).await?),
        None => None,
    };
    let (sponsor, mint) = (wallet.pubkey(), &config.mint);
    let known = context.for_create(&sponsor, mint, model.as_ref()).await?;
    check_open(&known.protocol, &known.mint)?;
    check_weights(args.refereed_weight, args.reviewed_weight).map_err(|error| {
        Error::Usage(format!(
            "{error}; correct --refereed-weight and --reviewed-weight"
        ))
    })?;
    let has_tokens = match &known.model {
        Some(model) if model.model.sealed.get() => quern_proof::graph::Graph::load(&model.graph)?
            .tokens()
            .is_some(),
        _ => false,
    };
    let now = known.moment.now;
    let times = args.times(now, &known.protocol);
    check_times(&times, now, known.protocol.campaign_claim_secs.get())?;
    args.check_room(&times, &known.protocol, has_tokens)?;
    let pot_atoms = amount::parse_some("--pot", &args.pot, config.decimals)?;
    let purse = (&sponsor, known.purse.as_ref());
    let todo = format!(
        "deposit more with `quern{} purse deposit --mint {mint} --amount {}`, or offer less",
        context.wallet_option(),
        amount::show(missing(purse.1, pot_atoms), config.decimals)
    );
    funds::require_free(purse, config.decimals, pot_atoms, "the pot", &todo)?;
    let new = NewCampaign {
        pot_atoms,
        start: times.start,
        end: times.end,
        settle_by: times.settle_by,
        claim_by: times.claim_by,
        kinds: args.kinds(),
        model: model.unwrap_or(NOBODY),
        refereed_bps: args.refereed_weight,
        reviewed_bps: args.reviewed_weight,
    };
    let (address, create) = flows::create_campaign(&sponsor, &known, new);
    let receipts = context.send(&[create], &[&wallet]).await?;
    let campaign = context.campaign(&address).await?;
    let done = show::fields(&address, &campaign, config.decimals, now);
    with_signatures(done, &receipts).print(context.format);
    Ok(())
}

fn missing(purse: Option<&quern_client::quern::state::Purse>, atoms: u64) -> u64 {
    atoms.saturating_sub(purse.map_or(0, |purse| purse.free_atoms.get()))
}

/// Refuses what the program refuses whatever the campaign says.
fn check_open(protocol: &Protocol, mint: &MintConfig) -> Result<()> {
    if protocol.paused.get() {
        return Err(Error::Other(
            "the protocol is paused, so nothing new begins; try again when `quern protocol show` says otherwise".to_owned(),
        ));
    }
    if !mint.enabled.get() {
        return Err(Error::Other(format!(
            "the mint {} takes no new jobs, so it has no new campaigns either; name another one with --mint (`quern mint list`)",
            mint.mint
        )));
    }
    Ok(())
}

impl Args {
    /// The kinds that were named, or all.
    fn kinds(&self) -> u8 {
        let named = match self.kind.as_slice() {
            [] => JobKind::ALL,
            named => named,
        };
        named.iter().fold(0, |bits, kind| bits | kind_bit(*kind))
    }

    /// What scores: assurance, its weight, the option that says so.
    fn weights(&self) -> [(Assurance, u16, &'static str); 2] {
        [
            (
                Assurance::Refereed,
                self.refereed_weight,
                "--refereed-weight",
            ),
            (
                Assurance::Reviewed,
                self.reviewed_weight,
                "--reviewed-weight",
            ),
        ]
    }

    fn times(&self, now: i64, protocol: &Protocol) -> Times {
        let end = self.end.from(now);
        let longest = self
            .weights()
            .into_iter()
            .filter(|(_, weight_bps, _)| *weight_bps > 0)
            .map(|(assurance, ..)| least_review(protocol, assurance, true))
            .max();
        let settle_by = match self.settle_by {
            Some(when) => when.from(now),
            None => end.saturating_add_unsigned(longest.unwrap_or(1).max(1)),
        };
        let least_claim_secs = protocol.campaign_claim_secs.get();
        let claim_by = match self.claim_by {
            Some(when) => when.from(now),
            None => settle_by.saturating_add(i64::from(least_claim_secs)),
        };
        Times {
            start: self.start.from(now),
            end,
            settle_by,
            claim_by,
        }
    }

    /// Refuses a campaign that counts work of which no job could name it.
    fn check_room(&self, times: &Times, protocol: &Protocol, has_tokens: bool) -> Result<()> {
        for (assurance, weight_bps, option) in self.weights() {
            let longest_secs = least_review(protocol, assurance, has_tokens);
            if weight_bps > 0 && !times.leaves_room_for(longest_secs) {
                return Err(Error::Usage(format!(
                    "the review of {assurance} work may last {} here, and --settle-by leaves less after --end, so no such job could name the campaign; settle by {} or later, or pass {option} 0%",
                    span::about(longest_secs),
                    when::show(times.end.saturating_add_unsigned(longest_secs)),
                )));
            }
        }
        Ok(())
    }
}

/// The longest that the shortest review may last.
fn least_review(protocol: &Protocol, assurance: Assurance, with_tokens: bool) -> u64 {
    let (_, review_secs) = protocol.floors(assurance);
    let terms = &protocol.terms;
    terms.longest_review(assurance, with_tokens, review_secs)
}

/// Refuses times that the program refuses, with the option that is to blame.
fn check_times(times: &Times, now: i64, least_claim_secs: u32) -> Result<()> {
    let least = times.settle_by.saturating_add(i64::from(least_claim_secs));
    let most = now.saturating_add(MOST_SECS);
    let show = when::show;
    let why = if times.start < now {
        format!(
            "--start {} lies in the past: the cluster's clock says {}; name a moment ahead, such as 5m",
            show(times.start),
            show(now)
        )
    } else if times.end <= times.start {
        format!(
            "--end {} lies not behind --start {}; name a later one",
            show(times.end),
            show(times.start)
        )
    } else if times.settle_by <= times.end {
        format!(
            "--settle-by {} lies not behind --end {}; name a later one, or leave it out",
            show(times.settle_by),
            show(times.end)
        )
    } else if times.claim_by > most || least > most {
        format!(
            "claims would wait until {}, and at most {} days ahead are allowed; let the campaign end earlier, or name an earlier --claim-by",
            show(times.claim_by.max(least)),
            MOST_SECS / DAY_SECS
        )
    } else if times.claim_by < least {
        format!(
            "--claim-by {} leaves too little time: providers have at least {} after --settle-by; claim by {} or later",
            show(times.claim_by),
            span::show(least_claim_secs),
            show(least)
        )
    } else {
        return Ok(());
    };
    Err(Error::Usage(why))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, clap::Parser};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &[&str]) -> Args {
        let line = [&["x", "--pot", "1", "--end", "30d"], line].concat();
        Line::try_parse_from(line).unwrap().args
    }

    fn protocol() -> Protocol {
        let mut protocol: Protocol = bytemuck::Zeroable::zeroed();
        protocol.campaign_claim_secs = 1_000.into();
        protocol.terms.response_secs = 10.into();
        protocol.terms.react_secs = 5.into();
        (protocol.refereed_review_secs, protocol.reviewed_review_secs) = (100.into(), 50.into());
        protocol
    }

    /// What is refused here is exactly what the program refuses.
    #[test]
    fn times_are_refused_as_the_program_refuses_them() {
        const NOW: i64 = 1_000_000;
        let edges = [-1, 0, 1, 100, 199, 200, 201, 300, MOST_SECS, MOST_SECS + 1];
        let edges = edges.map(|ahead| NOW + ahead);
        let (mut taken, mut refused) = (0, 0);
        for start in edges {
            for end in edges {
                for settle_by in edges {
                    for claim_by in [edges.as_slice(), &[i64::MAX, i64::MIN]].concat() {
                        let times = Times {
                            start,
                            end,
                            settle_by,
                            claim_by,
                        };
                        let is_fine = check_times(&times, NOW, 100).is_ok();
                        assert_eq!(is_fine, times.may_begin(NOW, 100), "{times:?}");
                        match is_fine {
                            true => taken += 1,
                            false => refused += 1,
                        }
                    }
                }
            }
        }
        assert!(taken > 20 && refused > 20, "{taken} {refused}");
    }

    #[test]
    fn usual_times_fit_the_protocol() {
        let protocol = protocol();
        for line in [
            &[][..],
            &["--refereed-weight", "0%"],
            &["--reviewed-weight", "0"],
        ] {
            let args = args(line);
            let times = args.times(1_000, &protocol);
            check_times(&times, 1_000, 1_000).unwrap();
            args.check_room(&times, &protocol, true).unwrap();
            assert_eq!(times.end, 1_000 + 30 * 86_400);
            assert_eq!(times.claim_by, times.settle_by + 1_000);
        }
        // No job could name it, and the sentence says until when it must settle.
        let args = args(&["--settle-by", "2592050s"]);
        let times = args.times(0, &protocol);
        let said = args.check_room(&times, &protocol, false).unwrap_err();
        let said = said.to_string();
        assert!(said.contains("--refereed-weight 0%"), "{said}");
        assert!(
            said.contains(&when::show(2_592_000 + 100 + 15 * 15)),
            "{said}"
        );
    }

    #[test]
    fn weights_and_kinds_are_read() {
        let all = args(&[]);
        assert_eq!((all.kinds(), all.refereed_weight), (0b111, 9_000));
        let some = args(&["--kind", "training", "--kind", "inference"]);
        assert_eq!(some.kinds(), 0b101);
        let whole = [
            "x",
            "--pot",
            "1",
            "--end",
            "1d",
            "--refereed-weight",
            "100%",
        ];
        let said = Line::try_parse_from(whole).err().unwrap().to_string();
        assert!(said.contains("99.99 %"), "{said}");
    }
}
