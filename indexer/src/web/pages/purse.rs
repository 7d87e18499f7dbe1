//! A purse.

use {
    crate::web::{
        ask::Web,
        html::{Failure, Freshness, Page, Place},
        parts, query,
        site::Site,
        text,
    },
    axum::extract::{Path, State, rejection::PathRejection},
    maud::{Markup, html},
    quern_api::{Amount, PursePage},
};

pub(in crate::web) async fn purse(
    State(web): State<Web>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Page, Failure> {
    let address = query::address(path)?;
    let reply = web.ask::<PursePage>(&PursePage::path(address), &[]).await?;
    let (site, purse) = (&*web.site, &reply.body);
    let amount = |atoms: u64| {
        let amount = Amount {
            atoms: atoms.into(),
            mint: purse.mint,
            decimals: purse.decimals,
        };
        parts::money(site, &amount)
    };
    let body = html! {
        p .eyebrow { "Purse" }
        h1 { (text::short(&purse.address)) }
        (parts::facts(&[
            ("Address", parts::whole(&purse.address)),
            ("Owner", parts::whole(&purse.owner)),
            ("Mint", parts::whole(&purse.mint)),
        ]))
        (parts::tiles(&[
            ("Free".to_owned(), amount(purse.free_atoms), html! { "the owner may withdraw it" }),
            ("Reserved".to_owned(), amount(purse.reserved_atoms), html! { "held by " (text::grouped(purse.opened.into())) " open jobs and by takes" }),
            ("Operator's limit".to_owned(), amount(purse.operator_limit_atoms), html! { "of it reserved " (amount(purse.operator_reserved_atoms)) }),
            ("Operator's losses".to_owned(), amount(purse.operator_lost_atoms), html! { "ever" }),
        ]))
    };
    Ok(Page {
        title: format!("Purse {}", text::short(&purse.address)),
        place: Place::Elsewhere,
        freshness: Some(Freshness::of(&reply)),
        body,
    })
}

/// The purses of an owner.
pub(super) fn section(site: &Site, purses: &[PursePage]) -> Markup {
    let titles = [
        ("Purse", false),
        ("Free to withdraw", true),
        ("Held by jobs", true),
        ("Operator may risk", true),
    ];
    let row = |purse: &PursePage| {
        let amount = |atoms: u64| {
            let amount = Amount {
                atoms: atoms.into(),
                mint: purse.mint,
                decimals: purse.decimals,
            };
            parts::money(site, &amount)
        };
        vec![
            parts::link("purses", &purse.address),
            amount(purse.free_atoms),
            amount(purse.reserved_atoms),
            amount(purse.operator_limit_atoms),
        ]
    };
    let rows: Vec<Vec<Markup>> = purses.iter().map(row).collect();
    html! {
        section .card {
            h2 { "Purses" }
            @if rows.is_empty() { (parts::empty("There is no purse yet.")) }
            @else { (parts::table("What is in its purses", &titles, &rows)) }
        }
    }
}
