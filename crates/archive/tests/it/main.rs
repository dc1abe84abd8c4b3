//! Products of the agencies, read and ingested.

mod answers;
mod expected;
mod hostile;
mod kept;
mod key_map;
mod parcels;
mod place;
mod products;
mod recording;
mod registered;
mod store;
