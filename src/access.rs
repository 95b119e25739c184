//! May this caller have this application's token? Pure.

/// A caller as the bus describes it (`GetConnectionCredentials`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `UnixUserID`.
    pub uid: Option<u32>,
    /// `UnixGroupIDs`.
    pub gids: Option<Vec<u32>>,
    /// `LinuxSecurityLabel`, as the bus gives it.
    pub label: Option<Vec<u8>>,
}

/// Who may have an application's token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// `allow_users`.
    pub users: Option<Vec<Name>>,
    /// `allow_groups`.
    pub groups: Option<Vec<Name>>,
    /// `allow_labels`.
    pub labels: Option<Vec<String>>,
}

/// A user or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As the configuration has it.
    pub text: String,
    /// Its number; none where this device does not know it.
    pub id: Option<u32>,
}

impl Rules {
    /// Whether `caller` may have the token.
    #[must_use]
    pub fn allow(&self, caller: &Caller) -> bool {
        if is_root(caller) {
            return true;
        }
        let Some(users) = &self.users else { return false };
        users.iter().any(|user| user.id.is_some() && user.id == caller.uid)
    }
}

/// Whether `caller` may call `Reload`.
#[must_use]
pub fn may_reload(reload_users: &[Name], caller: &Caller) -> bool {
    is_root(caller) || reload_users.iter().any(|user| user.id.is_some() && user.id == caller.uid)
}

/// Whether `caller` is root.
#[must_use]
pub fn is_root(caller: &Caller) -> bool {
    caller.uid == Some(0)
}
