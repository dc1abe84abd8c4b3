//! HTTP faces over one search. Routes translate; they decide nothing.
//!
//! Each face is a folder with `routes() -> Router<AppState>`: its handlers take a
//! [`Caller`](viewer::Caller) (who asks) and a [`BaseUrl`](links::BaseUrl) (how links begin), call
//! the catalogue, and answer `Result<_, Problem>`. What a failed request looks like on the wire is
//! said once, by the face whose path it came to ([`error`]).
//!
//! [`router`] puts the faces together and lays around them, from the outside in: request id and
//! measurement, CORS, the shape of failures, compression, the catch for panics, the time limit.

mod asker;
mod body;
mod cbm;
mod chunks;
mod error;
mod guard;
mod links;
mod map;
mod metrics;
mod objects;
mod odata;
mod ogc;
mod openapi;
mod ows;
mod parcels;
mod portal;
mod preconditions;
mod products;
mod query;
mod resto;
mod server;
mod stac;
mod state;
mod tiles;
mod tokens;
mod viewer;

pub use cbm::CbmOptions;
pub use links::BaseUrlError;
pub use parcels::{CHIP_MARGIN_M, ChipError, ChipQuestion, calendar_document, calendar_of};
pub use server::{Server, ServerError, ServerErrorKind, router};
pub use state::{AppState, Limits, ServerOptions};
pub use tokens::{IssuedToken, NewToken, TokenError, TokenErrorKind, TokenFile, TokenRole};
