//! A campaign: its pot and times, what each provider scored, what is claimable and why.

use {
    super::campaigns::{claim, money, state},
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
    quern_api::{CampaignItem, CampaignPage, EntryItem},
    quern_rules::campaign as rules,
};

const ENTRIES: u32 = 40;

pub(in crate::web) async fn campaign(
    State(web): State<Web>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Page, Failure> {
    let address = query::address(path)?;
    let params = Params::read(&uri, &["cursor"])?;
    let mut query = params.pairs();
    query.push(("limit", ENTRIES.to_string()));
    let path = CampaignPage::path(address);
    let reply = web.ask::<CampaignPage>(&path, &query).await?;
    let (site, page) = (&*web.site, &reply.body);
    let here = format!("/campaigns/{address}");
    let next = page.next_cursor.as_deref();
    let next = next.map(|cursor| params.with("cursor", Some(cursor)).link(&here));
    let first = params.get("cursor").map(|_| here.clone());
    let body = html! {
        (head(&page.campaign))
        (tiles(site, &page.campaign))
        (times(&page.campaign))
        (entries(site, page))
        (parts::pager(first.as_deref(), next.as_deref()))
    };
    Ok(Page {
        title: format!("Campaign {}", text::short(&address)),
        place: Place::Campaigns,
        freshness: Some(Freshness::of(&reply)),
        body,
    })
}

fn head(campaign: &CampaignItem) -> Markup {
    let kinds: Vec<String> = campaign
        .kinds
        .iter()
        .map(|kind| text::words(kind.word()))
        .collect();
    html! {
        p .eyebrow { "Campaign" }
        h1 { (text::short(&campaign.address)) " " (state(campaign.state)) }
        (parts::facts(&[
            ("Campaign", parts::whole(&campaign.address)),
            ("Sponsor", html! { a href={ "/clients/" (campaign.sponsor) } { (parts::whole(&campaign.sponsor)) } }),
            ("For", html! { (kinds.join(", ")) }),
            ("Model", match &campaign.model {
                Some(model) => html! { a href={ "/models/" (model) } { (parts::whole(model)) } },
                None => html! { "any" },
            }),
        ]))
    }
}

fn tiles(site: &Site, campaign: &CampaignItem) -> Markup {
    let left = rules::left(campaign.pot_atoms, campaign.claimed_atoms);
    let shared = match rules::is_shared(campaign.pot_atoms, campaign.total_score) {
        true => html! { "more than the pot: each gets its share" },
        false => html! { "the pot holds it: each gets its score" },
    };
    parts::tiles(&[
        (
            "Pot".to_owned(),
            money(site, campaign, campaign.pot_atoms),
            html! { "reserved by the sponsor" },
        ),
        (
            "Total score".to_owned(),
            money(site, campaign, campaign.total_score),
            shared,
        ),
        (
            "Claimed".to_owned(),
            money(site, campaign, campaign.claimed_atoms),
            html! { (money(site, campaign, left)) " of the pot is left" },
        ),
        (
            "A milestone scores".to_owned(),
            html! { (text::percent(campaign.refereed_bps)) },
            html! { "of its fee if refereed, " (text::percent(campaign.reviewed_bps)) " if reviewed" },
        ),
    ])
}

fn times(campaign: &CampaignItem) -> Markup {
    parts::facts(&[
        ("Scoring from", parts::time(campaign.start)),
        ("Scoring until", parts::time(campaign.end)),
        ("Settle by", parts::time(campaign.settle_by)),
        ("Claims until", parts::time(campaign.claim_by)),
    ])
}

fn entries(site: &Site, page: &CampaignPage) -> Markup {
    let campaign = &page.campaign;
    let titles = [
        ("Provider", false),
        ("Score", true),
        ("Share", false),
        ("Worth", true),
        ("Claim", false),
    ];
    let row = |entry: &EntryItem| {
        let href = format!("/campaigns/{}/entries/{}", campaign.address, entry.provider);
        vec![
            html! {
                (parts::link("providers", &entry.provider))
                @if entry.is_treasury { " " (parts::badge("warn", "treasury")) }
            },
            html! { a href=(href) { (money(site, campaign, entry.score)) } },
            parts::bar(entry.score.into(), campaign.total_score.into()),
            parts::money(site, entry.claimed.as_ref().unwrap_or(&entry.worth)),
            html! { (claim(entry.claimable, entry.claimed.is_some())) " " (entry.why) },
        ]
    };
    let rows: Vec<Vec<Markup>> = page.entries.iter().map(row).collect();
    html! {
        section .card {
            h2 { "Scores" }
            @if rows.is_empty() { (parts::empty("No provider has joined yet.")) }
            @else { (parts::table("What each provider scored", &titles, &rows)) }
        }
    }
}
