//! Paid once, however often a request comes.

use {
    crate::server::{Server, ok, refused},
    quern_gateway::Refusal,
    serde_json::json,
};

#[tokio::test]
async fn an_idempotency_key_is_paid_once_and_answered_twice() {
    let server = Server::start().await;
    let ask =
        |key: &'static str, text: &str| server.embed(json!(text)).header("idempotency-key", key);
    let first = ok(ask("k1", "one")).await;
    let second = ok(ask("k1", "one")).await;
    assert_eq!(first, second);
    assert_eq!(server.double.paid(), 1);
    let (error, again) = refused(ask("k1", "two"), 409).await;
    assert_eq!(error["code"], "idempotency_key_reused");
    assert!(!again);
    ok(ask("k2", "one")).await;
    assert_eq!(server.double.paid(), 2);
    // A key is kept over a restart, with the engine's records.
    let server = server.restart().await;
    let third = ok(server.embed(json!("one")).header("idempotency-key", "k1")).await;
    assert_eq!((third, server.double.paid()), (first, 2));
    for key in ["", &"k".repeat(256)] {
        refused(
            server.embed(json!("one")).header("idempotency-key", key),
            400,
        )
        .await;
    }
    let two = server
        .embed(json!("one"))
        .header("idempotency-key", "a")
        .header("idempotency-key", "b");
    refused(two, 400).await;
}

#[tokio::test]
async fn a_librarys_repetition_gets_the_answer_of_the_first_attempt() {
    let server = Server::start().await;
    let attempt = |count: &'static str, text: &str| {
        server
            .embed(json!(text))
            .header("x-stainless-retry-count", count)
    };
    ok(attempt("0", "one")).await;
    ok(attempt("1", "one")).await;
    ok(attempt("2", "one")).await;
    assert_eq!(server.double.paid(), 1);
    // The same text in a new request is a new request.
    ok(attempt("0", "one")).await;
    assert_eq!(server.double.paid(), 2);
    // A first attempt that never arrived is not waited for.
    ok(attempt("1", "two")).await;
    assert_eq!(server.double.paid(), 3);
}

#[tokio::test]
async fn what_takes_too_long_goes_on_and_its_repetition_is_answered() {
    let server = Server::start().await;
    server.double.hold();
    let (error, again) = refused(server.embed(json!("slow")), 504).await;
    assert_eq!(error["code"], "timeout");
    assert!(again);
    server.double.release();
    ok(server
        .embed(json!("slow"))
        .header("x-stainless-retry-count", "1"))
    .await;
    assert_eq!(server.double.paid(), 1);
}

#[tokio::test]
async fn what_failed_is_taken_up_again_under_its_own_name() {
    let server = Server::start().await;
    let nobody = Refusal::NoProvider {
        why: "nobody is there".to_owned(),
    };
    server.double.refuse_answer(nobody);
    refused(server.embed(json!("one")), 503).await;
    ok(server
        .embed(json!("one"))
        .header("x-stainless-retry-count", "1"))
    .await;
    assert_eq!((server.double.paid(), server.double.kept()), (1, 1));
    // So it is under a name, which stays bound to its body.
    let nobody = Refusal::NoProvider {
        why: "nobody is there".to_owned(),
    };
    server.double.refuse_answer(nobody);
    let named = |text: &str| {
        let request = server.embed(json!(text));
        request.header("idempotency-key", "n")
    };
    refused(named("one"), 503).await;
    refused(named("two"), 409).await;
    let first = ok(named("one")).await;
    assert_eq!(ok(named("one")).await, first);
    assert_eq!(server.double.paid(), 2);
    // What failed for good is told again: nothing is paid for the same end.
    let wrong = Refusal::NotRight {
        why: "all were wrong".to_owned(),
    };
    server.double.refuse_answer(wrong);
    let ask = || server.embed(json!("two")).header("idempotency-key", "k");
    refused(ask(), 502).await;
    refused(ask(), 502).await;
    assert_eq!(server.double.paid(), 2);
}
