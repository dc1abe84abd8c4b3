//! The program `testkit-server`.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_MAX: Duration = Duration::from_secs(20);

/// Ends the program also where a test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already where the test passed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn program_serves_takes_rules_and_prints_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("x.bin"), "0123").expect("a file");
    let port_file = folder.path().join("port");
    let child = Command::new(env!("CARGO_BIN_EXE_testkit-server"))
        .arg("--dir")
        .arg(folder.path())
        .arg("--port-file")
        .arg(&port_file)
        .args(["--latency-ms", "5"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program");
    let mut running = Running(child);
    let start = Instant::now();
    while !port_file.exists() {
        assert!(start.elapsed() < START_MAX, "no port file");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let port = std::fs::read_to_string(&port_file).expect("a port");
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let client = reqwest::Client::new();
    let rule = r#"{"fault": {"status": 429}, "path": "x.bin", "times": 1}"#;
    let injected = client
        .post(url("/__inject"))
        .body(rule)
        .send()
        .await
        .expect("an answer");
    assert_eq!(injected.status(), 204);
    let refused = client
        .post(url("/__inject"))
        .body("{}")
        .send()
        .await
        .expect("an answer");
    assert_eq!(refused.status(), 400);
    for status in [429, 200] {
        assert_eq!(
            client
                .get(url("/x.bin"))
                .send()
                .await
                .expect("an answer")
                .status(),
            status
        );
    }
    let seen = client
        .get(url("/__stats"))
        .send()
        .await
        .expect("an answer")
        .text()
        .await;
    assert!(seen.expect("text").contains(r#""requests":{"GET":2}"#));
    let killed = Command::new("kill")
        .arg(running.0.id().to_string())
        .status()
        .expect("kill");
    assert!(killed.success());
    let mut said = String::new();
    let mut output = running.0.stdout.take().expect("a pipe");
    output.read_to_string(&mut said).expect("text");
    let stats: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(stats["bytes_sent"], 4);
}
