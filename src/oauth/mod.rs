//! stand-in
use crate::secret::Secret;
use std::time::Duration;
#[allow(missing_docs)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    Throttled { status: u16, retry_after: Option<Duration> },
    InvalidClient { description: String },
    Refused { status: u16, error: String, description: String },
    Unavailable { reason: String, tls: bool, sent: bool },
}
#[allow(missing_docs)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    pub value: Secret,
    pub expires_in: u32,
}
