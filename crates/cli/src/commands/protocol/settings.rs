//! The protocol's settings as options: what is named replaces what was there.

use {
    crate::{
        limits::{self, MAX_BOND_BPS},
        output::Fields,
    },
    clap::value_parser,
    quern_client::{
        Pubkey,
        quern::{
            constants::{
                MAX_ARBITER_BPS, MAX_DEMAND_FEE_LAMPORTS, MAX_FEE_BPS, MAX_LATE_PENALTY_BPS,
                MAX_REJECT_BPS, MAX_WINDOW_SECS, MIN_REFEREED_BOND_BPS,
            },
            state::{Protocol, ProtocolSettings},
        },
    },
};

/// All settings; what is not named stays.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Settings {
    /// Who receives fees
    #[arg(long, value_name = "ADDRESS")]
    treasury: Option<Pubkey>,
    /// Who may pause besides the authority
    #[arg(long, value_name = "ADDRESS")]
    guardian: Option<Pubkey>,
    /// Share of every price that goes to the treasury, at most 10 %
    #[arg(long, value_parser = limits::share(MAX_FEE_BPS), value_name = "SHARE")]
    fee: Option<u16>,
    /// Share of the bond that a late provider pays to the client, at most 50 %
    #[arg(long, value_parser = limits::share(MAX_LATE_PENALTY_BPS), value_name = "SHARE")]
    late_penalty: Option<u16>,
    /// Share of the price that a rejecting client puts down, at most 50 %
    #[arg(long, value_parser = limits::share(MAX_REJECT_BPS), value_name = "SHARE")]
    reject_deposit: Option<u16>,
    /// Share of the price that an arbiter earns, at most 20 %
    #[arg(long, value_parser = limits::share(MAX_ARBITER_BPS), value_name = "SHARE")]
    arbiter_share: Option<u16>,
    /// Least bond of a refereed job in basis points of the price, 20000 to 1000000
    #[arg(long, value_parser = value_parser!(u32).range(i64::from(MIN_REFEREED_BOND_BPS)..=i64::from(MAX_BOND_BPS)), value_name = "BPS")]
    refereed_bond_bps: Option<u32>,
    /// Least bond of a reviewed job in basis points of a milestone's price, at most 1000000
    #[arg(long, value_parser = value_parser!(u32).range(..=i64::from(MAX_BOND_BPS)), value_name = "BPS")]
    reviewed_bond_bps: Option<u32>,
    /// Shortest review of a refereed job, 1s to 30d
    #[arg(long, value_parser = limits::time(MAX_WINDOW_SECS), value_name = "TIME")]
    refereed_review: Option<u32>,
    /// Shortest review of a reviewed job, 1s to 30d
    #[arg(long, value_parser = limits::time(MAX_WINDOW_SECS), value_name = "TIME")]
    reviewed_review: Option<u32>,
    /// What a demand for data costs, in lamports, at most 100000000
    #[arg(long, value_parser = value_parser!(u64).range(..=MAX_DEMAND_FEE_LAMPORTS), value_name = "LAMPORTS")]
    demand_fee: Option<u64>,
    /// Time to answer a demand, 1s to 30d
    #[arg(long, value_parser = limits::time(MAX_WINDOW_SECS), value_name = "TIME")]
    response: Option<u32>,
    /// Time to react to an answer, 1s to 30d
    #[arg(long, value_parser = limits::time(MAX_WINDOW_SECS), value_name = "TIME")]
    react: Option<u32>,
    /// Time for an arbiter, 1s to 30d
    #[arg(long, value_parser = limits::time(MAX_WINDOW_SECS), value_name = "TIME")]
    resolve: Option<u32>,
    /// Time in which only the provider may finalize, 1s to 30d
    #[arg(long, value_parser = limits::time(MAX_WINDOW_SECS), value_name = "TIME")]
    grace: Option<u32>,
    /// What a restart of the cluster adds to deadlines, 1s to 30d
    #[arg(long, value_parser = limits::time(MAX_WINDOW_SECS), value_name = "TIME")]
    restart_grace: Option<u32>,
    /// Shortest time for the claims of a campaign, 1s to 30d
    #[arg(long, value_parser = limits::time(MAX_WINDOW_SECS), value_name = "TIME")]
    campaign_claim: Option<u32>,
}

/// What a protocol has.
pub fn present(protocol: &Protocol) -> ProtocolSettings {
    let terms = &protocol.terms;
    ProtocolSettings {
        guardian: protocol.guardian,
        treasury_owner: protocol.treasury_owner,
        fee_bps: terms.fee_bps.get(),
        late_penalty_bps: terms.late_penalty_bps.get(),
        reject_bps: terms.reject_bps.get(),
        arbiter_bps: terms.arbiter_bps.get(),
        refereed_bond_bps: protocol.refereed_bond_bps.get(),
        reviewed_bond_bps: protocol.reviewed_bond_bps.get(),
        refereed_review_secs: protocol.refereed_review_secs.get(),
        reviewed_review_secs: protocol.reviewed_review_secs.get(),
        demand_fee_lamports: terms.demand_fee_lamports.get(),
        response_secs: terms.response_secs.get(),
        react_secs: terms.react_secs.get(),
        resolve_secs: terms.resolve_secs.get(),
        grace_secs: terms.grace_secs.get(),
        restart_grace_secs: terms.restart_grace_secs.get(),
        campaign_claim_secs: protocol.campaign_claim_secs.get(),
    }
}

impl Settings {
    /// Other settings with what is named here.
    pub fn over(&self, base: ProtocolSettings) -> ProtocolSettings {
        ProtocolSettings {
            guardian: self.guardian.unwrap_or(base.guardian),
            treasury_owner: self.treasury.unwrap_or(base.treasury_owner),
            fee_bps: self.fee.unwrap_or(base.fee_bps),
            late_penalty_bps: self.late_penalty.unwrap_or(base.late_penalty_bps),
            reject_bps: self.reject_deposit.unwrap_or(base.reject_bps),
            arbiter_bps: self.arbiter_share.unwrap_or(base.arbiter_bps),
            refereed_bond_bps: self.refereed_bond_bps.unwrap_or(base.refereed_bond_bps),
            reviewed_bond_bps: self.reviewed_bond_bps.unwrap_or(base.reviewed_bond_bps),
            refereed_review_secs: self.refereed_review.unwrap_or(base.refereed_review_secs),
            reviewed_review_secs: self.reviewed_review.unwrap_or(base.reviewed_review_secs),
            demand_fee_lamports: self.demand_fee.unwrap_or(base.demand_fee_lamports),
            response_secs: self.response.unwrap_or(base.response_secs),
            react_secs: self.react.unwrap_or(base.react_secs),
            resolve_secs: self.resolve.unwrap_or(base.resolve_secs),
            grace_secs: self.grace.unwrap_or(base.grace_secs),
            restart_grace_secs: self.restart_grace.unwrap_or(base.restart_grace_secs),
            campaign_claim_secs: self.campaign_claim.unwrap_or(base.campaign_claim_secs),
        }
    }
}

/// What differs between two shown things, each as `old -> new`, for a person who is about to change it.
pub fn changes(before: &Fields, after: &Fields) -> Fields {
    let mut shown = Fields::new();
    for ((name, old), (_, new)) in before.iter().zip(after.iter()) {
        if old != new {
            shown = shown.text(name, format!("{} -> {}", bare(old), bare(new)));
        }
    }
    shown
}

/// A value as people read it.
fn bare(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, clap::Parser, quern_client::instructions::usual_settings};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn what_is_not_named_stays() {
        let wallet = Pubkey::from([1; 32]);
        let mut protocol: Protocol = bytemuck::Zeroable::zeroed();
        protocol.apply(&usual_settings(wallet)).unwrap();
        assert_eq!(present(&protocol), usual_settings(wallet));
        let line = Line::try_parse_from(["x"]).unwrap();
        assert_eq!(
            line.settings.over(usual_settings(wallet)),
            usual_settings(wallet)
        );
        // Every option changes one setting, and each setting has its option.
        let command = <Line as clap::CommandFactory>::command();
        let names = command.get_arguments().filter_map(clap::Arg::get_long);
        let names: Vec<&str> = names.filter(|name| *name != "help").collect();
        let fields = format!("{:?}", usual_settings(wallet))
            .matches(": ")
            .count();
        assert_eq!(names.len(), fields);
        for name in names {
            let value = match name {
                "treasury" | "guardian" => Pubkey::from([2; 32]).to_string(),
                "refereed-bond-bps" => "20001".to_owned(),
                name => typed(name, 123),
            };
            let line = Line::try_parse_from(["x", &format!("--{name}"), &value]).unwrap();
            let changed = line.settings.over(usual_settings(wallet));
            assert_ne!(changed, usual_settings(wallet), "--{name}");
        }
    }

    /// A value as it is typed: a share says its unit.
    fn typed(option: &str, value: u64) -> String {
        match option {
            "fee" | "late-penalty" | "reject-deposit" | "arbiter-share" => format!("{value}bps"),
            _ => value.to_string(),
        }
    }

    /// What the command line refuses is what the program refuses, to the last number.
    #[test]
    #[expect(clippy::too_many_lines, reason = "a table, one row a limit")]
    fn limits_are_those_of_the_program() {
        let set = |option: &str, value: &str| {
            let line = Line::try_parse_from(["x", &format!("--{option}"), value]);
            line.map(|line| line.settings.over(usual_settings(Pubkey::from([1; 32]))))
        };
        type Setter = fn(&mut ProtocolSettings, u64);
        let secs: [(&str, Setter); 8] = [
            ("refereed-review", |all, value| {
                all.refereed_review_secs = value as u32
            }),
            ("reviewed-review", |all, value| {
                all.reviewed_review_secs = value as u32
            }),
            ("response", |all, value| all.response_secs = value as u32),
            ("react", |all, value| all.react_secs = value as u32),
            ("resolve", |all, value| all.resolve_secs = value as u32),
            ("grace", |all, value| all.grace_secs = value as u32),
            ("restart-grace", |all, value| {
                all.restart_grace_secs = value as u32
            }),
            ("campaign-claim", |all, value| {
                all.campaign_claim_secs = value as u32
            }),
        ];
        let mut cases: Vec<(&str, Setter, u64, u64)> = vec![
            ("fee", |all, value| all.fee_bps = value as u16, 1_000, 1_001),
            (
                "late-penalty",
                |all, value| all.late_penalty_bps = value as u16,
                5_000,
                5_001,
            ),
            (
                "reject-deposit",
                |all, value| all.reject_bps = value as u16,
                5_000,
                5_001,
            ),
            (
                "arbiter-share",
                |all, value| all.arbiter_bps = value as u16,
                2_000,
                2_001,
            ),
            (
                "refereed-bond-bps",
                |all, value| all.refereed_bond_bps = value as u32,
                20_000,
                19_999,
            ),
            (
                "refereed-bond-bps",
                |all, value| all.refereed_bond_bps = value as u32,
                1_000_000,
                1_000_001,
            ),
            (
                "reviewed-bond-bps",
                |all, value| all.reviewed_bond_bps = value as u32,
                1_000_000,
                1_000_001,
            ),
            (
                "demand-fee",
                |all, value| all.demand_fee_lamports = value,
                100_000_000,
                100_000_001,
            ),
        ];
        for (option, setter) in secs {
            cases.push((option, setter, 1, 0));
            cases.push((option, setter, 2_592_000, 2_592_001));
        }
        for (option, setter, good, bad) in cases {
            let (good, typed_bad) = (typed(option, good), typed(option, bad));
            let taken = set(option, &good).unwrap();
            assert!(taken.validate().is_ok(), "--{option} {good}");
            let refused = set(option, &typed_bad).unwrap_err().to_string();
            let named = refused.contains(&format!("'{typed_bad}' for '--{option}"));
            assert!(
                named && refused.contains("to ") | refused.contains("..="),
                "{refused}"
            );
            let mut beyond = usual_settings(Pubkey::from([1; 32]));
            setter(&mut beyond, bad);
            assert!(beyond.validate().is_err(), "--{option} {bad}");
        }
    }

    #[test]
    fn only_what_changes_is_shown() {
        let before = Fields::new().text("fee", "2.5 %").with("count", 1);
        let after = Fields::new().text("fee", "3 %").with("count", 1);
        let shown = changes(&before, &after).json();
        assert_eq!(shown, serde_json::json!({ "fee": "2.5 % -> 3 %" }));
    }
}
