//! What must hold for any input, as functions of bytes. The fuzz targets feed them what they invent, and a test feeds
//! them the corpus that is kept, so that what was once found stays found.

mod branch;
mod digest;
mod edit;
mod header;
mod ini;
mod message;
mod plain;
mod round_trip;
mod script;
mod stream;
mod uri;

pub use branch::sas;
pub use digest::digest;
pub use edit::edit;
pub use header::{credentials, headers};
pub use ini::ini;
pub use message::parse;
#[allow(unused_imports, reason = "the laws of messages use it")]
pub use round_trip::ordinary;
pub use round_trip::round_trip;
pub use stream::frame;
pub use uri::uri;

use sip_survivability::message::ParseLimits;

/// Wide enough for whatever edits and repairs add.
fn wide() -> ParseLimits {
    ParseLimits::new(1 << 20, 1 << 10)
}
