// SPDX-License-Identifier: MIT OR Apache-2.0
//! The token: found by its label, logged in to, its key found or made, and asked for the root key.
//! The only user of cryptoki; runs in the child alone.

use std::fmt::Display;
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::AsRawFd as _;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::RawAuthPin;
use zeroize::Zeroizing;

use super::wire::{Answer, KEY_LEN, Request};
use crate::system::fs::trusted;

/// What the token signs. Another text is another root key, and nothing stored opens any more.
const LABEL: &[u8] = b"tokend root key 1";

/// Gives the answer while the token is still open: what the module does on its way out does not
/// matter any more.
pub(super) fn answer(
    request: &Request,
    give: impl FnOnce(&Answer) -> io::Result<()>,
) -> io::Result<()> {
    let module = match load(request) {
        Ok(module) => module,
        Err(failed) => return give(&not_ready(failed)),
    };
    let answer = open(&module, request).and_then(|(session, info)| {
        let (key, made) = find_or_make(&session, &info, request)?;
        Ok(Answer::Key { root: root(&session, key, request)?, made })
    });
    let given = give(&answer.unwrap_or_else(|failed| failed));
    let _ = module.finalize();
    given
}

fn load(request: &Request) -> Result<Pkcs11, Answer> {
    let path = request.module.display();
    // What is loaded is what was judged, whatever the path leads to by now.
    let refused = |why: &dyn Display| {
        Answer::Failed(format!("the PKCS#11 module {path} cannot be loaded: {why}"))
    };
    let file = File::open(&request.module).map_err(|error| refused(&error))?;
    let judged = file.metadata().map_err(|error| refused(&error))?;
    trusted::judge(&judged).map_err(|problem| refused(&problem))?;
    let opened = format!("/proc/self/fd/{}", file.as_raw_fd());
    let module = Pkcs11::new(&opened).map_err(|error| match error {
        // It names the file and says why.
        Error::LibraryLoading(reason) => {
            let reason = reason.to_string().replace(&opened, &path.to_string());
            Answer::Failed(format!("the PKCS#11 module cannot be loaded: {reason}"))
        }
        error => Answer::Failed(format!("{path} is no PKCS#11 module: {}", said(&error))),
    })?;
    let arguments = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    module
        .initialize(arguments)
        .map_err(failed(format_args!("the PKCS#11 module {path} does not start")))?;
    Ok(module)
}

fn open(module: &Pkcs11, request: &Request) -> Result<(ManuallyDrop<Session>, TokenInfo), Answer> {
    let (slot, info) = find_token(module, request).map_err(not_ready)?;
    let session = if request.generate && !info.write_protected() {
        module.open_rw_session(slot)
    } else {
        module.open_ro_session(slot)
    };
    // C_Finalize closes it too; and what its drop can log would bring the standard's prose along.
    let session = session.map(ManuallyDrop::new);
    let token = &request.token;
    let session = session.map_err(|error| {
        not_ready(failed(format_args!("the token {token:?} opens no session"))(error))
    })?;
    log_in(&session, &info, request)?;
    Ok((session, info))
}

fn find_token(module: &Pkcs11, request: &Request) -> Result<(Slot, TokenInfo), Answer> {
    let path = request.module.display();
    let slots = module
        .get_slots_with_token()
        .map_err(failed(format_args!("the PKCS#11 module {path} lists no tokens")))?;
    // A slot whose token cannot say what it is may be anybody's.
    let known = |slot: Slot| module.get_token_info(slot).ok().map(|info| (slot, info));
    let tokens: Vec<_> = slots.into_iter().filter_map(known).collect();
    let wanted = request.token.trim_end();
    let here = |(_, info): &&(Slot, TokenInfo)| info.label().trim_end() == wanted;
    let mut found: Vec<_> = tokens.iter().filter(here).cloned().collect();
    if found.len() > 1 {
        let slots: Vec<_> = found.iter().map(|(slot, _)| slot.id().to_string()).collect();
        let slots = slots.join(", ");
        return Err(Answer::Failed(format!(
            "{path} has several tokens with the label {wanted:?} (slots {slots}); legal is one"
        )));
    }
    found.pop().ok_or_else(|| {
        let labels: Vec<_> = tokens
            .iter()
            .filter(|(_, info)| info.token_initialized())
            .map(|(_, info)| format!("{:?}", info.label().trim_end()))
            .collect();
        let there = match labels.len() {
            0 => "it has no token".to_owned(),
            _ => format!("it has {}", labels.join(", ")),
        };
        Answer::Failed(format!("{path} has no token with the label {wanted:?}; {there}"))
    })
}

fn log_in(session: &Session, info: &TokenInfo, request: &Request) -> Result<(), Answer> {
    let token = &request.token;
    let done = match &request.pin {
        Some(pin) => {
            if info.user_pin_locked() {
                let why = format!("the token {token:?} is locked: wrong PINs were given too often");
                return Err(Answer::Failed(why));
            }
            if info.user_pin_final_try() {
                return Err(Answer::Failed(format!(
                    "the token {token:?} locks at the next wrong PIN, so none is tried; log in to \
                     it once with its own tools"
                )));
            }
            let pin: RawAuthPin = Box::new(pin.to_vec()).into();
            session.login_with_raw(UserType::User, &pin)
        }
        // Who asks is known in another way: OP-TEE by the identity of the process.
        None if info.protected_authentication_path() => session.login(UserType::User, None),
        None => Ok(()),
    };
    match done {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(Error::Pkcs11(
            why @ (RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange),
            _,
        )) => {
            let why = format!("the token {token:?} refuses the PIN ({})", code(why));
            // Without a PIN there is none to be spared.
            Err(if request.pin.is_some() { Answer::PinRefused(why) } else { Answer::Failed(why) })
        }
        Err(error) => Err(failed(format_args!("the token {token:?} lets nobody log in"))(error)),
    }
}

/// The key of the label, and whether it was made just now.
fn find_or_make(
    session: &Session,
    info: &TokenInfo,
    request: &Request,
) -> Result<(ObjectHandle, bool), Answer> {
    let Request { token, key, .. } = request;
    let template =
        [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Label(key.as_bytes().to_vec())];
    let found = session
        .find_objects(&template)
        .map_err(failed(format_args!("the token {token:?} does not say what keys it has")))?;
    match found.as_slice() {
        [one] => Ok((*one, false)),
        // It may only be hidden.
        [] if hides_keys(info, request) => Err(Answer::Failed(format!(
            "the token {token:?} shows no key with the label {key:?}, and wants a login: there is no \
             pkcs11_pin_file"
        ))),
        [] if request.generate => make(session, request).map(|key| (key, true)),
        [] => Err(Answer::NoKey),
        several => Err(Answer::Failed(format!(
            "the token {token:?} has {} keys with the label {key:?}; legal is one",
            several.len()
        ))),
    }
}

fn hides_keys(info: &TokenInfo, request: &Request) -> bool {
    request.pin.is_none() && info.login_required() && !info.protected_authentication_path()
}

fn make(session: &Session, request: &Request) -> Result<ObjectHandle, Answer> {
    let Request { token, key, .. } = request;
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::GENERIC_SECRET),
        Attribute::Label(key.as_bytes().to_vec()),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::ValueLen((KEY_LEN as std::ffi::c_ulong).into()),
    ];
    session.generate_key(&Mechanism::GenericSecretKeyGen, &template).map_err(|error| {
        Answer::Failed(format!(
            "the token {token:?} has no key with the label {key:?}, and cannot make one ({}): \
             import an HMAC-SHA256 key of 32 random bytes under that label",
            said(&error)
        ))
    })
}

fn root(
    session: &Session,
    key: ObjectHandle,
    request: &Request,
) -> Result<Zeroizing<Vec<u8>>, Answer> {
    let Request { token, key: label, .. } = request;
    let sign = || {
        let signed = session.sign(&Mechanism::Sha256Hmac, key, LABEL).map(Zeroizing::new);
        signed.map_err(failed(format_args!(
            "the key {label:?} of the token {token:?} does not sign with HMAC-SHA256"
        )))
    };
    let root = sign()?;
    if root.len() != KEY_LEN {
        return Err(Answer::Failed(format!(
            "the token {token:?} gives {} bytes for an HMAC-SHA256; right is {KEY_LEN}",
            root.len()
        )));
    }
    // Before anything is sealed with it: a root key that comes once and never again loses all.
    if request.generate && sign()? != root {
        return Err(Answer::Failed(format!(
            "the token {token:?} signs the same text differently each time: no root key comes from it"
        )));
    }
    Ok(root)
}

/// What has failed before anybody has logged in.
fn not_ready(failed: Answer) -> Answer {
    match failed {
        Answer::Failed(why) => Answer::NotReady(why),
        other => other,
    }
}

fn failed(what: impl Display) -> impl FnOnce(Error) -> Answer {
    move |error| Answer::Failed(format!("{what}: {}", said(&error)))
}

/// What went wrong, with the names that the standard gives it.
fn said(error: &Error) -> String {
    match error {
        Error::Pkcs11(why, function) => format!("C_{function:?} says {}", code(*why)),
        Error::NullFunctionPointer => "the module lacks a function".to_owned(),
        Error::MissingSymbol(name) => format!("it has no {name}"),
        // Not its Display, which brings 25 kB of the standard's prose along.
        error => format!("{error:?}"),
    }
}

/// The name of a return value, as the standard writes it.
fn code(why: RvError) -> String {
    if let RvError::VendorDefined(number) | RvError::UnknownErrorCode(number) = why {
        return format!("CKR {number:#x}");
    }
    let mut name = "CKR".to_owned();
    for letter in format!("{why:?}").chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn return_values_have_the_names_of_the_standard() {
        for (why, name) in [
            (RvError::PinIncorrect, "CKR_PIN_INCORRECT"),
            (RvError::MechanismInvalid, "CKR_MECHANISM_INVALID"),
            (RvError::UserPinNotInitialized, "CKR_USER_PIN_NOT_INITIALIZED"),
            (RvError::VendorDefined(0x8000_0001), "CKR 0x80000001"),
        ] {
            assert_eq!(code(why), name);
        }
    }
}
