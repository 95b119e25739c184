//! stand-in
use crate::secret::Secret;
use crate::time::BootTime;
use std::time::Duration;
#[allow(missing_docs)]
pub const MARGIN: Duration = Duration::from_secs(5);
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppState {
    Ready,
    Registering,
    Fetching,
    Waiting,
    Rejected,
    StorageError,
    ClockUnset,
}
#[allow(missing_docs)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedToken {
    pub value: Secret,
    pub expires: BootTime,
    pub lifetime: u32,
}
#[allow(missing_docs)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppView {
    pub state: AppState,
    pub token: Option<ServedToken>,
    pub token_number: u64,
    pub expires_at: u64,
    pub retry_at: u64,
    pub last_error: (String, String),
    pub scopes: Vec<String>,
    pub redirect_uris: Vec<String>,
    pub client_id_issued_at: u64,
}
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorName {
    Unavailable,
    Throttled,
    Rejected,
    Storage,
    AccessDenied,
    InvalidArgs,
    LimitsExceeded,
    UnknownObject,
}
#[allow(missing_docs)]
impl ErrorName {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "tv.tokend.Error.Unavailable",
            Self::Throttled => "tv.tokend.Error.Throttled",
            Self::Rejected => "tv.tokend.Error.Rejected",
            Self::Storage => "tv.tokend.Error.Storage",
            _ => "x",
        }
    }
}
#[allow(missing_docs)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    pub name: ErrorName,
    pub message: String,
}
#[allow(missing_docs)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    Token { value: Secret, expires_in: u32 },
    InvalidArgs(String),
    Ask,
}
#[allow(missing_docs)]
impl AppView {
    pub fn serve(&self, min_validity: u32, now: BootTime) -> Served {
        self.token.as_ref().map_or(Served::Ask, |t| t.serve(min_validity, now))
    }
}
#[allow(missing_docs)]
impl ServedToken {
    pub fn serve(&self, min_validity: u32, now: BootTime) -> Served {
        if min_validity > self.lifetime / 2 {
            return Served::InvalidArgs(format!(
                "min_validity {min_validity} s is above half the token's lifetime of {} s",
                self.lifetime
            ));
        }
        let left = self.expires.since(now);
        let secs = left.as_secs() as u32;
        if left <= MARGIN || secs < min_validity {
            return Served::Ask;
        }
        Served::Token { value: self.value.clone(), expires_in: secs }
    }
}
