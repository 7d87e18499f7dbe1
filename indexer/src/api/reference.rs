//! The page about this API, as `quern-indexer reference` (hidden) prints it; `cargo xtask docs` keeps it in `docs/reference`. Its
//! paths, parameters and limits are those of the routes and of `quern_api`, its examples are the replies that the tests accept.

use {
    super::{CONCURRENT_REQUESTS, REQUEST_TIMEOUT, leaderboard::MAX_BOARDS, totals::MAX_MINTS},
    quern_api::{
        Assurance, AuditPage, BoardsRequest, DEFAULT_PAGE_ROWS, HealthPage, JobPage, JobRequest,
        JobState, JobsRequest, MAX_PAGE_ROWS, Metric, ProviderPage, PursePage, StatusPage,
        TotalsPage, TotalsRequest, Window, problem::MEDIA_TYPE,
    },
    serde_json::Value,
    std::fmt::Write,
};

/// What the page says about a route.
pub struct Route {
    /// Its path, with `{address}` where an address stands.
    pub path: String,
    about: &'static str,
    /// The names of its parameters.
    pub params: &'static [&'static str],
    /// A reply that a test has accepted.
    example: &'static str,
}

/// A file with an accepted reply.
macro_rules! accepted {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/snapshots/api__",
            $name,
            ".snap"
        ))
    };
}

/// Every route.
pub fn routes() -> Vec<Route> {
    let route = |path: String, about, params, example| Route {
        path,
        about,
        params,
        example,
    };
    const ADDRESS: &str = "{address}";
    vec![
        route(
            StatusPage::PATH.to_owned(),
            "How far the indexer is, and what it could not read.",
            &[],
            accepted!("status"),
        ),
        route(
            BoardsRequest::PATH.to_owned(),
            "Providers ranked, one board an assurance level and mint. Levels and mints are never added or compared.",
            &BoardsRequest::PARAMS,
            accepted!("leaderboards"),
        ),
        route(
            ProviderPage::path(ADDRESS),
            "A provider by its owner or its account: entry, counters, totals, purses, latest paid milestones.",
            &[],
            accepted!("provider"),
        ),
        route(
            JobsRequest::PATH.to_owned(),
            "Jobs, live and closed, the ones that changed last first.",
            &JobsRequest::PARAMS,
            accepted!("jobs"),
        ),
        route(
            JobPage::path(ADDRESS),
            "A job with its time line: steps, submissions and demands, each list with a cursor of its own.",
            &JobRequest::PARAMS,
            accepted!("job"),
        ),
        route(
            PursePage::path(ADDRESS),
            "A purse by its address (not by its owner's).",
            &[],
            accepted!("purse"),
        ),
        route(
            TotalsPage::PATH.to_owned(),
            "Sums over everything, to be compared with the chain.",
            &TotalsRequest::PARAMS,
            accepted!("totals"),
        ),
        route(
            AuditPage::PATH.to_owned(),
            "Whether the tables are what the chain holds: the last comparison of every account, vault, reservation and sum.",
            &[],
            accepted!("audit"),
        ),
        route(
            HealthPage::READY.to_owned(),
            "Whether replies are fresh and whole: 200, or 503 with the reason. For load balancers.",
            &[],
            accepted!("health"),
        ),
        route(
            HealthPage::LIVE.to_owned(),
            "Whether the process answers, however busy it is.",
            &[],
            accepted!("health"),
        ),
    ]
}

/// What a parameter is, and what it may be; nothing for a name that no route has.
pub fn param(name: &str) -> Option<(&'static str, String)> {
    let one_of = |choices: String, usual: &str| format!("one of {choices}; {usual}");
    let address = || "base58 of 32 bytes; all if left out".to_owned();
    Some(match name {
        "metric" => (
            "What providers are ranked by",
            one_of(Metric::choices(), "earned if left out"),
        ),
        "window" => (
            "Over which time",
            one_of(Window::choices(), "all if left out"),
        ),
        "assurance" => (
            "Only this assurance level",
            one_of(Assurance::choices(), "both if left out"),
        ),
        "state" => (
            "Only jobs in this state",
            one_of(JobState::choices(), "all if left out"),
        ),
        "mint" => ("Only this mint", address()),
        "limit" => (
            "Most rows of a list",
            format!("a number from 1 to {MAX_PAGE_ROWS}; {DEFAULT_PAGE_ROWS} if left out"),
        ),
        "cursor" => (
            "Where to go on",
            "`next_cursor` of the page before, with the same other parameters".to_owned(),
        ),
        "steps_cursor" => (
            "Where to go on with the steps",
            "`next_steps_cursor` of the page before".to_owned(),
        ),
        "submissions_cursor" => (
            "Where to go on with the submissions",
            "`next_submissions_cursor` of the page before".to_owned(),
        ),
        "demands_cursor" => (
            "Where to go on with the demands",
            "`next_demands_cursor` of the page before".to_owned(),
        ),
        _ => return None,
    })
}

/// The page.
pub fn page() -> String {
    let mut page = format!(
        "# The indexer's HTTP API\n\nGenerated by `cargo xtask docs` from the routes of `quern-indexer` and the types of `crates/api`; do not edit.\n\n\
         `quern-indexer run` serves it, at http://127.0.0.1:8787 unless `--listen` says another place. Every page is read with `GET`\n\
         and answers JSON. Amounts and counters that may exceed 2^53 are texts of decimal digits, addresses and signatures base58,\n\
         hashes hexadecimal, times seconds since 1970. Fields may be added. Browsers of any origin may read, replies are compressed on\n\
         request, and `x-request-id` names a request in the log.\n\n\
         Four fields stand in every reply of `/v1`: `as_of_slot` (everything finalized up to there is in it), `finality` (always\n\
         `finalized`), `lag_slots` (how far that is behind the node) and `whole_history` (false while changes are known to be missing:\n\
         amounts and counts may be too small then).\n\n\
         The examples are replies of the tests; lists are cut to their first entry.\n\n{}",
        errors()
    );
    for route in routes() {
        let _ = write!(page, "## `GET {}`\n\n{}\n\n", route.path, route.about);
        if !route.params.is_empty() {
            page.push_str("| parameter | | values |\n| --- | --- | --- |\n");
            for name in route.params {
                let (about, values) = param(name).unwrap_or_default();
                let _ = writeln!(page, "| `{name}` | {about} | {values} |");
            }
            page.push('\n');
        }
        let _ = write!(page, "```json\n{}\n```\n\n", shown(route.example));
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn errors() -> String {
    format!(
        "## Errors\n\nA refused request is answered with `{MEDIA_TYPE}` (RFC 9457); `detail` says what is wrong and how to mend it.\n\n\
         ```json\n{}\n```\n\n\
         | status | when |\n| ---: | --- |\n\
         | 400 | a parameter is unknown here, given twice or out of its limits, an address is none, a cursor belongs to another list; more than {MAX_BOARDS} boards or {MAX_MINTS} mints would be answered: say `mint` |\n\
         | 404 | there is no such page, job, provider, purse or mint among what is finalized |\n\
         | 405 | another method than `GET` |\n\
         | 500 | the store could not be read; the indexer's log says why |\n\
         | 503 | {CONCURRENT_REQUESTS} requests are worked on already, a reply took more than {} seconds, or (of `{}`) the replies are not fresh; try again |\n\n",
        shown(accepted!("problem")),
        REQUEST_TIMEOUT.as_secs(),
        HealthPage::READY,
    )
}

/// An accepted reply without the head of its file, its lists cut.
fn shown(snapshot: &str) -> String {
    let json = snapshot.splitn(3, "---\n").nth(2).unwrap_or_default();
    let value: Value = serde_json::from_str(json).unwrap_or_default();
    serde_json::to_string_pretty(&cut(value)).unwrap_or_default()
}

fn cut(value: Value) -> Value {
    match value {
        Value::Array(all) => all.into_iter().take(1).map(cut).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            Value::Object(fields.map(|(name, inner)| (name, cut(inner))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_and_parameter_is_described() {
        let mut known: Vec<String> = routes().into_iter().map(|route| route.path).collect();
        let mut served = super::super::paths();
        served.push(HealthPage::LIVE.to_owned());
        known.sort();
        served.sort();
        assert_eq!(known, served);
        let page = page();
        for route in routes() {
            for name in route.params {
                assert!(param(name).is_some(), "{}: {name}", route.path);
            }
            let example = shown(route.example);
            assert!(example.starts_with('{'), "{}: {example}", route.path);
            assert!(page.contains(&format!("## `GET {}`", route.path)));
        }
        assert!(
            page.contains("a number from 1 to 200; 50 if left out"),
            "{page}"
        );
    }

    #[test]
    fn lists_are_cut_to_their_first_entry() {
        let example = shown("---\na: b\n---\n{\"list\": [[1, 2], [3]], \"one\": {\"none\": []}}\n");
        let read: Value = serde_json::from_str(&example).unwrap_or_default();
        assert_eq!(
            read,
            serde_json::json!({ "list": [[1]], "one": { "none": [] } })
        );
    }
}
