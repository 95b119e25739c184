// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel tells by netlink: addresses and routes that come and go (rtnetlink(7)), and
//! displays (uevents).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with,
};

use super::Wakeup;
use super::rtnetlink::{Known, News};
use super::source::Source;

/// Addresses, routes and links: a cable that is pulled and put back changes nothing but its link, and
/// where an interface goes down, its IPv4 routes go without a word.
const ROUTE_GROUPS: u32 = (libc::RTMGRP_LINK
    | libc::RTMGRP_IPV4_IFADDR
    | libc::RTMGRP_IPV6_IFADDR
    | libc::RTMGRP_IPV4_ROUTE
    | libc::RTMGRP_IPV6_ROUTE)
    .cast_unsigned();
/// What the kernel itself sends, before udev has its say.
const UEVENTS_OF_THE_KERNEL: u32 = 1;
/// More than the kernel puts into a message of these groups.
const MESSAGE_MAX: usize = 8192;

/// Changes of addresses, routes and links. A lifetime that is merely prolonged is none, and neither
/// is the scan of a wireless interface.
#[derive(Debug)]
pub(super) struct Network {
    socket: Netlink,
    known: Known,
}

impl Network {
    pub(super) fn new() -> io::Result<Self> {
        // No protocol is NETLINK_ROUTE.
        let socket = Netlink::open(None, ROUTE_GROUPS)?;
        Ok(Self { socket, known: Known::default() })
    }
}

impl Source for Network {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.0.as_fd())
    }

    fn take(&mut self, woken: &mut Vec<Wakeup>) -> io::Result<()> {
        let mut news = News::None;
        let known = &mut self.known;
        self.socket.drain(|received| {
            news = news.max(match received {
                Received::Message(message) => known.news(message),
                Received::Lost => {
                    known.forget();
                    News::Return
                }
            });
        })?;
        if news > News::None {
            woken.push(Wakeup::Network { returned: news == News::Return });
        }
        Ok(())
    }
}

/// Uevents of the subsystem `drm`.
#[derive(Debug)]
pub(super) struct Displays(Netlink);

impl Displays {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Netlink::open(Some(KOBJECT_UEVENT), UEVENTS_OF_THE_KERNEL)?))
    }
}

impl Source for Displays {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.0.as_fd())
    }

    fn take(&mut self, woken: &mut Vec<Wakeup>) -> io::Result<()> {
        let mut changed = false;
        self.0.drain(|received| {
            changed |= match received {
                Received::Message(message) => is_of_a_display(message),
                Received::Lost => true,
            };
        })?;
        if changed {
            woken.push(Wakeup::Hotplug);
        }
        Ok(())
    }
}

/// Whether a uevent (`ACTION@DEVPATH`, then `KEY=VALUE`, each with a NUL behind it) is a display's.
pub(super) fn is_of_a_display(uevent: &[u8]) -> bool {
    uevent.split(|byte| *byte == 0).any(|field| field == b"SUBSYSTEM=drm")
}

enum Received<'a> {
    Message(&'a [u8]),
    /// There were more messages than the socket holds.
    Lost,
}

#[derive(Debug)]
struct Netlink(OwnedFd);

impl Netlink {
    fn open(protocol: Option<Protocol>, groups: u32) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        Ok(Self(socket))
    }

    /// Takes all that is there. What others than the kernel (port 0) send is dropped.
    fn drain(&self, mut each: impl FnMut(Received<'_>)) -> io::Result<()> {
        let mut buffer = [0; MESSAGE_MAX];
        loop {
            match recvfrom(&self.0, &mut buffer, RecvFlags::DONTWAIT) {
                Ok((length, _, Some(sender))) => {
                    let sender = SocketAddrNetlink::try_from(sender);
                    if sender.is_ok_and(|sender| sender.pid() == 0) {
                        each(Received::Message(&buffer[..length]));
                    }
                }
                Ok((.., None)) | Err(Errno::INTR) => {}
                Err(Errno::NOBUFS) => each(Received::Lost),
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_uevent_of_the_display_subsystem_is_one_of_a_display() {
        let drm = b"change@/devices/pci0/drm/card0\0ACTION=change\0SUBSYSTEM=drm\0HOTPLUG=1\0";
        assert!(is_of_a_display(drm));
        let usb = b"add@/devices/drm/usb1\0ACTION=add\0SUBSYSTEM=usb\0";
        let like = b"add@/devices/x\0SUBSYSTEM=drm_dp_aux_dev\0XSUBSYSTEM=drm\0";
        let other: [&[u8]; 3] = [usb, like, b""];
        assert!(!other.into_iter().any(is_of_a_display));
    }
}
