//! The list of campaigns.

use {
    crate::web::{
        ask::Web,
        html::{Failure, Freshness, Page, Place},
        parts,
        query::Params,
        site::Site,
        text,
    },
    axum::{extract::State, http::Uri},
    maud::{Markup, html},
    quern_api::{Amount, CampaignItem, CampaignList, CampaignState, EntryPage, Key},
};

const PATH: &str = "/campaigns";
const CAMPAIGNS: u32 = 40;
/// Campaigns on the page of a provider; each costs a question.
const LATEST: u32 = 5;

pub(in crate::web) async fn campaigns(State(web): State<Web>, uri: Uri) -> Result<Page, Failure> {
    let params = Params::read(&uri, &["state", "provider", "sponsor", "cursor"])?;
    let mut query = params.pairs();
    query.push(("limit", CAMPAIGNS.to_string()));
    let reply = web.ask::<CampaignList>(CampaignList::PATH, &query).await?;
    let base = params.with("cursor", None);
    let chosen = params.get("state");
    let mut states = vec![(
        "All".to_owned(),
        base.with("state", None).link(PATH),
        chosen.is_none(),
    )];
    states.extend(CampaignState::ALL.iter().map(|state| {
        let href = base.with("state", Some(state.word())).link(PATH);
        let is_chosen = chosen == Some(state.word());
        (text::capital(state.word()), href, is_chosen)
    }));
    let next = reply.body.next_cursor.as_deref();
    let next = next.map(|cursor| params.with("cursor", Some(cursor)).link(PATH));
    let first = params.get("cursor").map(|_| base.link(PATH));
    let body = html! {
        h1 { "Campaigns" }
        p .lead {
            "A sponsor reserves a pot for work that it wants. Each settled milestone scores a part of its fee, and providers share the pot by their scores."
        }
        div .switches { (parts::choices("State", &states)) }
        section .card { (table(&web.site, &reply.body.campaigns)) }
        (parts::pager(first.as_deref(), next.as_deref()))
    };
    Ok(Page {
        title: "Campaigns".to_owned(),
        place: Place::Campaigns,
        freshness: Some(Freshness::of(&reply)),
        body,
    })
}

fn table(site: &Site, campaigns: &[CampaignItem]) -> Markup {
    if campaigns.is_empty() {
        return parts::empty("There is no such campaign yet.");
    }
    let titles = [
        ("Campaign", false),
        ("State", false),
        ("Pot", true),
        ("Total score", true),
        ("Claimed", true),
        ("Scores until", true),
        ("Claims until", true),
        ("Sponsor", false),
    ];
    let row = |campaign: &CampaignItem| {
        vec![
            parts::link("campaigns", &campaign.address),
            state(campaign.state),
            money(site, campaign, campaign.pot_atoms),
            money(site, campaign, campaign.total_score),
            money(site, campaign, campaign.claimed_atoms),
            parts::day(campaign.end),
            parts::day(campaign.claim_by),
            parts::link("clients", &campaign.sponsor),
        ]
    };
    let rows: Vec<Vec<Markup>> = campaigns.iter().map(row).collect();
    parts::table("Campaigns", &titles, &rows)
}

/// The latest campaigns of a provider: what each of its scores is worth, and whether and why it may be claimed.
pub(super) async fn of_provider(web: &Web, provider: &Key) -> Result<Markup, Failure> {
    let query = [
        ("provider", provider.to_string()),
        ("limit", LATEST.to_string()),
    ];
    let reply = web.ask::<CampaignList>(CampaignList::PATH, &query).await?;
    let mut rows: Vec<Vec<Markup>> = Vec::new();
    for campaign in &reply.body.campaigns {
        let path = EntryPage::path(campaign.address, provider);
        let query = [("limit", "1".to_owned())];
        let entry = match web.ask::<EntryPage>(&path, &query).await {
            Ok(reply) => reply.body.entry,
            Err(failure) if failure.is_missing() => continue,
            Err(failure) => return Err(failure),
        };
        let href = format!("/campaigns/{}/entries/{provider}", campaign.address);
        rows.push(vec![
            parts::link("campaigns", &campaign.address),
            state(campaign.state),
            html! { a href=(href) { (money(&web.site, campaign, entry.score)) } },
            parts::money(&web.site, entry.claimed.as_ref().unwrap_or(&entry.worth)),
            html! { (claim(entry.claimable, entry.claimed.is_some())) " " (entry.why) },
        ]);
    }
    let titles = [
        ("Campaign", false),
        ("State", false),
        ("Score", true),
        ("Worth", true),
        ("Claim", false),
    ];
    let all = reply
        .body
        .next_cursor
        .map(|_| format!("{PATH}?provider={provider}"));
    Ok(html! {
        @if !rows.is_empty() {
            section .card {
                h2 { "Campaigns" }
                (parts::table("Its campaigns", &titles, &rows))
                @if let Some(href) = all { p .after { a .button href=(href) { "All campaigns of this provider" } } }
            }
        }
    })
}

/// Whether something may be claimed.
pub(super) fn claim(claimable: bool, is_claimed: bool) -> Markup {
    match (claimable, is_claimed) {
        (true, _) => parts::badge("good", "claimable"),
        (false, true) => parts::badge("calm", "claimed"),
        (false, false) => parts::badge("warn", "not claimable"),
    }
}

/// Atoms of a campaign's mint.
pub(super) fn money(site: &Site, campaign: &CampaignItem, atoms: u64) -> Markup {
    let amount = Amount {
        atoms: atoms.into(),
        mint: campaign.mint,
        decimals: campaign.decimals,
    };
    parts::money(site, &amount)
}

/// Where a campaign stands.
pub(super) fn state(state: CampaignState) -> Markup {
    let tone = match state {
        CampaignState::Planned => "open",
        CampaignState::Running | CampaignState::Claimable => "good",
        CampaignState::Settling => "warn",
        CampaignState::Ended | CampaignState::Closed => "calm",
    };
    parts::badge(tone, state.word())
}
