//! A provider's entry in a campaign: every milestone behind its score, and why it scored what it did.

use {
    super::campaigns::claim,
    crate::web::{
        ask::Web,
        html::{Failure, Freshness, Page, Place},
        parts,
        query::{self, Params},
        site::Site,
        text,
    },
    axum::{
        extract::{Path, State, rejection::PathRejection},
        http::Uri,
    },
    maud::{Markup, html},
    quern_api::{Amount, EntryItem, EntryPage, ScoreReason, ScoredMilestone},
};

const MILESTONES: u32 = 40;

pub(in crate::web) async fn entry(
    State(web): State<Web>,
    path: Result<Path<(String, String)>, PathRejection>,
    uri: Uri,
) -> Result<Page, Failure> {
    let (campaign, provider) = match path {
        Ok(Path((campaign, provider))) => (
            query::address(Ok(Path(campaign)))?,
            query::address(Ok(Path(provider)))?,
        ),
        Err(error) => {
            let campaign = query::address(Err(error))?;
            (campaign, campaign)
        }
    };
    let params = Params::read(&uri, &["cursor"])?;
    let mut query = params.pairs();
    query.push(("limit", MILESTONES.to_string()));
    let path = EntryPage::path(campaign, provider);
    let reply = web.ask::<EntryPage>(&path, &query).await?;
    let (site, page) = (&*web.site, &reply.body);
    let here = format!("/campaigns/{campaign}/entries/{provider}");
    let next = page.next_cursor.as_deref();
    let next = next.map(|cursor| params.with("cursor", Some(cursor)).link(&here));
    let first = params.get("cursor").map(|_| here.clone());
    let body = html! {
        (head(site, &page.entry))
        (milestones(site, page))
        (parts::pager(first.as_deref(), next.as_deref()))
    };
    Ok(Page {
        title: format!(
            "{} in campaign {}",
            text::short(&provider),
            text::short(&campaign)
        ),
        place: Place::Campaigns,
        freshness: Some(Freshness::of(&reply)),
        body,
    })
}

fn head(site: &Site, entry: &EntryItem) -> Markup {
    html! {
        p .eyebrow { "A provider in a campaign" }
        h1 {
            (text::short(&entry.provider)) " "
            @if entry.is_treasury { (parts::badge("warn", "treasury")) }
        }
        (parts::facts(&[
            ("Provider", html! { a href={ "/providers/" (entry.provider) } { (parts::whole(&entry.provider)) } }),
            ("Campaign", html! { a href={ "/campaigns/" (entry.campaign) } { (parts::whole(&entry.campaign)) } }),
            ("Entry", parts::whole(&entry.address)),
            ("Rent goes back to", parts::whole(&entry.payer)),
        ]))
        (parts::tiles(&[
            ("Score".to_owned(), parts::money(site, &of_mint(entry, entry.score)), html! { "a part of the fees of its milestones" }),
            ("Worth".to_owned(), parts::money(site, &entry.worth), html! { "of the pot, if nobody scores any more" }),
            (
                "Claim".to_owned(),
                entry.claimed.as_ref().map_or_else(|| claim(entry.claimable, false), |claimed| parts::money(site, claimed)),
                html! { (entry.why) },
            ),
        ]))
    }
}

fn of_mint(entry: &EntryItem, atoms: u64) -> Amount {
    Amount {
        atoms: atoms.into(),
        ..entry.worth.clone()
    }
}

fn milestones(site: &Site, page: &EntryPage) -> Markup {
    let titles = [
        ("Submitted", false),
        ("Settled", false),
        ("Job", false),
        ("Assurance", false),
        ("Fee", true),
        ("Score", true),
        ("Why", false),
        ("Transaction", false),
    ];
    let row = |milestone: &ScoredMilestone| {
        vec![
            parts::time(milestone.submitted_at),
            parts::time(milestone.at),
            html! {
                (parts::link("jobs", &milestone.job))
                @if milestone.milestone > 0 { span .quiet { " part " (u16::from(milestone.milestone) + 1) } }
            },
            parts::assurance(milestone.assurance),
            parts::money(site, &milestone.fee),
            html! {
                (parts::money(site, &of_mint(&page.entry, milestone.score)))
                @if milestone.score != milestone.computed {
                    " " (parts::badge("bad", "differs")) " " (parts::money(site, &of_mint(&page.entry, milestone.computed)))
                }
            },
            reason(milestone),
            parts::transaction(site, &milestone.signature),
        ]
    };
    let rows: Vec<Vec<Markup>> = page.milestones.iter().map(row).collect();
    html! {
        section .card {
            h2 { "Milestones" }
            @if rows.is_empty() { (parts::empty("None of its milestones for this campaign has settled.")) }
            @else { (parts::table("Milestones and what each scored", &titles, &rows)) }
        }
    }
}

fn reason(milestone: &ScoredMilestone) -> Markup {
    match milestone.reason {
        ScoreReason::Scored => {
            html! { (text::percent(milestone.weight_bps)) " of the fee" }
        }
        ScoreReason::BeforeStart => html! { "submitted before the campaign began" },
        ScoreReason::AfterEnd => html! { "submitted after the campaign's end" },
        ScoreReason::SettledLate => html! { "settled too late" },
        ScoreReason::NoWeight => {
            html! { (text::percent(milestone.weight_bps)) " of the fee is less than an atom" }
        }
        ScoreReason::TotalFull => html! { "the total holds no more" },
    }
}
