//! The `swath` program: reads what was typed, the configuration and the environment; prints results.
//!
//! Every command is a file in [`command`]; [`error`] turns errors into exit codes in one table.

mod allocator;
mod chart;
mod command;
mod config;
mod demo;
mod error;
mod progress;
mod simulate;
mod stopwatch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{EXIT_BUG, EXIT_USAGE};

/// Earth-observation data at work: from rasters and parcels to statistics and series.
#[derive(Debug, Parser)]
#[command(name = "swath", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
struct GlobalArgs {
    /// Data home: configuration, caches and later the archive
    #[arg(
        long,
        global = true,
        env = "SWATH_HOME",
        default_value = "./swath-data",
        value_name = "DIR"
    )]
    home: PathBuf,
    /// Configuration file [default: HOME/swath.toml, if there is one]
    #[arg(long, global = true, env = "SWATH_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Compute threads [default: all cores]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what a raster is: CRS, grid, bands, blocks, overviews, COG validity
    Info(command::info::InfoArgs),
    /// Write a raster as a cloud-optimised GeoTIFF
    Convert(command::convert::ConvertArgs),
    /// Put a raster onto another grid: CRS, resolution, bounds
    Warp(command::warp::WarpArgs),
    /// One picture of many dates: newest, least cloudy, mean, median, greenest
    Composite(command::composite::CompositeArgs),
    /// Take products into the archive: files, COGs, and items in the catalogue
    Ingest(command::ingest::IngestArgs),
    /// Statistics of one raster for every parcel
    Zonal(command::zonal::ZonalArgs),
    /// Statistics of many dated rasters or STAC items for every parcel
    Extract(command::extract::ExtractArgs),
    /// Look after extract tables: compact, vacuum, check, copy
    #[command(subcommand)]
    Table(command::table::TableCommand),
    /// Run commands as jobs, see how far jobs are
    #[command(subcommand)]
    Job(command::job::JobCommand),
    /// Run single tasks of a job, as workers do
    #[command(subcommand)]
    Task(command::task::TaskCommand),
    /// List, register and check the collections of the catalogue
    Collections(command::collections::CollectionsArgs),
    /// List, import and export the items of a collection
    Items(command::items::ItemsArgs),
    /// Search items in the catalogue or in a remote STAC API
    Search(command::search::SearchArgs),
    /// Look at parcel files, import them into sets, list the sets
    #[command(subcommand)]
    Parcels(command::parcels::ParcelsCommand),
    /// Show the season of one parcel: rows, indices, means over periods, or a picture
    Series(command::series::SeriesArgs),
    /// Ask extract tables and parcel sets in SQL
    Sql(command::sql::SqlArgs),
    /// One parcel through the season: images side by side, a GeoTIFF stack or a list
    Chips(command::chips::ChipsArgs),
    /// Answer over HTTP: STAC API and the other faces of the catalogue
    Serve(command::serve::ServeArgs),
    /// Make, list and end the tokens that the server lets in
    #[command(subcommand)]
    Token(command::token::TokenCommand),
    /// Copy catalogue, configuration and, with --assets, the archive to another place
    Backup(command::backup::BackupArgs),
    /// Put a backup back, here or elsewhere
    Restore(command::restore::RestoreArgs),
    /// Check that the archive holds what the items say, bit for bit
    Scrub(command::scrub::ScrubArgs),
    /// Check the installation and say what to do about what is wrong
    Doctor(command::doctor::DoctorArgs),
    /// Make a landscape with known truth: parcels, Sentinel-like scenes, events
    Simulate(simulate::SimulateArgs),
    /// A season end to end, simulated or of your rasters: register, search, extract, show
    Demo(command::demo::DemoArgs),
}

/// Longest wait for threads that clean up after themselves.
pub(crate) const SHUTDOWN_MAX: std::time::Duration = std::time::Duration::from_secs(10);

/// Ends when the user or the system asks the program to stop.
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

fn main() -> ExitCode {
    allocator::share_arenas();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors: clap knows, and prints where each belongs.
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    // A server says what it answered; it also stops by itself, requests that have begun first.
    let is_server = matches!(cli.command, Command::Serve(_));
    let filter = tracing_subscriber::EnvFilter::try_from_env("SWATH_LOG")
        .unwrap_or_else(|_| if is_server { "info" } else { "warn" }.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let threads = cli
        .global
        .threads
        .map_or_else(config::available_threads, usize::from);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let (Ok(()), Ok(runtime)) = (pool, runtime) else {
        eprintln!("error: the system gives no threads");
        return ExitCode::from(EXIT_BUG);
    };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async {
            tokio::select! {
                outcome = run(cli, threads) => outcome,
                // Dropping the work removes what is half-written.
                _ = interrupted(), if !is_server => Err(error::Interrupted.into()),
            }
        })
    }));
    // Threads that write were told to stop and remove what they began: they get time to do so.
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    match outcome {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            error::print(&error);
            ExitCode::from(error::exit_code(&error))
        }
        Err(_) => {
            eprintln!(
                "error: this is a bug in swath; please report it with the command and the lines above"
            );
            ExitCode::from(EXIT_BUG)
        }
    }
}

async fn run(cli: Cli, threads: usize) -> anyhow::Result<()> {
    let context = match config::Context::load(&cli.global, threads) {
        Ok(context) => context,
        Err(error) => {
            return match cli.command {
                Command::Doctor(args) => command::doctor::refused(&cli.global.home, error, args),
                _ => Err(error),
            };
        }
    };
    let outcome = run_command(&context, cli.command).await;
    // A connection that somebody still holds is not worth waiting for.
    let _ = tokio::time::timeout(SHUTDOWN_MAX, context.close()).await;
    outcome
}

async fn run_command(context: &config::Context, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Info(args) => command::info::run(context, args).await,
        Command::Convert(args) => command::convert::run(context, args).await,
        Command::Warp(args) => command::warp::run(context, args).await,
        Command::Composite(args) => command::composite::run(context, args).await,
        Command::Ingest(args) => command::ingest::run(context, args).await,
        Command::Zonal(args) => command::zonal::run(context, args).await,
        Command::Extract(args) => command::extract::run(context, args).await,
        Command::Table(command) => command::table::run(context, command).await,
        Command::Job(command) => command::job::run(context, command).await,
        Command::Task(command) => command::task::run(context, command).await,
        Command::Collections(args) => command::collections::run(context, args).await,
        Command::Items(args) => command::items::run(context, args).await,
        Command::Search(args) => command::search::run(context, args).await,
        Command::Parcels(args) => command::parcels::run(context, args).await,
        Command::Series(args) => command::series::run(context, args).await,
        Command::Sql(args) => command::sql::run(context, args).await,
        Command::Chips(args) => command::chips::run(context, args).await,
        Command::Serve(args) => command::serve::run(context, args).await,
        Command::Token(command) => command::token::run(context, command),
        Command::Backup(args) => command::backup::run(context, args).await,
        Command::Restore(args) => command::restore::run(context, args).await,
        Command::Scrub(args) => command::scrub::run(context, args).await,
        Command::Doctor(args) => command::doctor::run(context, args).await,
        Command::Simulate(args) => command::simulate::run(args).await,
        Command::Demo(args) => command::demo::run(context, args).await,
    }
}
