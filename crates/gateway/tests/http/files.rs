use {
    crate::server::{Form, Server, batch_body, line, ok, refused},
    serde_json::{Value, json},
};

#[tokio::test]
async fn files_have_openais_shape_from_upload_to_deletion() {
    let server = Server::start().await;
    let text = "first line\nsecond line\n";
    let file = server.upload(text).await;
    let id = file["id"].as_str().unwrap();
    assert!(id.starts_with("file-"), "{id}");
    let created = file["created_at"].as_i64().unwrap();
    assert!(created > 1_700_000_000);
    let expected = json!({
        "id": id,
        "object": "file",
        "bytes": text.len(),
        "created_at": created,
        "expires_at": null,
        "filename": "input.jsonl",
        "purpose": "batch",
        "status": "processed",
        "status_details": null,
    });
    assert_eq!(file, expected);
    assert_eq!(server.read(&format!("/v1/files/{id}")).await, file);
    let content = server
        .get(&format!("/v1/files/{id}/content"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        content.headers()["content-type"],
        "application/octet-stream"
    );
    assert_eq!(content.text().await.unwrap(), text);

    // It is there after a restart, and gone after a deletion.
    let server = server.restart().await;
    assert_eq!(server.read("/v1/files").await["data"], json!([file]));
    let deleted = ok(server.delete(&format!("/v1/files/{id}"))).await;
    assert_eq!(
        deleted,
        json!({"id": id, "object": "file", "deleted": true})
    );
    for path in [format!("/v1/files/{id}"), format!("/v1/files/{id}/content")] {
        let (error, _) = refused(server.get(&path), 404).await;
        assert_eq!(error["code"], "file_not_found");
    }
    refused(server.delete(&format!("/v1/files/{id}")), 404).await;
    let server = server.restart().await;
    assert_eq!(server.read("/v1/files").await["data"], json!([]));
    let left = std::fs::read_dir(server.folder.path().join("files"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "bytes of the file are left");
}

#[tokio::test]
async fn lists_go_on_behind_a_file() {
    let server = Server::start().await;
    let mut ids: Vec<Value> = Vec::new();
    for number in 0..5 {
        ids.push(server.upload(format!("{number}")).await["id"].clone());
    }
    ids.reverse();
    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = server.read(&format!("/v1/files{query}")).await;
        let data = page["data"].as_array().unwrap();
        seen.extend(data.iter().map(|file| file["id"].clone()));
        assert_eq!(page["object"], "list");
        assert_eq!(page["last_id"], *seen.last().unwrap());
        if page["has_more"] == false {
            break;
        }
        query = format!("?limit=2&after={}", page["last_id"].as_str().unwrap());
    }
    assert_eq!(seen, ids);
    let oldest = server.read("/v1/files?order=asc&limit=1").await;
    assert_eq!(oldest["data"][0]["id"], ids[4]);
    assert_eq!(
        server.read("/v1/files?purpose=batch_output").await["data"],
        json!([])
    );
    for query in [
        "after=file-x",
        "limit=0",
        "limit=10001",
        "order=up",
        "sort=asc",
    ] {
        refused(server.get(&format!("/v1/files?{query}")), 400).await;
    }
}

#[tokio::test]
async fn other_uploads_are_refused_and_leave_nothing() {
    let server = Server::start().await;
    let purpose = || Form::new().text("purpose", "batch");
    for (form, param) in [
        (
            Form::new().text("purpose", "fine-tune").file("file", b"x"),
            "purpose",
        ),
        (Form::new().file("file", b"x"), "purpose"),
        (purpose(), "file"),
        (purpose().text("file", "no file"), "file"),
        (purpose().file("file", b"x").file("file", b"x"), "file"),
        (
            purpose()
                .text("expires_after[seconds]", "3600")
                .file("file", b"x"),
            "expires_after[seconds]",
        ),
        (
            Form::new()
                .text("purpose", &"b".repeat(300))
                .file("file", b"x"),
            "purpose",
        ),
    ] {
        let (error, _) = refused(server.post_form(form), 400).await;
        assert_eq!(error["param"], param, "{error}");
    }
    // The purpose may come last.
    ok(server.post_form(Form::new().file("file", b"x").text("purpose", "batch"))).await;
    refused(server.post("/v1/files").json(&json!({})), 415).await;
    let kind = "multipart/form-data; boundary=x";
    for body in [
        "",
        "nonsense",
        "--x\r\n\r\n",
        "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nabc",
    ] {
        let request = server
            .post("/v1/files")
            .header("content-type", kind)
            .body(body);
        refused(request, 400).await;
    }
    let names = std::fs::read_dir(server.folder.path().join("files")).unwrap();
    assert_eq!(names.count(), 2, "one file with its description");
}

#[tokio::test]
async fn a_file_that_a_batch_reads_stays() {
    let server = Server::start().await;
    server.double.hold();
    let file = server.upload(line("a", &json!("one"))).await;
    let id = file["id"].as_str().unwrap();
    let batch = ok(server.post("/v1/batches").json(&batch_body(id))).await;
    let (error, _) = refused(server.delete(&format!("/v1/files/{id}")), 409).await;
    assert_eq!(error["code"], "file_in_use");
    server.double.release();
    server
        .batch_when(batch["id"].as_str().unwrap(), &["completed"])
        .await;
    ok(server.delete(&format!("/v1/files/{id}"))).await;
}

/// An id is looked up, never made a path.
#[tokio::test]
async fn ids_lead_nowhere_else() {
    let server = Server::start().await;
    for id in ["..%2Fapi-key", "%2e%2e", "..%2f..%2fetc%2fpasswd", "a%00b"] {
        refused(server.get(&format!("/v1/files/{id}/content")), 404).await;
        refused(server.delete(&format!("/v1/files/{id}")), 404).await;
        refused(server.get(&format!("/v1/batches/{id}")), 404).await;
    }
}
