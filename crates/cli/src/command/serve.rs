//! `swath serve`: the catalogue over HTTP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use swath_access::Viewer;
use swath_server::{AppState, Limits, Server, ServerOptions};

use crate::allocator::{Keeping, keep_freed_memory, keep_memory_small};
use crate::config::{Context, TABLES};
use crate::error::UsageError;

/// Port where nothing is said.
const PORT_DEFAULT: u16 = 8080;
/// Longest wait for requests that have begun when the program is asked to stop.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// How often memory that nobody uses any more goes back to the system.
const MEMORY_BACK_EVERY: Duration = Duration::from_secs(1);

/// Arguments of `swath serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Port to listen on; 0 takes a free one [default: 8080]
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// Address to listen on; one that others can reach needs a token (swath token create) [default: 127.0.0.1]
    #[arg(long, value_name = "ADDR")]
    bind: Option<IpAddr>,
    /// How links begin, where a reverse proxy does not say so, such as https://eo.example.org
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Decoded blocks of images that are kept for maps [default: 256]
    #[arg(long, value_name = "MIB")]
    map_cache: Option<u64>,
}

/// Runs the command until the program is asked to stop.
///
/// # Errors
/// Where the catalogue cannot be opened, or the address not be bound.
pub async fn run(context: &Context, args: ServeArgs) -> Result<()> {
    keep_freed_memory(Keeping::SERVER);
    let settings = &context.server;
    let mut limits = Limits::default();
    if let Some(seconds) = settings.request_seconds_max {
        if seconds == 0 {
            return Err(UsageError("server.request_seconds_max: from 1".into()).into());
        }
        limits.request_time_max = Duration::from_secs(seconds);
    }
    if let Some(mib) = args.map_cache.or(settings.map_cache_mib) {
        limits.map_cache_bytes_max = mib.saturating_mul(1 << 20);
    }
    let state = AppState::new(ServerOptions {
        catalog: context.catalog().await?,
        stores: Arc::new(context.named_stores()),
        tokens: context.tokens(),
        tables: Some(
            context
                .stores
                .writer(&Viewer::operator(), &format!("{TABLES}:"))?,
        ),
        tile_cache: context.tile_cache(),
        cbm: context.cbm.clone(),
        base_url: args.base_url.or_else(|| settings.base_url.clone()),
        limits,
    })
    .map_err(|error| UsageError(error.to_string()))?;
    let address = args
        .bind
        .or(settings.bind)
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let port = args.port.or(settings.port).unwrap_or(PORT_DEFAULT);
    let server = Server::bind(state, SocketAddr::new(address, port)).await?;
    eprintln!("listening on http://{}/stac", server.address());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = server.run(async {
        // The sender is dropped where the wait ends early: that is a stop, too.
        let _ = stopped.await;
    });
    let deadline = async {
        crate::interrupted().await;
        let _ = stop.send(());
        tokio::time::sleep(DRAIN_MAX).await;
    };
    tokio::select! {
        outcome = running => outcome?,
        () = deadline => tracing::warn!("requests that still ran were cut off"),
        never = keep_memory_small(MEMORY_BACK_EVERY) => match never {},
    }
    Ok(())
}
