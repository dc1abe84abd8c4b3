//! The HTTP side: ranges, conditions, counts, and each fault as a client sees it.

use std::time::{Duration, Instant};

use futures::StreamExt;
use reqwest::{Client, Response, StatusCode};
use swath_testkit::server::Options;
use swath_testkit::{Fault, FaultServer, Rule};

const TEXT: &str = "0123456789";

fn server() -> FaultServer {
    FaultServer::start_memory([("a/x.bin", TEXT)], Options::default()).expect("a server")
}

async fn get(server: &FaultServer, headers: &[(&str, &str)]) -> reqwest::Result<Response> {
    let mut request = Client::new().get(server.url("a/x.bin"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().expect("text"))
}

#[tokio::test]
async fn ranges_are_served() {
    let server = server();
    let cases = [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=7-", 206, "789", "bytes 7-9/10"),
        ("bytes=-2", 206, "89", "bytes 8-9/10"),
        ("bytes=0-1,4-5", 200, TEXT, ""),
        ("bytes=10-", 416, "", "bytes */10"),
    ];
    for (range, status, text, content_range) in cases {
        let response = get(&server, &[("range", range)]).await.expect("an answer");
        assert_eq!(response.status(), status, "{range}");
        assert_eq!(header(&response, "content-range"), content_range, "{range}");
        assert_eq!(response.text().await.expect("a body"), text, "{range}");
    }
    let sent: Vec<_> = server
        .stats()
        .log
        .iter()
        .map(|record| record.bytes_sent)
        .collect();
    assert_eq!(sent, [3, 3, 2, 10, 0]);
}

#[tokio::test]
async fn files_of_a_folder_are_served() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("é.txt"), "one").expect("a file");
    let server = FaultServer::start_http(folder.path()).await;
    let text = reqwest::get(server.url("%C3%A9.txt"))
        .await
        .expect("an answer")
        .text()
        .await;
    assert_eq!(text.expect("a body"), "one");
    let missing = reqwest::get(server.url("none.txt"))
        .await
        .expect("an answer");
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    let outside = reqwest::get(server.url("%2e%2e/%2e%2e/etc/hostname"))
        .await
        .expect("an answer");
    assert_eq!(outside.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.stats().count("GET"), 3);
    assert_eq!(server.stats().log[0].path, "/é.txt");
}

#[tokio::test]
async fn conditions_and_head_are_answered() {
    let server = server();
    let head = Client::new()
        .head(server.url("a/x.bin"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(header(&head, "content-length"), "10");
    assert_eq!(header(&head, "accept-ranges"), "bytes");
    assert!(!header(&head, "last-modified").is_empty());
    let etag = header(&head, "etag").to_owned();
    let status =
        async |name, value: &str| get(&server, &[(name, value)]).await.expect("x").status();
    assert_eq!(status("if-match", &etag).await, 200);
    assert_eq!(status("if-match", "\"other\"").await, 412);
    assert_eq!(status("if-none-match", &etag).await, 304);
    assert_eq!(status("if-none-match", "\"other\"").await, 200);
    let resumed = get(
        &server,
        &[("range", "bytes=1-1"), ("if-range", "\"other\"")],
    )
    .await;
    assert_eq!(resumed.expect("an answer").status(), 200);
    let put = Client::new()
        .put(server.url("a/x.bin"))
        .body("abc")
        .send()
        .await;
    assert_eq!(put.expect("an answer").status(), 405);
    assert_eq!(server.stats().bytes_received, 3);
}

#[tokio::test]
async fn status_fault_counts_its_requests() {
    let server = server();
    server.inject(Rule::new(Fault::Status(503)).times(2).path("x.bin"));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(
            get(&server, &[])
                .await
                .expect("an answer")
                .status()
                .as_u16(),
        );
    }
    assert_eq!(statuses, [503, 503, 200]);
    let stats = server.stats();
    assert_eq!((stats.total(), stats.bytes_sent), (3, 10));
    assert_eq!(
        stats
            .of_path("x.bin")
            .filter(|record| record.status == 503)
            .count(),
        2
    );
    server.reset_stats();
    assert_eq!(server.stats().total(), 0);
}

#[tokio::test]
async fn latency_delays_the_answer() {
    let server = server();
    server.inject(Rule::new(Fault::Latency(Duration::from_millis(120))).nth(1));
    let start = Instant::now();
    get(&server, &[]).await.expect("an answer");
    assert!(start.elapsed() >= Duration::from_millis(120));
}

/// Returns the bytes that came and whether the body ended in an error.
async fn drain(response: Response) -> (String, bool) {
    let mut text = String::new();
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(bytes) => text += std::str::from_utf8(&bytes).expect("text"),
            Err(_) => return (text, true),
        }
    }
    (text, false)
}

#[tokio::test]
async fn short_body_breaks_its_promise() {
    let server = server();
    server.inject(Rule::new(Fault::ShortBody { bytes: 4 }));
    let response = get(&server, &[]).await.expect("an answer");
    assert_eq!(response.content_length(), Some(10));
    assert_eq!(drain(response).await, ("0123".to_owned(), true));
    assert_eq!(server.stats().bytes_sent, 4);
}

#[tokio::test]
async fn reset_reaches_the_client_as_reset() {
    let server = server();
    server.inject(Rule::new(Fault::ResetAt { byte: 4 }));
    let response = get(&server, &[]).await.expect("an answer");
    let error = response.bytes().await.expect_err("a reset");
    assert!(
        error_chain(&error).contains("reset"),
        "{}",
        error_chain(&error)
    );
}

#[tokio::test]
async fn lost_response_and_cut_head_give_no_answer() {
    let server = server();
    server.inject(Rule::new(Fault::LoseResponse).method("GET"));
    server.inject(Rule::new(Fault::ShortBody { bytes: 0 }).method("HEAD"));
    get(&server, &[]).await.expect_err("no answer");
    Client::new()
        .head(server.url("a/x.bin"))
        .send()
        .await
        .expect_err("no answer");
    assert!(server.stats().log.iter().all(|record| record.status == 0));
}

fn error_chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[tokio::test]
async fn stall_lasts_until_the_client_gives_up() {
    let server = server();
    server.inject(Rule::new(Fault::Stall));
    let response = get(&server, &[]).await.expect("the head of an answer");
    let body = tokio::time::timeout(Duration::from_millis(200), response.bytes()).await;
    assert!(body.is_err(), "a body came");
}

#[tokio::test]
async fn slow_body_keeps_its_pace() {
    let server = server();
    server.inject(Rule::new(Fault::SlowBody {
        bytes_per_second: 40,
    }));
    let start = Instant::now();
    assert_eq!(
        drain(get(&server, &[]).await.expect("an answer")).await,
        (TEXT.to_owned(), false)
    );
    let seconds = start.elapsed().as_secs_f64();
    assert!((0.19..5.0).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn headers_lie_when_told_to() {
    let server = server();
    let honest = get(&server, &[("range", "bytes=1-2")])
        .await
        .expect("an answer");
    server
        .inject(Rule::new(Fault::WrongEtag))
        .inject(Rule::new(Fault::WrongContentRange));
    let lying = get(&server, &[("range", "bytes=1-2")])
        .await
        .expect("an answer");
    assert_ne!(header(&honest, "etag"), header(&lying, "etag"));
    assert_eq!(header(&lying, "content-range"), "bytes 2-3/10");
    assert_eq!(lying.text().await.expect("a body"), "12");
    server.heal();
    server.inject(Rule::new(Fault::IgnoreRange).ranged());
    let whole = get(&server, &[("range", "bytes=1-2")])
        .await
        .expect("an answer");
    assert_eq!(
        (
            whole.status().as_u16(),
            whole.text().await.expect("a body").as_str()
        ),
        (200, TEXT)
    );
}

#[tokio::test]
async fn requests_at_once_are_counted() {
    let server = server();
    server.inject(Rule::new(Fault::Latency(Duration::from_millis(100))));
    let requests = (0..8).map(|_| get(&server, &[]));
    futures::future::join_all(requests).await;
    assert_eq!(server.stats().in_flight_max, 8);
}

#[test]
fn server_works_without_a_runtime() {
    use std::io::{Read, Write};

    let server = server();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port())).expect("connect");
    let request = b"GET /a/x.bin HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).expect("send");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with(TEXT),
        "{answer}"
    );
}
