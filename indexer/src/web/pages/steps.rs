//! A job's time line: each step with what it means, its time, its slot and its transaction.

use {
    crate::web::{parts, query, site::Site, text},
    maud::{Markup, html},
    quern_api::{Amount, JobPage, JobStep, Key},
    serde_json::{Map, Value},
};

/// Most characters of a field: answers are kilobytes of hexadecimal.
const FIELD_CHARS: usize = 160;

/// The steps that the page has, in order.
pub(super) fn line(site: &Site, page: &JobPage) -> Markup {
    let before = std::iter::once(None).chain(page.steps.iter().map(|step| Some(step.at)));
    html! {
        @if page.steps.is_empty() { (parts::empty("No step is known.")) }
        ol .line {
            @for (step, before) in page.steps.iter().zip(before) { (item(site, page, step, before)) }
        }
    }
}

fn item(site: &Site, page: &JobPage, step: &JobStep, before: Option<i64>) -> Markup {
    let meaning = meaning(site, page, step);
    html! {
        li .{ (tone(&step.event)) } {
            p .step {
                b { (text::words(&step.event)) }
                @if !meaning.0.is_empty() { ": " span { (meaning) } }
            }
            p .quiet {
                (parts::time(step.at))
                @if let Some(before) = before { " · " (text::span(step.at.saturating_sub(before))) " later" }
                " · slot " (text::grouped(step.slot.into()))
                " · " (parts::transaction(site, &step.signature))
            }
            (details(site, page, &step.fields))
        }
    }
}

/// How a step looks: money moved, something went wrong, or neither.
fn tone(event: &str) -> &'static str {
    match event {
        "MilestoneSettled" => "good",
        "JobConvicted" | "ConvictionSettled" | "JobExpired" => "bad",
        "JobRejected" | "JobResolved" | "DemandOpened" => "warn",
        _ => "calm",
    }
}

/// What a step means for the people of the job.
fn meaning(site: &Site, page: &JobPage, step: &JobStep) -> Markup {
    let atoms = |name: &str| amount(site, page, &step.fields, name);
    let provider = || match key(&step.fields, "provider") {
        Some(key) => parts::link("providers", &key),
        None => html! { "the provider" },
    };
    match step.event.as_str() {
        "JobCreated" => html! { "the client locked " (atoms("escrow_atoms")) },
        "JobCancelled" => html! { (atoms("released_atoms")) " went back to the client" },
        "JobTaken" => html! { (provider()) " put up a bond of " (atoms("bond_atoms")) },
        "ResultSubmitted" => html! { (provider()) " committed to every number of the result" },
        "MilestoneSettled" => html! {
            (provider()) " earned " (atoms("provider_atoms")) "; fee " (atoms("fee_atoms"))
            ", royalty " (atoms("royalty_atoms"))
        },
        "JobRejected" => {
            html! { "the client refused the result and put up " (atoms("deposit_atoms")) }
        }
        "JobResolved" => html! {
            (provider()) " got " (atoms("provider_atoms")) ", the client " (atoms("client_atoms"))
        },
        "JobExpired" => html! {
            "a deadline passed; " (atoms("released_atoms")) " went back to the client, with a penalty of "
            (atoms("penalty_atoms"))
        },
        "JobConvicted" => html! { "somebody proved on chain that the result is wrong or withheld" },
        "ConvictionSettled" => html! {
            "the bond was split: prover " (atoms("prover_atoms")) ", client " (atoms("client_atoms")) ", treasury "
            (atoms("treasury_atoms"))
        },
        "DemandOpened" => html! { "data of the result are demanded" },
        "DemandAnswered" => html! { "the provider showed the data" },
        "DemandClosed" => html! { "the demand's account was closed" },
        _ => html! {},
    }
}

/// Every field of the event, for those who want to check.
fn details(site: &Site, page: &JobPage, fields: &Map<String, Value>) -> Markup {
    html! {
        @if !fields.is_empty() {
            details {
                summary { "All fields" }
                (parts::facts(&fields.iter().filter(|(name, _)| *name != "job").map(|(name, value)| {
                    (name.as_str(), field(site, page, fields, name, value))
                }).collect::<Vec<_>>()))
            }
        }
    }
}

fn field(
    site: &Site,
    page: &JobPage,
    fields: &Map<String, Value>,
    name: &str,
    value: &Value,
) -> Markup {
    // Rewards are of another mint than the job; lamports are of none.
    if name.ends_with("_atoms") && name != "reward_atoms" {
        return amount(site, page, fields, name);
    }
    match value {
        Value::Null => html! { span .none { "none" } },
        Value::String(written) => match written.as_str() {
            "" => html! { span .none { "empty" } },
            written => html! { (parts::strange(&query::cut(written, FIELD_CHARS))) },
        },
        other => html! { (parts::strange(&query::cut(&other.to_string(), FIELD_CHARS))) },
    }
}

/// An amount of the job's mint.
fn amount(site: &Site, page: &JobPage, fields: &Map<String, Value>, name: &str) -> Markup {
    let written = fields.get(name).and_then(Value::as_str);
    match written.and_then(|digits| digits.parse().ok()) {
        Some(atoms) => parts::money(
            site,
            &Amount {
                atoms,
                mint: page.job.mint,
                decimals: page.job.decimals,
            },
        ),
        None => html! { "an unknown amount" },
    }
}

fn key(fields: &Map<String, Value>, name: &str) -> Option<Key> {
    Key::parse(fields.get(name)?.as_str()?)
}
