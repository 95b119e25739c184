// SPDX-License-Identifier: MIT OR Apache-2.0
//! What tokend asks the bus about its callers, over a connection of its own: its answers do not
//! stand in line behind calls. It is opened when it is first needed.

use std::collections::VecDeque;
use std::io;

use super::BusAddress;
use super::callers::{Bus, credentials};
use super::frames::Frame;
use super::link::{BUS, Link, is_from_bus};
use super::wire::{ERROR, Header, RETURN, SIGNAL, parse};
use crate::common::access::Caller;

/// Who leaves the bus: one rule for everybody, there only while calls wait.
const LEAVING: &str = "type='signal',sender='org.freedesktop.DBus',\
                       interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''";
const NO_OWNER: &str = "org.freedesktop.DBus.Error.NameHasNoOwner";

pub(super) struct Side {
    address: BusAddress,
    link: Option<Link>,
    /// What has not been answered yet, in the order in which it was asked.
    asked: VecDeque<(u32, Question)>,
    watching: bool,
}

enum Question {
    /// Who a connection is.
    Who(Box<str>),
    /// Whether it is still there.
    There(Box<str>),
    Rule,
}

/// News of a connection.
#[derive(Debug)]
pub(super) enum Told {
    Who(Box<str>, Caller),
    /// The bus does not say who it is, and why.
    Unknown(Box<str>, String),
    Left(Box<str>),
}

impl Side {
    pub(super) fn new(address: BusAddress) -> Self {
        Self { address, link: None, asked: VecDeque::new(), watching: false }
    }

    pub(super) fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    fn open(&mut self) -> io::Result<&mut Link> {
        if self.link.is_none() {
            self.link = Some(Link::connect(&self.address)?);
        }
        self.link.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Asks who a connection is.
    pub(super) fn who(&mut self, name: &str) -> Result<(), String> {
        if self.asked.iter().any(|(_, asked)| matches!(asked, Question::Who(of) if **of == *name)) {
            return Ok(());
        }
        let link = self.open().map_err(|error| format!("it cannot be asked: {error}"))?;
        let serial = link.ask_bus("GetConnectionCredentials", "s", |body| body.string(name));
        self.asked.push_back((serial, Question::Who(name.into())));
        Ok(())
    }

    /// Has it told when this connection leaves, or has left already.
    pub(super) fn watch(&mut self, name: &str) -> io::Result<()> {
        if !self.watching {
            let serial = self.open()?.ask_bus("AddMatch", "s", |body| body.string(LEAVING));
            self.asked.push_back((serial, Question::Rule));
            self.watching = true;
        }
        let serial = self.open()?.ask_bus("NameHasOwner", "s", |body| body.string(name));
        self.asked.push_back((serial, Question::There(name.into())));
        Ok(())
    }

    /// Nobody needs to know who leaves.
    pub(super) fn unwatch(&mut self) {
        if std::mem::take(&mut self.watching)
            && let Some(link) = &mut self.link
        {
            let serial = link.ask_bus("RemoveMatch", "s", |body| body.string(LEAVING));
            self.asked.push_back((serial, Question::Rule));
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.link.as_mut().map_or(Ok(()), Link::flush)
    }

    /// Reads what has come, or that nothing will come any more.
    pub(super) fn receive(&mut self, bus: Bus) -> Vec<Told> {
        let mut told = Vec::new();
        let Some(mut link) = self.link.take() else { return told };
        match self.read(&mut link, bus, &mut told) {
            Ok(()) => self.link = Some(link),
            Err(error) => told.extend(self.lost(&error)),
        }
        told
    }

    fn read(&mut self, link: &mut Link, bus: Bus, told: &mut Vec<Told>) -> io::Result<()> {
        link.receive()?;
        while let Some(frame) = link.frames.next()? {
            let (bytes, whole) = match frame {
                Frame::Message(message) => (message, true),
                Frame::Large(header) => (header, false),
            };
            told.extend(parse(bytes).and_then(|header| self.message(&header, bus, whole)));
        }
        Ok(())
    }

    /// The connection is lost: nothing that was asked will be answered.
    pub(super) fn lost(&mut self, error: &io::Error) -> Vec<Told> {
        self.link = None;
        self.watching = false;
        let unknown = |(_, question)| match question {
            Question::Who(name) => Some(Told::Unknown(name, error.to_string())),
            Question::There(_) | Question::Rule => None,
        };
        self.asked.drain(..).filter_map(unknown).collect()
    }

    fn message(&mut self, header: &Header<'_>, bus: Bus, whole: bool) -> Option<Told> {
        if !is_from_bus(header) {
            return None;
        }
        let mut body = header.body.clone();
        match header.kind {
            SIGNAL if header.member == "NameOwnerChanged" && header.interface == Some(BUS) => {
                let (name, _, owner) = (body.string()?, body.string()?, body.string()?);
                owner.is_empty().then(|| Told::Left(name.into()))
            }
            RETURN | ERROR => {
                let at = self.asked.iter().position(|(of, _)| *of == header.reply_serial)?;
                let (_, question) = self.asked.remove(at)?;
                match question {
                    Question::Who(name) => Some(who(name, header, bus, whole)),
                    Question::There(name) if header.kind == RETURN => {
                        (body.u32() == Some(0)).then_some(Told::Left(name))
                    }
                    Question::There(_) => None,
                    Question::Rule => {
                        if header.kind == ERROR {
                            // Calls of those who leave then wait for their end all the same.
                            let why = body.string().unwrap_or_default();
                            log::warn!("the bus does not tell who leaves it: {why}");
                        }
                        None
                    }
                }
            }
            _ => None,
        }
    }

    /// Gives back the room that only a burst needs.
    pub(super) fn tidy(&mut self) {
        self.asked.shrink_to(16);
        if let Some(link) = &mut self.link {
            link.tidy();
        }
    }
}

fn who(name: Box<str>, answer: &Header<'_>, bus: Bus, whole: bool) -> Told {
    if answer.error == NO_OWNER {
        return Told::Left(name);
    }
    if answer.kind == ERROR {
        let text = answer.body.clone().string().unwrap_or_default().to_owned();
        return Told::Unknown(name, format!("{text} ({})", answer.error));
    }
    if !whole {
        let why = "it is in more groups than fit a message of 64 KiB, the most that tokend reads";
        return Told::Unknown(name, why.to_owned());
    }
    match credentials(answer, bus) {
        Some(caller) => Told::Who(name, caller),
        None => Told::Unknown(name, "its answer is not what the specification says".to_owned()),
    }
}
