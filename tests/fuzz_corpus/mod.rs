//! What must hold for any input, as functions of bytes. The fuzz targets feed them what they invent, and a test feeds
//! them the corpus that is kept, so that what was once found stays found.

mod branch;
mod digest;
mod parts;

pub use branch::sas;
pub use digest::digest;
pub use parts::{edit, headers, message, uri};
