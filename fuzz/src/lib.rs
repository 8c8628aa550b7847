//! The checks that the fuzz targets and the ordinary tests share.

pub mod request;
pub mod store;
