use {
    crate::{
        double::{MODEL, tokens, vector},
        server::{Server, batch_body, line, ok, refused},
    },
    quern_gateway::{Cap, Refusal},
    serde_json::{Value, json},
    std::{collections::BTreeSet, fs},
};

fn ids(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["custom_id"].as_str().unwrap_or("-"))
        .collect()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one batch, line by line")]
async fn a_batch_answers_every_good_line_and_says_why_of_every_bad_one() {
    let server = Server::start().await;
    let input = [
        line("first", &json!(["one", "two words"])),
        "\n".to_owned(),
        "{ nonsense\n".to_owned(),
        line("long", &json!("a b c d e f g")),
        line("first", &json!("again")),
        line("other", &json!("one")).replace(MODEL, "gpt-4"),
        line("url", &json!("one")).replace("/v1/embeddings", "/v1/chat/completions"),
        line("tokens", &json!([[0, 5, 1], [7]])),
        line("wide", &json!("one")).replace("\"input\"", "\"dimensions\":3,\"input\""),
        line("last", &json!("one")).trim_end().to_owned(),
    ]
    .concat();
    let id = server.batch(&input).await;
    let batch = server.batch_when(&id, &["completed"]).await;
    assert!(id.starts_with("batch_"));
    assert_eq!(batch["object"], "batch");
    assert_eq!(batch["model"], MODEL);
    assert_eq!(batch["errors"], Value::Null);
    assert_eq!(
        batch["request_counts"],
        json!({"total": 9, "completed": 3, "failed": 6})
    );
    assert_eq!(batch["usage"]["input_tokens"], 3 + 4 + 4 + 3);
    assert_eq!(batch["usage"]["total_tokens"], 14);
    for time in [
        "created_at",
        "in_progress_at",
        "finalizing_at",
        "completed_at",
        "expires_at",
    ] {
        assert!(batch[time].as_i64().unwrap() > 1_700_000_000, "{time}");
    }
    for time in [
        "failed_at",
        "expired_at",
        "cancelling_at",
        "cancelled_at",
        "metadata",
    ] {
        assert_eq!(batch[time], Value::Null, "{time}");
    }

    let answers = server.lines(&batch["output_file_id"]).await;
    assert_eq!(ids(&answers), ["first", "tokens", "last"]);
    let first = &answers[0];
    assert!(first["id"].as_str().unwrap().starts_with("batch_req_"));
    assert_eq!(first["error"], Value::Null);
    assert_eq!(first["response"]["status_code"], 200);
    assert!(
        first["response"]["request_id"]
            .as_str()
            .unwrap()
            .starts_with("req_")
    );
    let body = &first["response"]["body"];
    assert_eq!(
        (body["object"].as_str(), body["model"].as_str()),
        (Some("list"), Some(MODEL))
    );
    assert_eq!(
        body["usage"],
        json!({"prompt_tokens": 7, "total_tokens": 7})
    );
    let numbers: Vec<f32> = serde_json::from_value(body["data"][1]["embedding"].clone()).unwrap();
    assert_eq!(numbers, vector(&tokens("two words")));

    let errors = server.lines(&batch["error_file_id"]).await;
    assert_eq!(ids(&errors), ["-", "long", "first", "other", "url", "wide"]);
    assert_eq!(errors[0]["error"]["code"], "invalid_json_line");
    assert!(
        errors[0]["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("line 3: ")
    );
    assert_eq!(errors[1]["response"]["status_code"], 400);
    assert_eq!(
        errors[1]["response"]["body"]["error"]["code"],
        "context_length_exceeded"
    );
    assert_eq!(errors[2]["error"]["code"], "duplicate_custom_id");
    assert_eq!(
        errors[3]["response"]["body"]["error"]["code"],
        "mismatched_model"
    );
    assert_eq!(errors[4]["error"]["code"], "invalid_url");
    assert_eq!(
        errors[5]["response"]["body"]["error"]["param"],
        "dimensions"
    );
    // One request to the engine, and nothing of it is kept there.
    assert_eq!((server.double.paid(), server.double.kept()), (1, 0));
    // The outputs are files like others.
    let outputs = server.read("/v1/files?purpose=batch_output").await;
    assert_eq!(outputs["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn inputs_without_requests_fail_as_a_whole() {
    let server = Server::start().await;
    for input in ["", "\n\n  \n"] {
        let id = server.batch(input).await;
        let batch = server.batch_when(&id, &["failed"]).await;
        assert_eq!(batch["errors"]["object"], "list");
        assert_eq!(batch["errors"]["data"][0]["code"], "empty_file");
        assert_eq!(
            (&batch["output_file_id"], &batch["error_file_id"]),
            (&Value::Null, &Value::Null)
        );
        assert!(batch["failed_at"].is_i64());
    }
    let many: String = (0..50_001).map(|number| format!("{number}\n")).collect();
    let id = server.batch(&many).await;
    let batch = server.batch_when(&id, &["failed"]).await;
    assert_eq!(batch["errors"]["data"][0]["code"], "too_many_requests");
}

#[tokio::test]
async fn wrong_batches_name_the_field() {
    let server = Server::start().await;
    let file = server.upload(line("a", &json!("one"))).await;
    let good = batch_body(file["id"].as_str().unwrap());
    let many: Value = (0..17)
        .map(|number| (number.to_string(), json!("x")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    for (field, value, status) in [
        ("input_file_id", json!("file-none"), 404),
        ("endpoint", json!("/v1/chat/completions"), 400),
        ("completion_window", json!("1h"), 400),
        ("metadata", many, 400),
        ("metadata", json!({"a": "b".repeat(513)}), 400),
        ("metadata", json!({"a": 1}), 400),
        ("output_expires_after", json!({}), 400),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let (error, _) = refused(server.post("/v1/batches").json(&body), status).await;
        assert_eq!(error["param"], field, "{error}");
    }
    let mut body = good.clone();
    body["metadata"] = json!({"for": "a test"});
    let batch = ok(server.post("/v1/batches").json(&body)).await;
    assert_eq!(batch["metadata"], json!({"for": "a test"}));
    assert!(["validating", "in_progress"].contains(&batch["status"].as_str().unwrap()));
}

#[tokio::test]
async fn a_repeated_creation_is_the_same_batch() {
    let server = Server::start().await;
    let file = server.upload(line("a", &json!("one"))).await;
    let body = batch_body(file["id"].as_str().unwrap());
    let create = || server.post("/v1/batches").json(&body);
    let first = ok(create()).await;
    let repeated = ok(create().header("x-stainless-retry-count", "1")).await;
    assert_eq!(repeated["id"], first["id"]);
    let another = ok(create()).await;
    assert_ne!(another["id"], first["id"]);
    let keyed = ok(create().header("idempotency-key", "k")).await;
    let again = ok(create().header("idempotency-key", "k")).await;
    assert_eq!(keyed["id"], again["id"]);
    let other = server.post("/v1/batches").json(&json!({
        "input_file_id": file["id"], "endpoint": "/v1/embeddings", "completion_window": "24h", "metadata": {"a": "b"}
    }));
    refused(other.header("idempotency-key", "k"), 409).await;
    let list = server.read("/v1/batches?limit=2").await;
    assert_eq!(list["data"][0]["id"], keyed["id"]);
    assert_eq!(list["has_more"], true);
    let rest = server
        .read(&format!(
            "/v1/batches?after={}",
            another["id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(rest["data"].as_array().unwrap().len(), 1);
    assert_eq!(rest["data"][0]["id"], first["id"]);
}

#[tokio::test]
async fn creations_with_one_key_at_the_same_time_make_one_batch() {
    let server = Server::start().await;
    server.double.hold();
    let file = server.upload(line("a", &json!("one"))).await;
    let body = batch_body(file["id"].as_str().unwrap());
    let create = |_| {
        let request = server.post("/v1/batches").json(&body);
        ok(request.header("idempotency-key", "k"))
    };
    let made = futures::future::join_all((0..16).map(create)).await;
    let distinct: BTreeSet<_> = made.iter().map(|batch| batch["id"].as_str()).collect();
    assert_eq!(distinct.len(), 1);
    let list = server.read("/v1/batches").await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    server.double.release();
    let id = made[0]["id"].as_str().unwrap();
    server.batch_when(id, &["completed"]).await;
    assert_eq!(server.double.paid(), 1);
}

/// So many lines that several chunks are made of them.
fn long_input() -> String {
    (0..9000)
        .map(|number| line(&format!("r{number}"), &json!(format!("word{number}"))))
        .collect()
}

#[tokio::test]
async fn a_restart_goes_on_and_pays_nothing_twice() {
    let server = Server::start().await;
    server.double.hold();
    let id = server.batch(&long_input()).await;
    server.double.wait_for_orders(2).await;
    let placed = server.double.paid();
    let server = server.restart().await;
    server.double.release();
    let batch = server.batch_when(&id, &["completed"]).await;
    assert_eq!(
        batch["request_counts"],
        json!({"total": 9000, "completed": 9000, "failed": 0})
    );
    assert_eq!(server.double.paid(), placed);
    let answers = server.lines(&batch["output_file_id"]).await;
    let distinct: BTreeSet<_> = ids(&answers).into_iter().collect();
    assert_eq!((answers.len(), distinct.len()), (9000, 9000));
    assert_eq!(batch["error_file_id"], Value::Null);
    assert_eq!(server.double.kept(), 0);
}

#[tokio::test]
async fn what_was_half_written_before_a_kill_is_written_again() {
    let server = Server::start().await;
    server.double.hold();
    let id = server.batch(&long_input()).await;
    server.double.wait_for_orders(2).await;
    server.http.stop().await;
    // As if the process had been killed between writing answers and noting that they are written.
    let record = server.folder.path().join(format!("batches/{id}.json"));
    let text: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    let part = text["work"]["output"]["id"].as_str().unwrap();
    fs::write(
        server.folder.path().join(format!("files/{part}.data")),
        "half a li",
    )
    .unwrap();
    let server = Server::over(server.folder, server.double).await;
    server.double.release();
    let batch = server.batch_when(&id, &["completed"]).await;
    assert_eq!(server.lines(&batch["output_file_id"]).await.len(), 9000);
}

#[tokio::test]
async fn a_cancelled_batch_keeps_what_was_answered() {
    let server = Server::start().await;
    let done = server.batch(&line("a", &json!("one"))).await;
    server.batch_when(&done, &["completed"]).await;
    let (error, again) = refused(server.post(&format!("/v1/batches/{done}/cancel")), 409).await;
    assert_eq!(error["code"], "batch_ended");
    assert!(!again);

    server.double.hold();
    let id = server.batch(&long_input()).await;
    server.double.wait_for_orders(3).await;
    // Its chunks have 4,096 lines; the first one stays without an answer.
    server.double.answer_one(&format!("{id}-4097"));
    let batch = ok(server.post(&format!("/v1/batches/{id}/cancel"))).await;
    assert!(["cancelling", "cancelled"].contains(&batch["status"].as_str().unwrap()));
    let batch = server.batch_when(&id, &["cancelled"]).await;
    assert!(batch["cancelling_at"].is_i64() && batch["cancelled_at"].is_i64());
    assert_eq!(
        batch["request_counts"],
        json!({"total": 9000, "completed": 4096, "failed": 4904})
    );
    let answers = server.lines(&batch["output_file_id"]).await;
    assert_eq!(
        (answers.len(), answers[0]["custom_id"].as_str()),
        (4096, Some("r4096"))
    );
    let errors = server.lines(&batch["error_file_id"]).await;
    assert_eq!(errors.len(), 4904);
    assert!(
        errors
            .iter()
            .all(|line| line["error"]["code"] == "batch_cancelled")
    );
    assert_eq!(server.double.kept(), 0);
}

#[tokio::test]
async fn a_batch_whose_window_passed_expires() {
    let server = Server::start().await;
    server.double.hold();
    let id = server.batch(&long_input()).await;
    server.double.wait_for_orders(1).await;
    server.http.stop().await;
    let path = server.folder.path().join(format!("batches/{id}.json"));
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    record["batch"]["expires_at"] = json!(1_700_000_000);
    fs::write(&path, record.to_string()).unwrap();
    let server = Server::over(server.folder, server.double).await;
    let batch = server.batch_when(&id, &["expired"]).await;
    assert!(batch["expired_at"].is_i64());
    let errors = server.lines(&batch["error_file_id"]).await;
    assert!(
        errors
            .iter()
            .all(|line| line["error"]["code"] == "batch_expired")
    );
}

#[tokio::test]
async fn what_is_refused_for_good_stands_in_the_errors_file() {
    let server = Server::start().await;
    server.double.refuse_place(Refusal::OverCap {
        cap: Cap::Request,
        atoms: 10,
        left_atoms: 5,
        cap_atoms: 5,
        mint: "Mint".to_owned(),
        retry_after_secs: None,
    });
    let id = server.batch(&line("a", &json!("one"))).await;
    let batch = server.batch_when(&id, &["completed"]).await;
    assert_eq!(
        batch["request_counts"],
        json!({"total": 1, "completed": 0, "failed": 1})
    );
    assert_eq!(batch["output_file_id"], Value::Null);
    let errors = server.lines(&batch["error_file_id"]).await;
    assert_eq!(errors[0]["response"]["status_code"], 402);
    assert_eq!(
        errors[0]["response"]["body"]["error"]["code"],
        "spending_cap"
    );
}

#[tokio::test]
async fn nothing_is_paid_whose_answers_find_no_room() {
    let server = Server::start().await;
    let file = server.upload(line("a", &json!("one"))).await;
    server.http.stop().await;
    let mut large = file.clone();
    large["id"] = json!("file-large");
    large["bytes"] = json!((8u64 << 30) - 1000);
    let path = server.folder.path().join("files/file-large.json");
    fs::write(path, large.to_string()).unwrap();
    let server = Server::over(server.folder, server.double).await;
    let body = batch_body(file["id"].as_str().unwrap());
    let create = || server.post("/v1/batches").json(&body);
    let batch = ok(create()).await;
    let id = batch["id"].as_str().unwrap();
    let batch = server.batch_when(id, &["failed"]).await;
    assert_eq!(batch["errors"]["data"][0]["code"], "storage_full");
    assert_eq!(server.double.paid(), 0);
    ok(server.delete("/v1/files/file-large")).await;
    let batch = ok(create()).await;
    let id = batch["id"].as_str().unwrap();
    server.batch_when(id, &["completed"]).await;
}

#[tokio::test]
async fn what_passes_is_waited_for() {
    let why = || "it is told".to_owned();
    let waited = [
        Refusal::NoProvider { why: why() },
        Refusal::Internal { why: why() },
        Refusal::NoFunds {
            atoms: 2,
            free_atoms: 1,
            wallet: "Wallet".to_owned(),
            mint: "Mint".to_owned(),
        },
    ];
    let each = waited.map(|refusal| async move {
        let server = Server::start().await;
        server.double.refuse_answer(refusal);
        let id = server.batch(&line("a", &json!("one"))).await;
        let batch = server.batch_when(&id, &["completed"]).await;
        assert_eq!(
            batch["request_counts"],
            json!({"total": 1, "completed": 1, "failed": 0})
        );
        assert_eq!(server.double.paid(), 1);
    });
    futures::future::join_all(each).await;
}
