//! Pieces that several pages are made of.

use {
    super::{site::Site, text},
    maud::{Markup, html},
    quern_api::{Amount, Assurance, Key, Signature},
    quern_client::text::escaped,
};

/// Most characters of a stranger's text; the program allows about as many.
const TEXT_CHARS: usize = 256;

/// A text that a stranger wrote: no character hides or moves others, no length breaks the page, and it is never a link.
pub(super) fn strange(written: &str) -> Markup {
    let shown: String = escaped(written).chars().take(TEXT_CHARS).collect();
    html! { bdi .strange { (shown) } }
}

/// A name that a stranger chose, if it has any letters.
pub(super) fn name(written: Option<&str>) -> Option<Markup> {
    let written = written?;
    (!written.trim().is_empty()).then(|| strange(written))
}

/// A name as a headline, or the address that has none.
pub(super) fn title(written: &str, address: &Key) -> Markup {
    name(Some(written)).unwrap_or_else(|| html! { (text::short(address)) })
}

/// The same as plain text, for a window's title.
pub(super) fn plain_name(written: &str, address: &Key) -> String {
    match written.trim() {
        "" => text::short(address),
        name => escaped(name),
    }
}

/// A text that a stranger may have written.
pub(super) fn written(text: Option<&str>) -> Markup {
    match text {
        None | Some("") => html! { span .none { "not given" } },
        Some(text) => strange(text),
    }
}

/// An address as a link, short.
pub(super) fn link(kind: &str, address: &Key) -> Markup {
    html! {
        a .key href={ "/" (kind) "/" (address) } title=(address) { (text::short(address)) }
    }
}

/// An address that has no page, short.
pub(super) fn short(address: &Key) -> Markup {
    html! { span .key title=(address) { (text::short(address)) } }
}

/// A name that a stranger chose, with the address that it stands for: names are not unique.
pub(super) fn who(kind: &str, address: &Key, written: Option<&str>) -> Markup {
    html! {
        span .who {
            @if let Some(name) = name(written) {
                a href={ "/" (kind) "/" (address) } { (name) }
            }
            (link(kind, address))
        }
    }
}

/// A whole address, to be copied.
pub(super) fn whole(address: &Key) -> Markup {
    html! { code .whole { (address) } }
}

/// What the operator calls a mint, or its short address.
pub(super) fn mint(site: &Site, address: &Key) -> Markup {
    html! { span .unit title=(address) { (mint_text(site, address)) } }
}

/// The same as plain text.
pub(super) fn mint_text(site: &Site, address: &Key) -> String {
    match site.mint_name(address) {
        Some(name) => name.to_owned(),
        None => text::short(address),
    }
}

/// An amount with its mint.
pub(super) fn money(site: &Site, amount: &Amount) -> Markup {
    html! { span .money { (number(&text::tokens(amount.atoms, amount.decimals))) " " (mint(site, &amount.mint)) } }
}

/// Amounts of several mints, one a line.
pub(super) fn moneys(site: &Site, amounts: &[Amount]) -> Markup {
    html! {
        @if amounts.is_empty() { span .none { "–" } }
        @for amount in amounts { span .line { (money(site, amount)) } }
    }
}

/// A number that tells every digit where it is shortened.
pub(super) fn number(number: &text::Number) -> Markup {
    let exact = (number.short != number.exact).then_some(&number.exact);
    html! { span .number title=[exact] { (number.short) } }
}

/// A count.
pub(super) fn count(value: impl Into<u128>) -> Markup {
    number(&text::compact(value.into()))
}

/// A moment. The program writes 0 where there is none.
pub(super) fn time(at: i64) -> Markup {
    html! {
        @match text::moment(at) {
            _ if at == 0 => span .none { "–" },
            Some((shown, machine)) => time datetime=(machine) { (shown) },
            None => span { "second " (at) },
        }
    }
}

/// The day of a moment, with the moment itself beside it.
pub(super) fn day(at: i64) -> Markup {
    html! {
        @match (text::date(at), text::moment(at)) {
            _ if at == 0 => span .none { "–" },
            (Some(day), Some((shown, machine))) => time datetime=(machine) title=(shown) { (day) },
            _ => span { "second " (at) },
        }
    }
}

/// A transaction, as a link if the operator named an explorer.
pub(super) fn transaction(site: &Site, signature: &Signature) -> Markup {
    let full = signature.to_string();
    let short = format!("{}…", &full[..12]);
    html! {
        @match site.transaction(signature) {
            Some(href) => a .key href=(href) title=(full) rel="noreferrer noopener nofollow" { (short) },
            None => code .key title=(full) { (short) },
        }
    }
}

/// How a result is assured, with what that means.
pub(super) fn assurance(level: Assurance) -> Markup {
    let meaning = match level {
        Assurance::Refereed => "Anybody can prove a wrong result on chain",
        Assurance::Reviewed => "The client reviews the result",
    };
    html! { span .badge .{ (level.word()) } title=(meaning) { (level.word()) } }
}

/// A word on a coloured ground; the colour repeats what the word says.
pub(super) fn badge(tone: &str, word: &str) -> Markup {
    html! { span .badge .{ (tone) } { (word) } }
}

/// A choice among a few, as links.
pub(super) fn choices(label: &str, items: &[(String, String, bool)]) -> Markup {
    html! {
        nav .choices aria-label=(label) {
            span .label aria-hidden="true" { (label) }
            ul {
                @for (name, href, is_chosen) in items {
                    li { a href=(href) aria-current=[is_chosen.then_some("true")] { (name) } }
                }
            }
        }
    }
}

/// Links to the first page of a list and to the next one, where there are such.
pub(super) fn pager(first: Option<&str>, next: Option<&str>) -> Markup {
    html! {
        @if first.is_some() || next.is_some() {
            nav .pager aria-label="More of this list" {
                @if let Some(href) = first { a .button href=(href) rel="first nofollow" { "From the beginning" } }
                @if let Some(href) = next { a .button href=(href) rel="next nofollow" { "Next page" } }
            }
        }
    }
}

/// A table that becomes cards on a narrow screen; each row gives its cells in the order of the titles.
pub(super) fn table(caption: &str, titles: &[(&str, bool)], rows: &[Vec<Markup>]) -> Markup {
    shaped_table("list", caption, titles, rows)
}

/// The same with a shape of its own in the style sheet.
pub(super) fn shaped_table(
    shape: &str,
    caption: &str,
    titles: &[(&str, bool)],
    rows: &[Vec<Markup>],
) -> Markup {
    html! {
        table class=(shape) {
            caption .hidden { (caption) }
            thead { tr {
                @for (title, is_number) in titles { th scope="col" .right[*is_number] { (title) } }
            } }
            tbody {
                @for row in rows { tr {
                    @for (cell, (title, is_number)) in row.iter().zip(titles) {
                        // One box a cell: on a narrow screen it stands beside its title, whatever is in it.
                        td data-label=(title) .right[*is_number] { div { (cell) } }
                    }
                } }
            }
        }
    }
}

/// Facts, each with its name.
pub(super) fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! {
        dl .facts {
            @for (name, value) in facts { div { dt { (name) } dd { (value) } } }
        }
    }
}

/// Numbers that are to be seen first.
pub(super) fn tiles(tiles: &[(String, Markup, Markup)]) -> Markup {
    html! {
        dl .tiles {
            @for (name, value, note) in tiles { div { dt { (name) } dd { (value) } dd .note { (note) } } }
        }
    }
}

/// What stands in place of a list without rows.
pub(super) fn empty(sentence: &str) -> Markup {
    html! { p .empty { (sentence) } }
}

/// What stands in place of what is too much for one page: what the API says to it.
pub(super) fn refused(path: &str, sentence: &str) -> Markup {
    html! { p .notice role="note" { (path) ": " (sentence) } }
}

/// A part of a whole as a bar; the number stands beside it.
pub(super) fn bar(part: u128, whole: u128) -> Markup {
    // Thousandths are finer than any screen shows them.
    let width = part
        .saturating_mul(1_000)
        .checked_div(whole)
        .unwrap_or(0)
        .min(1_000);
    html! {
        svg .bar viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
            rect width=(width) height="10" {}
        }
    }
}
