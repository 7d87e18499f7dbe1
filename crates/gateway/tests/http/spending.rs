use crate::server::{Server, refused};

#[tokio::test]
async fn spending_is_told_page_by_page_and_as_csv() {
    let server = Server::start().await;
    let page = server.read("/quern/v1/spending?limit=2").await;
    assert_eq!(page["data"][0]["number"], 3);
    assert_eq!(page["data"][0]["atoms"], "18446744073709551615");
    assert_eq!(page["data"][0]["state"], "paid");
    assert_eq!(page["next_before"], 2);
    let page = server.read("/quern/v1/spending?limit=2&before=2").await;
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
    assert_eq!(page["next_before"], serde_json::Value::Null);

    let csv = server
        .get("/quern/v1/spending")
        .header("accept", "text/csv")
        .send()
        .await
        .unwrap();
    assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8");
    let text = csv.text().await.unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("number,at,state,atoms,mint,"));
    assert!(lines[1].starts_with("3,1700000000,paid,18446744073709551615,Mint,6,10000,8,"));
    assert!(
        lines[1].ends_with("one two,\"'=1+1, \"\"done\"\"\""),
        "{}",
        lines[1]
    );
    for query in [
        "limit=0",
        "limit=x",
        "before=-1",
        "since=1",
        "limit=1&limit=2",
    ] {
        refused(server.get(&format!("/quern/v1/spending?{query}")), 400).await;
    }
}

#[tokio::test]
async fn receipts_are_told_by_job() {
    let server = Server::start().await;
    assert_eq!(server.read("/quern/v1/receipts/Job1").await["job"], "Job1");
    let (error, _) = refused(server.get("/quern/v1/receipts/Job2"), 404).await;
    assert_eq!(error["code"], "receipt_not_found");
}

#[tokio::test]
async fn health_is_told_without_the_key() {
    let server = Server::start().await;
    for (path, word) in [("/health/live", "live"), ("/health/ready", "ready")] {
        let response = server.without_key(path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.text().await.unwrap().contains(word));
    }
}
