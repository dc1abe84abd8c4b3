//! Serves a folder over HTTP or S3 with faults and counts, for tests that are not in Rust.
//!
//! Prints its counts as JSON when told to end (SIGTERM, SIGINT); `GET /__stats` shows them before.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use swath_testkit::server::Options;
use swath_testkit::{Fault, FaultServer, Rule};

/// Serves a folder over HTTP or S3 with faults and counts.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder to serve.
    #[arg(long)]
    dir: PathBuf,
    /// Speak S3; the folder is the one bucket.
    #[arg(long)]
    s3: bool,
    /// Name of the bucket.
    #[arg(long, default_value = "swath-test")]
    bucket: String,
    /// Let unsigned S3 requests read.
    #[arg(long)]
    public: bool,
    /// Wait this long before every answer.
    #[arg(long, value_name = "N", default_value_t = 0)]
    latency_ms: u64,
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Write the port to this file once the server answers.
    #[arg(long, value_name = "FILE")]
    port_file: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> std::io::Result<()> {
    let options = Options {
        port: arguments.port,
        is_s3: arguments.s3,
        bucket: arguments.bucket.clone(),
        is_public: arguments.public,
        ..Options::default()
    };
    let server = FaultServer::start(&arguments.dir, options)?;
    if arguments.latency_ms > 0 {
        let latency = Duration::from_millis(arguments.latency_ms);
        server.inject(Rule::new(Fault::Latency(latency)));
    }
    eprintln!("endpoint {}", server.endpoint());
    if arguments.s3 {
        eprintln!(
            "bucket {} access key {} secret key {}",
            server.bucket(),
            server.access_key(),
            server.secret_key()
        );
    }
    if let Some(path) = &arguments.port_file {
        // Written aside and renamed, so that a reader never finds an empty file.
        let partial = path.with_extension("part");
        std::fs::write(&partial, server.port().to_string())?;
        std::fs::rename(&partial, path)?;
    }
    wait_for_end()?;
    println!("{}", serde_json::to_string(&server.stats())?);
    Ok(())
}

fn wait_for_end() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}
