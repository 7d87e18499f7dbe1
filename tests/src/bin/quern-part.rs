//! One part of the system as a process of its own, so that an end-to-end test can kill it.

use {
    clap::Parser,
    quern_testkit::net::node::{self, NodeArgs},
    std::process::ExitCode,
    tracing_subscriber::EnvFilter,
};

/// Run one part of the system until it is killed
#[derive(Parser)]
enum Part {
    /// A provider's machine
    Node(NodeArgs),
    /// An indexer
    Indexer(Box<quern_indexer::Config>),
}

#[tokio::main]
async fn main() -> ExitCode {
    let part = Part::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let result = match part {
        Part::Node(args) => node::work(args).await,
        Part::Indexer(config) => quern_indexer::run(*config, std::future::pending())
            .await
            .map_err(Into::into),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
