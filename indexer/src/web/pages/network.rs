//! The network: how far the indexer is, what is held, what moved.

use {
    crate::web::{
        ask::{Web, or_refusal},
        html::{Failure, Freshness, Page, Place},
        parts,
        site::Site,
        text,
    },
    axum::extract::State,
    maud::{Markup, html},
    quern_api::{
        Amount, AuditPage, AuditVerdict, DifferenceItem, EmissionPage, GapItem, LedgerItem,
        StatusPage, TotalItem, TotalsPage,
    },
    quern_client::text::escaped,
};

pub(in crate::web) async fn network(State(web): State<Web>) -> Result<Page, Failure> {
    let status = web.ask::<StatusPage>(StatusPage::PATH, &[]).await?;
    let totals = or_refusal(web.ask::<TotalsPage>(TotalsPage::PATH, &[]).await)?;
    let emission = web.ask::<EmissionPage>(EmissionPage::PATH, &[]).await?;
    let audit = web.ask::<AuditPage>(AuditPage::PATH, &[]).await?;
    let (site, page) = (&*web.site, &status.body);
    let body = html! {
        h1 { "Network" }
        p .lead { "How far this indexer is, and what it adds up to." }
        @if let Some(error) = &page.error {
            p .notice role="note" { "The last walk failed: " (escaped(error)) }
        }
        (progress(page, status.lag_slots))
        (parts::facts(&[
            ("Program", parts::whole(&page.program)),
            ("Version", html! { "quern-indexer " (page.version) }),
        ]))
        (gaps(page))
        (comparison(&audit.body))
        (rewards(site, &emission.body))
        @match &totals {
            Ok(totals) => {
                (ledgers(site, &totals.ledgers))
                (sums(site, &totals.totals))
            }
            Err(refusal) => (parts::refused(TotalsPage::PATH, refusal)),
        }
    };
    Ok(Page {
        title: "Network".to_owned(),
        place: Place::Network,
        freshness: Some(Freshness::of(&status)),
        body,
    })
}

fn progress(page: &StatusPage, lag_slots: Option<u64>) -> Markup {
    let slot =
        |slot: Option<u64>| slot.map_or_else(|| "–".to_owned(), |slot| text::grouped(slot.into()));
    parts::tiles(&[
        (
            "Stored up to slot".to_owned(),
            html! { (slot(page.cursor_slot)) },
            html! { "the node is at " (slot(page.tip_slot)) },
        ),
        (
            "Behind the node".to_owned(),
            html! { (lag_slots.map_or_else(|| "–".to_owned(), |lag| format!("{} slots", text::grouped(lag.into())))) },
            html! {
                "the cluster's clock: "
                @match page.chain_time { Some(at) => (parts::time(at)), None => "unknown" }
            },
        ),
        (
            "Events".to_owned(),
            html! { (text::grouped(page.events.into())) },
            html! { "of " (text::grouped(page.transactions.into())) " transactions" },
        ),
        (
            "Missing or not understood".to_owned(),
            html! { (text::grouped(u128::from(page.gaps) + u128::from(page.dead_letters))) },
            html! { (page.gaps) " accounts miss changes, " (page.dead_letters) " events are not understood" },
        ),
    ])
}

fn gaps(page: &StatusPage) -> Markup {
    let titles = [
        ("Kind", false),
        ("Account", false),
        ("Changes seen", true),
        ("Highest counter", true),
    ];
    let row = |gap: &GapItem| {
        vec![
            html! { (text::words(gap.kind.word())) },
            parts::whole(&gap.address),
            parts::count(gap.changes_seen),
            parts::count(gap.highest_seq),
        ]
    };
    let rows: Vec<Vec<Markup>> = page.first_gaps.iter().map(row).collect();
    html! {
        @if !rows.is_empty() {
            section .card {
                h2 { "Accounts that miss changes" }
                (parts::table("Accounts that miss changes", &titles, &rows))
            }
        }
    }
}

/// Whether the tables are what the chain holds.
fn comparison(audit: &AuditPage) -> Markup {
    let tone = match audit.verdict {
        AuditVerdict::Equal => "good",
        AuditVerdict::Different => "bad",
        _ => "calm",
    };
    let titles = [
        ("Account", false),
        ("Figure", false),
        ("Expected", true),
        ("Found", true),
    ];
    let row = |one: &DifferenceItem| {
        vec![
            html! { (text::capital(&text::words(one.kind.word()))) " " (parts::whole(&one.address)) },
            parts::strange(&one.figure),
            parts::strange(&one.expected),
            parts::strange(&one.found),
        ]
    };
    let rows: Vec<Vec<Markup>> = audit.differences.iter().map(row).collect();
    html! {
        section .card {
            h2 { "Compared with the chain " (parts::badge(tone, &text::words(audit.verdict.word()))) }
            p .quiet .after {
                @match (audit.audited_at, audit.audited_slot) {
                    (Some(at), Some(slot)) => {
                        (text::grouped(audit.figures.into())) " figures at slot " (text::grouped(slot.into())) ", "
                        (parts::time(at)) "; " (text::grouped(audit.difference_count.into())) " differ"
                        @if audit.unsettled > 0 {
                            ", " (text::grouped(audit.unsettled.into())) " accounts changed at each look"
                        }
                    }
                    _ => "No comparison has ended yet.",
                }
                @if let Some(error) = &audit.error { " The last one could not be finished: " (escaped(error)) }
            }
            @if !rows.is_empty() { (parts::table("Figures that differ", &titles, &rows)) }
        }
    }
}

/// What rewards there are, and for how long.
fn rewards(site: &Site, page: &EmissionPage) -> Markup {
    let Some(mint) = page.mint else {
        return html! {};
    };
    let amount = |atoms: u128| {
        let amount = Amount {
            atoms,
            mint,
            decimals: page.decimals,
        };
        parts::money(site, &amount)
    };
    html! {
        section .card {
            h2 { "Rewards" }
            (parts::facts(&[
                ("Can be granted", amount(page.free_atoms.into())),
                ("This epoch", html! {
                    (amount(page.spent_atoms.into())) " of " (amount(page.cap_atoms.into())) " granted"
                    @if let Some(at) = page.epoch_ends_at.filter(|at| *at > 0) { ", until " (parts::time(at)) }
                }),
                ("Not yet claimed", amount(page.outstanding_atoms.into())),
                ("Last 7 days", html! { (amount(page.granted_7d_atoms)) " granted" }),
                ("Runs dry", html! {
                    @match (page.is_dry, page.runs_dry_at) {
                        (true, _) => (parts::badge("bad", "nothing is left")),
                        (false, Some(at)) => { (parts::day(at)) " if it goes on like this" },
                        (false, None) => "not at all, as it goes",
                    }
                }),
            ]))
        }
    }
}

fn ledgers(site: &Site, ledgers: &[LedgerItem]) -> Markup {
    let titles = [
        ("Mint", false),
        ("The program says", true),
        ("Free in purses", true),
        ("Reserved in purses", true),
        ("Purses", true),
        ("Ledger", false),
    ];
    let row = |ledger: &LedgerItem| {
        let amount = |atoms: u128| parts::number(&text::tokens(atoms, Some(ledger.decimals)));
        vec![
            parts::mint(site, &ledger.mint),
            amount(ledger.total_atoms.into()),
            amount(ledger.free_atoms),
            amount(ledger.reserved_atoms),
            parts::count(ledger.purses),
            match ledger.equal {
                true => parts::badge("good", "equal"),
                false => parts::badge("bad", "differs"),
            },
        ]
    };
    let rows: Vec<Vec<Markup>> = ledgers.iter().map(row).collect();
    html! {
        section .card {
            h2 { "What purses hold" }
            @if rows.is_empty() { (parts::empty("The program takes no mint yet.")) }
            @else { (parts::table("What the purses of each mint hold", &titles, &rows)) }
        }
    }
}

fn sums(site: &Site, totals: &[TotalItem]) -> Markup {
    let titles = [
        ("What moved", false),
        ("Assurance", false),
        ("Amount", true),
        ("Times", true),
    ];
    let row = |item: &TotalItem| {
        let amount = Amount {
            atoms: item.atoms,
            mint: item.mint,
            decimals: item.decimals,
        };
        vec![
            html! { (text::capital(&text::words(item.category.word()))) },
            item.assurance
                .map_or_else(|| html! { span .none { "–" } }, parts::assurance),
            parts::money(site, &amount),
            parts::count(item.count),
        ]
    };
    let rows: Vec<Vec<Markup>> = totals.iter().map(row).collect();
    html! {
        section .card {
            h2 { "Everything that moved" }
            @if rows.is_empty() { (parts::empty("Nothing moved yet.")) }
            @else { (parts::table("Sums over all time", &titles, &rows)) }
        }
    }
}
