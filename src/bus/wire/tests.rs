// SPDX-License-Identifier: MIT OR Apache-2.0
use super::*;

fn call() -> Outgoing<'static> {
    Outgoing {
        kind: CALL,
        serial: 7,
        path: "/tv/tokend",
        interface: "tv.tokend.Manager1",
        member: "Forget",
        destination: "tv.tokend",
        signature: "su",
        ..Outgoing::default()
    }
}

fn written() -> Vec<u8> {
    let mut out = b"before".to_vec();
    call().write(&mut out, |body| {
        body.string("cinema");
        body.u32(3600);
    });
    out.split_off(6)
}

#[test]
fn a_message_is_read_as_it_was_written() {
    let bytes = written();
    let mut header = parse(&bytes).unwrap();
    assert_eq!((header.kind, header.flags, header.serial), (CALL, 0, 7));
    assert_eq!((header.path, header.member), ("/tv/tokend", "Forget"));
    assert_eq!((header.interface, header.signature), (Some("tv.tokend.Manager1"), "su"));
    assert_eq!(header.body.string(), Some("cinema"));
    assert_eq!(header.body.u32(), Some(3600));
    assert!(header.body.is_over());
}

#[test]
fn zbus_reads_the_same() {
    let message = zbus::Message::method_call("/tv/tokend", "Forget");
    let message = message.destination("tv.tokend").interface("tv.tokend.Manager1");
    let theirs = message.build(&("cinema", 3600_u32)).unwrap();
    let bytes = theirs.data();
    let (theirs, ours) = (parse(bytes).unwrap(), written());
    let ours = parse(&ours).unwrap();
    assert_eq!(theirs.body, ours.body);
    assert_eq!((theirs.path, theirs.member), (ours.path, ours.member));
}

#[test]
fn a_message_that_is_cut_off_is_no_message() {
    let bytes = written();
    let body = bytes.len() - 16;
    for length in 0..body {
        assert_eq!(parse(&bytes[..length]), None, "{length}");
    }
    for length in body..bytes.len() {
        let mut cut = parse(&bytes[..length]).unwrap().body;
        assert!(cut.string().and_then(|_| cut.u32()).is_none(), "{length}");
    }
}

#[test]
fn the_other_order_of_bytes_is_read_too() {
    let mut big = vec![b'B', CALL, NO_REPLY, 1];
    big.extend([0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 0, 15]);
    big.extend([SENDER, 1, b's', 0, 0, 0, 0, 6]);
    big.extend(b":1.234\0");
    big.extend([0; 1]);
    big.extend([0, 0, 1, 0]);
    let mut header = parse(&big).unwrap();
    assert_eq!((header.sender, header.serial, header.flags), (":1.234", 9, NO_REPLY));
    assert_eq!(header.body.u32(), Some(256));
}

#[test]
fn unknown_header_fields_are_passed_over() {
    let mut message = vec![b'l', CALL, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0];
    let mut fields = Vec::new();
    let mut writer = Writer::new(&mut fields);
    for kind in ["y", "q", "u", "t", "s", "g", "au", "as"] {
        writer.align(8);
        writer.raw(&[77]);
        writer.signature(kind);
        match kind {
            "y" => writer.raw(&[1]),
            "q" => {
                writer.align(2);
                writer.raw(&[1, 2]);
            }
            "u" => writer.u32(5),
            "t" => writer.u64(6),
            "s" => writer.string("text"),
            "g" => writer.signature("a{sv}"),
            "au" => writer.array(4, |array| array.u32(9)),
            _ => writer.array(4, |array| array.string("x")),
        }
    }
    writer.align(8);
    writer.raw(&[MEMBER]);
    writer.signature("s");
    writer.string("Ping");
    message.extend((fields.len() as u32).to_le_bytes());
    message.extend(&fields);
    message.resize(message.len().next_multiple_of(8), 0);
    assert_eq!(parse(&message).unwrap().member, "Ping");
}
