//! 200,000 campaigns, counted here and by `tests/golden/campaigns.py`, which shares no line with this crate.
//!
//! Both draw the same numbers from SplitMix64 and write down the same results; `tests/golden/campaigns.json` holds the first ones and
//! the hash of all. `QUERN_WRITE_GOLDEN=1` writes the file again.

#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_rules::campaign::{Times, amount, longest_review, score},
    serde_json::{Value, json},
    sha2::{Digest, Sha256},
    std::{env, fs, path::PathBuf},
};

const CASES: u32 = 200_000;
const SHOWN: usize = 12;

/// SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Small ones, large ones and the largest.
    fn amount(&mut self) -> u64 {
        let bits = self.bits();
        match bits % 4 {
            0 => bits >> 44,
            1 => bits >> 20,
            2 => bits,
            _ => u64::MAX - (bits >> 56),
        }
    }
}

/// One campaign: what is drawn, in the order in which it is drawn, and what follows.
fn case(numbers: &mut Numbers) -> Vec<u64> {
    let pot = numbers.amount();
    let weight = (numbers.bits() % 10_000) as u16;
    let start = numbers.bits() % 1_000;
    let end = start + 1 + numbers.bits() % 1_000;
    let settle_by = end + 1 + numbers.bits() % 1_000;
    let times = Times {
        start: start as i64,
        end: end as i64,
        settle_by: settle_by as i64,
        claim_by: settle_by as i64 + 1_000,
    };
    let milestones = 1 + numbers.bits() % 6;
    let mut scores = [0u64; 3];
    let mut total = 0u64;
    let mut told = Vec::new();
    for _ in 0..milestones {
        let provider = (numbers.bits() % 3) as usize;
        let fee = numbers.amount();
        let submitted_at = (numbers.bits() % 2_500) as i64;
        let now = submitted_at + (numbers.bits() % 1_500) as i64;
        let scored = match times.counts(submitted_at, now) {
            true => score(fee, weight, total),
            false => 0,
        };
        scores[provider] += scored;
        total += scored;
        told.push(scored);
    }
    let amounts = scores.map(|score| amount(pot, score, total));
    let review = longest_review(
        (numbers.bits() >> 32) as u32,
        (numbers.bits() % 25) as u8,
        (numbers.bits() >> 32) as u32,
        (numbers.bits() >> 32) as u32,
    );
    told.extend(scores);
    told.extend(amounts);
    told.extend([total, review]);
    told
}

#[test]
fn two_hundred_thousand_campaigns_are_as_python_counts_them() {
    let mut numbers = Numbers(13);
    let mut all = Sha256::new();
    let mut shown = Vec::new();
    for _ in 0..CASES {
        let told = case(&mut numbers);
        for number in &told {
            all.update(number.to_le_bytes());
        }
        if shown.len() < SHOWN {
            let texts = told.iter().map(u64::to_string);
            shown.push(Value::from(texts.collect::<Vec<_>>()));
        }
    }
    let found = json!({
        "cases": CASES,
        "first": shown,
        "sha256": format!("{:x}", all.finalize()),
    });
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/campaigns.json");
    if env::var_os("QUERN_WRITE_GOLDEN").is_some() {
        let text = serde_json::to_string_pretty(&found).unwrap() + "\n";
        fs::write(&path, text).unwrap();
    }
    let golden: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(found, golden);
}
