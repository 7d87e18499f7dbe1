use {
    crate::{
        double::{ADDRESS, MODEL, tokens, vector},
        server::{Server, ok, refused},
    },
    base64::{Engine, engine::general_purpose::STANDARD},
    quern_gateway::{Cap, Refusal, TokenRow},
    serde_json::{Value, json},
};

fn floats(value: &Value) -> Vec<f32> {
    let numbers = value.as_array().unwrap().iter();
    numbers
        .map(|number| number.as_f64().unwrap() as f32)
        .collect()
}

#[tokio::test]
async fn inputs_of_every_kind_are_answered_in_openais_shape() {
    let server = Server::start().await;
    let row = |ids: &[u32]| TokenRow { ids: ids.to_vec() };
    for (input, rows) in [
        (json!("one two"), vec![tokens("one two")]),
        (
            json!(["one", "three words here"]),
            vec![tokens("one"), tokens("three words here")],
        ),
        (json!([0, 5, 1]), vec![row(&[0, 5, 1])]),
        (json!([[0, 5, 1], [99]]), vec![row(&[0, 5, 1]), row(&[99])]),
    ] {
        let response = server.embed(input).send().await.unwrap();
        let headers = response.headers().clone();
        assert!(headers["quern-job"].to_str().unwrap().starts_with("Job"));
        assert_eq!(headers["quern-assurance"], "refereed");
        assert_eq!(headers["quern-checked"], "0.2500");
        assert!(
            headers["x-request-id"]
                .to_str()
                .unwrap()
                .starts_with("req_")
        );
        let body: Value = response.json().await.unwrap();
        let read: usize = rows.iter().map(|row| row.ids.len()).sum();
        assert_eq!(body["object"], "list");
        assert_eq!(body["model"], MODEL);
        assert_eq!(
            body["usage"],
            json!({"prompt_tokens": read, "total_tokens": read})
        );
        let data = body["data"].as_array().unwrap();
        assert_eq!(data.len(), rows.len());
        for (index, (item, row)) in data.iter().zip(&rows).enumerate() {
            assert_eq!(item["object"], "embedding");
            assert_eq!(item["index"], index);
            assert_eq!(floats(&item["embedding"]), vector(row));
        }
    }
}

#[tokio::test]
async fn base64_has_the_same_numbers() {
    let server = Server::start().await;
    let body = json!({"model": ADDRESS, "input": "one", "encoding_format": "base64", "dimensions": 4, "user": "me"});
    let body = ok(server.post("/v1/embeddings").json(&body)).await;
    // The address finds the model, and the answer has its name.
    assert_eq!(body["model"], MODEL);
    let bytes = STANDARD
        .decode(body["data"][0]["embedding"].as_str().unwrap())
        .unwrap();
    let numbers: Vec<f32> = bytes
        .chunks(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
        .collect();
    assert_eq!(numbers, vector(&tokens("one")));
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table, one row a request")]
async fn wrong_requests_name_the_field_and_are_not_worth_a_repetition() {
    let server = Server::start().await;
    let good = json!({"model": MODEL, "input": "one"});
    for (field, value, param, code, word) in [
        (
            "model",
            json!("gpt-4"),
            "model",
            json!("model_not_found"),
            "gpt-4",
        ),
        (
            "input",
            json!(""),
            "input",
            Value::Null,
            "input[0] is empty",
        ),
        (
            "input",
            json!(["a", ""]),
            "input",
            Value::Null,
            "input[1] is empty",
        ),
        ("input", json!([]), "input", Value::Null, "empty list"),
        (
            "input",
            json!([[]]),
            "input",
            json!("context_length_exceeded"),
            "input[0] has 0 tokens",
        ),
        (
            "input",
            json!(["a", "a b c d e f g"]),
            "input",
            json!("context_length_exceeded"),
            "input[1] has 9 tokens",
        ),
        (
            "input",
            json!([[1], [1, 2, 3, 4, 5, 6, 7, 8, 9]]),
            "input",
            json!("context_length_exceeded"),
            "input[1] has 9 tokens",
        ),
        (
            "input",
            json!([[1], [5, 100]]),
            "input",
            json!("invalid_token"),
            "input[1] has the token 100",
        ),
        (
            "dimensions",
            json!(3),
            "dimensions",
            json!("dimensions_unsupported"),
            "4 dimensions",
        ),
        (
            "dimensions",
            json!(u64::MAX),
            "dimensions",
            json!("dimensions_unsupported"),
            "4 dimensions",
        ),
        (
            "encoding_format",
            json!("hex"),
            "encoding_format",
            Value::Null,
            "hex",
        ),
        ("user", json!(7), "user", Value::Null, "string"),
        (
            "truncate",
            json!(true),
            "truncate",
            Value::Null,
            "unknown field",
        ),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let status = if code == "model_not_found" { 404 } else { 400 };
        let (error, again) = refused(server.post("/v1/embeddings").json(&body), status).await;
        assert_eq!(error["param"], param, "{error}");
        assert_eq!(error["code"], code, "{error}");
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["message"].as_str().unwrap().contains(word), "{error}");
        assert!(!again);
    }
    assert_eq!(server.double.paid(), 0);
}

fn over_the_hour(retry_after_secs: Option<u64>) -> Refusal {
    Refusal::OverCap {
        cap: Cap::Hour,
        atoms: 10,
        left_atoms: 5,
        cap_atoms: 20,
        mint: "Mint".to_owned(),
        retry_after_secs,
    }
}

/// What is refused for want of money, with its code.
fn unpaid() -> Vec<(Refusal, &'static str)> {
    let why = || "it is so".to_owned();
    vec![
        (over_the_hour(Some(90)), "spending_cap"),
        (over_the_hour(None), "spending_cap"),
        (
            Refusal::OverRequest {
                atoms: 2,
                most_atoms: 1,
            },
            "spending_cap",
        ),
        (
            Refusal::NoFunds {
                atoms: 2,
                free_atoms: 1,
                wallet: why(),
                mint: why(),
            },
            "insufficient_funds",
        ),
        (Refusal::NoLamports { wallet: why() }, "insufficient_funds"),
    ]
}

/// What else the engine refuses: its status, its code, and whether libraries are to repeat it.
fn others() -> Vec<(Refusal, u16, &'static str, bool)> {
    let why = || "it is so".to_owned();
    let queue_full = Refusal::QueueFull {
        waiting: 2,
        most: 1,
    };
    let storage_full = Refusal::StorageFull {
        needed_bytes: 2,
        kept_bytes: 1,
        most_bytes: 2,
    };
    vec![
        (storage_full, 507, "storage_full", false),
        (queue_full, 429, "queue_full", true),
        (Refusal::NoProvider { why: why() }, 503, "no_provider", true),
        (
            Refusal::NotRight { why: why() },
            502,
            "no_right_answer",
            false,
        ),
        (Refusal::ShuttingDown, 503, "shutting_down", true),
        (Refusal::Cancelled, 409, "request_cancelled", false),
    ]
}

#[tokio::test]
async fn what_the_engine_refuses_has_a_status_and_a_reason() {
    let server = Server::start().await;
    let unpaid = unpaid().into_iter();
    let unpaid = unpaid.map(|(refusal, code)| (refusal, 402, code, false));
    for (refusal, status, code, again) in unpaid.chain(others()) {
        server.double.refuse_place(refusal.clone());
        let response = server.embed(json!("one")).send().await.unwrap();
        let wait = response.headers().get("retry-after").cloned();
        let (error, repeats) = crate::server::error_of(response, status).await;
        assert_eq!(error["code"], code, "{refusal:?}");
        assert_eq!(repeats, again, "{refusal:?}");
        if refusal == over_the_hour(Some(90)) {
            assert_eq!(wait.unwrap(), "90");
        }
    }
    let why = "it is so".to_owned();
    server.double.refuse_place(Refusal::Internal { why });
    let (error, again) = refused(server.embed(json!("one")), 500).await;
    assert_eq!(
        (error["type"].as_str(), again),
        (Some("server_error"), false)
    );
    assert_eq!(server.double.paid(), 0);
}
