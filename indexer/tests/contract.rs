//! The API keeps to `/openapi.json`: every page, with every parameter fuzzed, answers what the document says and nothing else.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    jsonschema::Validator,
    quern_testkit::rng::Rng,
    reqwest::Url,
    serde_json::{Value, json},
    std::collections::{BTreeMap, BTreeSet},
    support::{
        History, address,
        served::{Answered, Asked},
    },
};

/// Random queries of each page, besides each value of each parameter alone.
const RANDOM_QUERIES: usize = 25;

/// The document with every object closed: a field that it does not name is an error. What is only a part of another schema stays
/// open, for there the whole is closed.
fn closed(document: &Value) -> Value {
    let mut document = document.clone();
    close(&mut document["components"]["schemas"]);
    document
}

fn close(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("$ref") {
                fields.insert("unevaluatedProperties".to_owned(), json!(false));
            }
            for (name, inner) in fields {
                match (name.as_str(), inner) {
                    ("allOf", Value::Array(parts)) => {
                        let parts = parts.iter_mut();
                        parts.filter(|part| part["$ref"].is_null()).for_each(close);
                    }
                    (_, inner) => close(inner),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(close),
        _ => {}
    }
}

/// Checks replies of one page.
struct Page {
    path: String,
    params: Vec<Value>,
    /// By status and media type.
    validators: BTreeMap<(u16, String), Option<Validator>>,
    statuses: BTreeSet<u16>,
}

impl Page {
    fn of(path: &str, operation: &Value, document: &Value) -> Self {
        let mut validators = BTreeMap::new();
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses {
            let status: u16 = status.parse().unwrap();
            for (kind, content) in response["content"].as_object().into_iter().flatten() {
                let is_json = kind.ends_with("json");
                let validator = is_json.then(|| {
                    let mut schema = content["schema"].clone();
                    schema["unevaluatedProperties"] = json!(false);
                    schema["components"] = document["components"].clone();
                    jsonschema::validator_for(&schema).unwrap()
                });
                validators.insert((status, kind.clone()), validator);
            }
        }
        Self {
            path: path.to_owned(),
            params: operation["parameters"]
                .as_array()
                .cloned()
                .unwrap_or_default(),
            validators,
            statuses: responses
                .keys()
                .map(|status| status.parse().unwrap())
                .collect(),
        }
    }

    fn check(&self, asked: &str, answered: &Answered) {
        let status = answered.status;
        assert!(self.statuses.contains(&status), "{asked}: {status}");
        assert!(status != 500 && status != 503, "{asked}: {}", answered.text);
        let known = self.validators.get(&(status, answered.kind().to_owned()));
        let validator = known.unwrap_or_else(|| panic!("{asked}: {status} {}", answered.kind()));
        if let Some(validator) = validator {
            let found: Vec<String> = validator
                .iter_errors(&answered.json())
                .map(|error| format!("{} at {}", error, error.instance_path()))
                .collect();
            assert!(found.is_empty(), "{asked}: {found:#?}\n{}", answered.text);
        }
        assert!(answered.headers.contains_key("x-request-id"), "{asked}");
    }

    /// Whether the document says that a parameter may be this word.
    fn names(&self, name: &str, word: &str, document: &Value) -> bool {
        let mut found = Vec::new();
        let params = self.params.iter();
        for param in params.filter(|param| param["in"] == "query" && param["name"] == name) {
            words(&param["schema"], document, &mut found);
        }
        found.iter().any(|one| one == word)
    }

    /// Its queries: names and values that are worth a try.
    fn queries(&self, document: &Value, known: &[String]) -> Vec<(String, Vec<String>)> {
        let params = self.params.iter().filter(|param| param["in"] == "query");
        params
            .map(|param| {
                let name = param["name"].as_str().unwrap().to_owned();
                (name, values(&param["schema"], document, known))
            })
            .collect()
    }
}

/// Values of a parameter, good and bad.
fn values(schema: &Value, document: &Value, known: &[String]) -> Vec<String> {
    let mut values: Vec<String> = [
        "",
        " ",
        "0",
        "1",
        "-1",
        "200",
        "201",
        "255",
        "true",
        "false",
        "null",
        "NaN",
        "1e3",
        "0x1",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "9223372036854775807",
        "%00",
        "\u{0}",
        "\u{202e}",
        "ä€🙂",
        "'",
        "\"; --",
        "../..",
        "a,b",
        "*",
    ]
    .map(str::to_owned)
    .to_vec();
    values.push("z".repeat(3_000));
    values.extend(known.iter().cloned());
    words(schema, document, &mut values);
    values
}

/// The words that a schema names.
fn words(schema: &Value, document: &Value, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        words(&document["components"]["schemas"][name], document, found);
    }
    for of in ["oneOf", "anyOf"] {
        for one in schema[of].as_array().into_iter().flatten() {
            words(one, document, found);
        }
    }
    let all = schema["enum"].as_array().into_iter().flatten();
    found.extend(all.filter_map(|word| Some(word.as_str()?.to_owned())));
}

/// Texts that mean something in this history: addresses, and cursors that its pages gave.
async fn known(asked: &Asked) -> Vec<String> {
    let history = &asked.history;
    let mut known = vec![
        history.providers[0].to_string(),
        history.clients[0].to_string(),
        history.mints[0].to_string(),
        address(70, 1).to_string(),
        address(250, 9).to_string(),
    ];
    let cursors = cursors(asked).await.into_iter();
    known.extend(cursors.map(|(_, cursor)| cursor));
    known
}

/// Pages, each with the cursor that leads on from it.
async fn cursors(asked: &Asked) -> Vec<(String, String)> {
    let history = &asked.history;
    let client = history.clients[0];
    let mut cursors = Vec::new();
    for path in [
        "/v1/jobs?limit=1".to_owned(),
        format!("/v1/jobs?limit=1&client={client}"),
        format!("/v1/ledgers/{client}?limit=1"),
        "/v1/campaigns?limit=1".to_owned(),
        format!("/v1/campaigns/{}?limit=1", history.first_campaign()),
        "/v1/events?limit=1".to_owned(),
        "/v1/providers?limit=1".to_owned(),
        "/v1/leaderboards/providers?limit=1&assurance=refereed".to_owned(),
    ] {
        let page = asked.json(&path).await;
        let cursor = page["next_cursor"].as_str();
        let cursor = cursor.or_else(|| page["boards"][0]["next_cursor"].as_str());
        let cursor = cursor.unwrap_or_else(|| panic!("{path}: {page}"));
        cursors.push((path, cursor.to_owned()));
    }
    cursors
}

/// A cursor is a text of a client: whatever stands in it, there is an answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_was_altered_is_answered_or_refused() {
    let asked = Asked::of(History::lived(42, 12)).await;
    let (mut answered, mut refused) = (0, 0);
    for (path, cursor) in cursors(&asked).await {
        let cursor: Vec<char> = cursor.chars().collect();
        let with = |runs: [(std::ops::Range<usize>, char); 2]| -> String {
            let mut altered = cursor.clone();
            for (range, letter) in runs {
                altered[range].fill(letter);
            }
            altered.into_iter().collect()
        };
        let mut altered = Vec::new();
        for from in 0..cursor.len() {
            for to in (from..=cursor.len()).step_by(8) {
                for [first, then] in [['f', '0'], ['0', 'f'], ['9', '0']] {
                    altered.push(with([(from..to, first), (to..cursor.len(), then)]));
                }
            }
        }
        for cursor in altered {
            let found = asked.get(&format!("{path}&cursor={cursor}")).await;
            match found.status {
                200 => answered += 1,
                400 => refused += 1,
                other => panic!("{path}&cursor={cursor}: {other} {}", found.text),
            }
        }
    }
    assert!(answered > 1_000 && refused > 1_000, "{answered} {refused}");
    asked.indexer.stop().await.unwrap();
}

/// The page's path, with what stands in the history where a name stands, and with what does not.
fn places(path: &str, history: &History) -> Vec<String> {
    let provider = history.providers[0];
    let good = match path {
        "/v1/explain/{milestone}" => {
            let settled = history.events.iter().find_map(|event| match &event.body {
                quern_client::quern::events::QuernEvent::MilestoneSettled(paid) => Some(paid.job),
                _ => None,
            });
            format!("{}:0", settled.unwrap())
        }
        "/v1/jobs/{address}" => address(70, 1).to_string(),
        "/v1/models/{address}" => History::model_address().to_string(),
        "/v1/clients/{address}" => history.clients[0].to_string(),
        "/v1/purses/{address}" => History::purse_address(&provider).to_string(),
        "/v1/campaigns/{address}" => history.first_campaign().to_string(),
        "/v1/campaigns/{address}/entries/{provider}" => {
            let campaign = history.first_campaign();
            let joined = history.joined_ever(&support::key(&campaign));
            let path = path.replace("{provider}", &joined[0].to_string());
            let strange = path.replace("{address}", "0");
            let nobody = path.replace("{address}", &address(250, 9).to_string());
            return vec![
                path.replace("{address}", &campaign.to_string()),
                strange,
                nobody,
                format!("/v1/campaigns/{campaign}/entries/{}", address(250, 9)),
                format!("/v1/campaigns/{campaign}/entries/%ff"),
            ];
        }
        _ => provider.to_string(),
    };
    let Some((start, rest)) = path.split_once('{') else {
        return vec![path.to_owned()];
    };
    let end = rest.split_once('}').unwrap().1;
    [
        good,
        address(250, 9).to_string(),
        "0".to_owned(),
        "%ff".to_owned(),
        "a%2fb".to_owned(),
    ]
    .map(|place| format!("{start}{place}{end}"))
    .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_answers_what_the_document_says() {
    let mut history = History::lived(42, 12);
    history.paid_by_rules();
    let asked = Asked::of(history).await;
    let document = closed(&asked.json("/openapi.json").await);
    let known = known(&asked).await;
    let mut dice = Rng::new(7);
    let (mut requests, mut good) = (0, BTreeSet::new());
    let paths = document["paths"].as_object().unwrap().clone();
    assert!(paths.len() >= 25, "{}", paths.len());
    for (path, item) in &paths {
        let page = Page::of(path, &item["get"], &document);
        let places = places(path, &asked.history);
        let queries = page.queries(&document, &known);
        let mut targets: Vec<(usize, Vec<(String, String)>)> =
            (0..places.len()).map(|place| (place, Vec::new())).collect();
        for (name, values) in &queries {
            let one = values
                .iter()
                .map(|value| (0, vec![(name.clone(), value.clone())]));
            targets.extend(one);
        }
        targets.push((0, vec![("nonsense".to_owned(), "1".to_owned())]));
        for _ in 0..RANDOM_QUERIES.min(queries.len() * RANDOM_QUERIES) {
            let pairs = queries.iter().filter_map(|(name, values)| {
                let is_said = dice.below(2) == 0;
                let value = &values[dice.below(values.len() as u64) as usize];
                is_said.then(|| (name.clone(), value.clone()))
            });
            let pairs = pairs.collect();
            targets.push((dice.below(places.len() as u64) as usize, pairs));
        }
        for (place, pairs) in targets {
            let base = format!("http://x{}", places[place]);
            let mut url = Url::parse(&base).unwrap();
            if !pairs.is_empty() {
                url.query_pairs_mut().extend_pairs(&pairs);
            }
            let target = match url.query() {
                Some(query) => format!("{}?{query}", places[place]),
                None => places[place].clone(),
            };
            for accept in ["application/json", "text/csv"] {
                let answered = asked.get_with(&target, &[("accept", accept)]).await;
                page.check(&target, &answered);
                if let [(name, value)] = &pairs[..]
                    && page.names(name, value, &document)
                {
                    assert_ne!(answered.status, 400, "{target}: the document names it");
                }
                requests += 1;
                if answered.status == 200 {
                    good.insert((page.path.clone(), answered.kind().to_owned()));
                }
            }
        }
    }
    // Each page answered well at least once, in every form that it says it has.
    for (path, item) in &paths {
        let content = item["get"]["responses"]["200"]["content"].as_object();
        for kind in content.unwrap().keys() {
            assert!(
                good.contains(&(path.clone(), kind.clone())),
                "{path}: {kind}"
            );
        }
    }
    assert!(requests > 1_500, "{requests}");
    asked.indexer.stop().await.unwrap();
}

/// The check itself: a reply with a field too many, or too few, is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_differs_from_the_document_is_noticed() {
    let asked = Asked::of(History::lived(42, 4)).await;
    let document = closed(&asked.json("/openapi.json").await);
    let page = Page::of("/v1/jobs", &document["paths"]["/v1/jobs"]["get"], &document);
    let validator = page.validators[&(200, "application/json".to_owned())]
        .as_ref()
        .unwrap();
    let reply = asked.json("/v1/jobs").await;
    assert!(validator.is_valid(&reply));
    type Change = fn(&mut Value);
    let wrong: [(&str, Change); 5] = [
        ("a field too many", |reply| reply["more"] = json!(1)),
        ("one too many within", |reply| {
            reply["jobs"][0]["more"] = json!(1)
        }),
        ("one too few", |reply| {
            drop(reply.as_object_mut().unwrap().remove("jobs"))
        }),
        ("a number for a text", |reply| {
            reply["jobs"][0]["price_atoms"] = json!(1)
        }),
        ("an unknown word", |reply| {
            reply["jobs"][0]["state"] = json!("flying")
        }),
    ];
    for (what, change) in wrong {
        let mut reply = reply.clone();
        change(&mut reply);
        assert!(!validator.is_valid(&reply), "{what}");
    }
    asked.indexer.stop().await.unwrap();
}
