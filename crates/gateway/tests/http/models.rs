use {
    crate::{
        double::{ADDRESS, MODEL},
        server::{Server, refused},
    },
    serde_json::json,
};

#[tokio::test]
async fn models_have_openais_shape_and_the_price_beside_it() {
    let server = Server::start().await;
    let model = json!({
        "id": MODEL,
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "Owner",
        "quern": {
            "address": ADDRESS,
            "dimensions": 4,
            "max_tokens": 8,
            "vocabulary": 100,
            "price": {"row_atoms": "12", "least_job_atoms": "18446744073709551615", "mint": "Mint", "decimals": 6},
            "assurance": "refereed",
            "checked_share": 0.25,
            "quality": {"cosine": 0.99},
        },
    });
    let list = server.read("/v1/models").await;
    assert_eq!(list["object"], "list");
    assert_eq!(list["data"], json!([model]));
    for name in [MODEL, "quern%2Ftiny", ADDRESS] {
        assert_eq!(server.read(&format!("/v1/models/{name}")).await, model);
    }
    let (error, again) = refused(server.get("/v1/models/gpt-4"), 404).await;
    assert_eq!(error["code"], "model_not_found");
    assert!(!again);
}

#[tokio::test]
async fn other_routes_of_openai_say_that_they_are_not_refereed() {
    let server = Server::start().await;
    for path in [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/images/generations",
        "/v1/fine_tuning/jobs",
    ] {
        let (error, again) = refused(server.post(path).json(&json!({})), 404).await;
        assert_eq!(error["code"], "route_unsupported");
        assert!(error["message"].as_str().unwrap().contains("refereed"));
        assert!(!again);
    }
    for path in [
        "/v1",
        "/",
        "/v1/chatter",
        "/v1/embeddings/x",
        "/quern/v1/receipts",
    ] {
        let (error, _) = refused(server.get(path), 404).await;
        assert_eq!(error["code"], "unknown_url");
    }
    let (error, _) = refused(server.get("/v1/embeddings"), 405).await;
    assert_eq!(error["code"], "method_not_allowed");
}
