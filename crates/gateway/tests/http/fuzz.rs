//! Whatever comes as a body, the gateway says what is wrong and goes on.

use {
    crate::{
        double::MODEL,
        server::{Server, batch_body},
    },
    proptest::{
        collection::vec,
        prelude::*,
        test_runner::{Config, TestRunner},
    },
    serde_json::{Map, Value, json},
    std::cell::Cell,
};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!(MODEL)),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec(("[a-z_]{1,8}", inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A request with some of its fields as they must be.
fn any_request() -> impl Strategy<Value = Value> {
    let field = |name: &'static str, good: Value| {
        prop_oneof![
            3 => Just(Some((name.to_owned(), good))),
            1 => Just(None),
            2 => any_json().prop_map(move |value| Some((name.to_owned(), value))),
        ]
    };
    let fields = (
        field("model", json!(MODEL)),
        field("input", json!(["a", "b c"])),
        field("encoding_format", json!("base64")),
        field("dimensions", json!(4)),
        field("user", json!("me")),
    );
    fields.prop_map(|(a, b, c, d, e)| {
        let pairs = [a, b, c, d, e].into_iter().flatten();
        Value::Object(pairs.collect::<Map<_, _>>())
    })
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let cut = (any_request(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(request, at, byte)| {
            let mut text = request.to_string().into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            text
        },
    );
    prop_oneof![
        2 => any_request().prop_map(|request| request.to_string().into_bytes()),
        1 => any_json().prop_map(|value| value.to_string().into_bytes()),
        1 => cut,
        1 => vec(any::<u8>(), 0..64),
    ]
}

#[test]
fn no_body_makes_an_embedding_fail_inside() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::start());
    let answered = Cell::new(0);
    let mut runner = TestRunner::new(Config::with_cases(400));
    let outcome = runner.run(&any_body(), |body| {
        let request = server
            .post("/v1/embeddings")
            .header("content-type", "application/json")
            .body(body);
        let status = runtime.block_on(async { request.send().await.unwrap().status() });
        prop_assert!([200, 400, 404].contains(&status.as_u16()), "{status}");
        answered.set(answered.get() + usize::from(status == 200));
        Ok(())
    });
    outcome.unwrap();
    // The bodies are not all refused at the first field.
    assert!(answered.get() > 0);
}

#[test]
fn every_line_of_a_batch_ends_in_one_of_its_files() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::start());
    let request = (any_request(), "[a-d]{0,2}", any::<bool>()).prop_map(|(body, name, is_good)| {
        let method = if is_good { "POST" } else { "GET" };
        json!({"custom_id": name, "method": method, "url": "/v1/embeddings", "body": body})
            .to_string()
    });
    let line = prop_oneof![
        2 => request.prop_map(String::into_bytes),
        1 => any_body(),
    ];
    let line = line.prop_map(|mut bytes| {
        bytes.retain(|byte| *byte != b'\n');
        bytes
    });
    let mut runner = TestRunner::new(Config::with_cases(40));
    let outcome = runner.run(&vec(line, 1..12), |lines| {
        let wanted = lines
            .iter()
            .filter(|line| !line.trim_ascii().is_empty())
            .count();
        let input = lines.join(&b'\n');
        let batch = runtime.block_on(async {
            let file = server.upload(input).await;
            let body = batch_body(file["id"].as_str().unwrap());
            let batch = crate::server::ok(server.post("/v1/batches").json(&body)).await;
            server
                .batch_when(batch["id"].as_str().unwrap(), &["completed", "failed"])
                .await
        });
        if wanted == 0 {
            prop_assert_eq!(&batch["status"], "failed");
            return Ok(());
        }
        prop_assert_eq!(&batch["status"], "completed");
        let counts = &batch["request_counts"];
        let [completed, failed] =
            ["completed", "failed"].map(|name| counts[name].as_u64().unwrap() as usize);
        prop_assert_eq!(completed + failed, wanted);
        for (file, count) in [("output_file_id", completed), ("error_file_id", failed)] {
            let found = match batch[file].is_null() {
                true => 0,
                false => runtime.block_on(server.lines(&batch[file])).len(),
            };
            prop_assert_eq!(found, count);
        }
        Ok(())
    });
    outcome.unwrap();
}
