//! Bytes that were made to do harm, among them all that kill other decoders.

use super::tests::{hex, read};
use super::*;

/// A head, repeated, behind the version byte.
fn nested(head: &[u8], depth: usize) -> Vec<u8> {
    [&[131], &head.repeat(depth)[..], &[106]].concat()
}

#[test]
fn lengths_beyond_the_input_are_refused_before_anything_is_made() {
    for term in [
        "836cffffffff",
        "836cffffffff6a",
        "8369ffffffff6a6a",
        "8368ff6a",
        "8374ffffffff",
        "837480000000 6d00000000 6a",
        "8374 00000001 6d00000000",
        "836dffffffff61",
        "836bffff61",
        "8364ffff61",
        "8377ff61",
        "836eff00",
        "836f00000400 00 01",
        "83",
        "8361",
        "8362000000",
        "834600",
        "8363",
        "836c00000001",
        "836c000000016100",
        "",
    ] {
        assert_eq!(read(&hex(term)), Err(EtfError::CutOff), "{term}");
    }
}

#[test]
fn kinds_that_json_has_nothing_for_are_refused() {
    // Among them a compressed term (80), a bit binary with tail 9 (77), 68 and 82, functions, processes and ports.
    let known = [70, 97, 98, 99, 100, 104, 105, 106, 107, 108, 109, 110, 111, 115, 116, 118, 119];
    for kind in (0..=u8::MAX).filter(|kind| !known.contains(kind)) {
        for tail in [&[][..], &[0, 0, 0, 1, 9, 255], &[255; 40]] {
            let term = [&[131, kind], tail].concat();
            assert_eq!(read(&term), Err(EtfError::Kind(kind)));
            let key = [&[131, 116, 0, 0, 0, 1, kind], tail].concat();
            assert!(read(&key).is_err());
        }
    }
    assert_eq!(read(&[130, 97, 1]), Err(EtfError::Version));
    assert_eq!(read(b"{\"op\":3}"), Err(EtfError::Version));
}

#[test]
fn depth_costs_nothing_however_deep() {
    for head in
        [&[104, 1][..], &[105, 0, 0, 0, 1], &[108, 0, 0, 0, 1], &[116, 0, 0, 0, 1, 109, 0, 0, 0, 0]]
    {
        assert_eq!(read(&nested(head, 1_000_000)), Err(EtfError::TooDeep));
    }
    assert!(read(&nested(&[104, 1], 127)).is_ok());
    assert_eq!(read(&nested(&[104, 1], 128)), Err(EtfError::TooDeep));
}

#[test]
fn what_is_said_is_bounded_however_short_it_is_said() {
    // Six bytes of JSON for one of the term.
    let controls = [&[131, 109, 0, 0, 3, 0xE8], &[0; 1000][..]].concat();
    assert_eq!(to_json(&controls, 6001), Err(EtfError::TooBig));
    assert_eq!(to_json(&controls, 6002).map(|text| text.len()), Ok(6002));
    let string = [&[131, 107, 0x03, 0xE8], &[255; 1000][..]].concat();
    assert_eq!(to_json(&string, 4000), Err(EtfError::TooBig));
    assert_eq!(to_json(&string, 4001).map(|text| text.len()), Ok(4001));
    assert_eq!(to_json(&hex("8361ff"), 2), Err(EtfError::TooBig));
    assert_eq!(to_json(&hex("836a"), 0), Err(EtfError::TooBig));
    let tiny = [&[131, 70], &f64::MIN_POSITIVE.to_be_bytes()[..]].concat();
    assert_eq!(read(&tiny).as_deref(), Ok("2.2250738585072014e-308"));
}

#[test]
fn integers_are_bounded_and_have_a_sign() {
    let big = |length: u32, sign: u8| {
        let bytes = vec![0xFF; usize::try_from(length).unwrap()];
        [&[131, 111], &length.to_be_bytes()[..], &[sign], &bytes].concat()
    };
    assert!(read(&big(1024, 1)).is_ok_and(|text| text.len() == 2468));
    assert_eq!(read(&big(1025, 0)), Err(EtfError::Integer));
    assert_eq!(read(&big(1_000_000, 0)), Err(EtfError::Integer));
    assert_eq!(read(&big(8, 2)), Err(EtfError::Integer));
    assert_eq!(read(&hex("836effff")), Err(EtfError::Integer));
}

#[test]
fn floats_are_numbers() {
    for bits in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let term = [&[131, 70], &bits.to_be_bytes()[..]].concat();
        assert_eq!(read(&term), Err(EtfError::NotFinite));
    }
    for text in ["inf", "nan", "-infinity", "1e999", "", "1.5x", "\u{7f}", "é", "1.5\u{0}1"] {
        let mut padded = text.as_bytes().to_vec();
        padded.resize(31, 0);
        assert_eq!(read(&[&[131, 99], &padded[..]].concat()), Err(EtfError::NotFinite), "{text}");
    }
}

#[test]
fn texts_are_texts_and_atoms_have_their_bound() {
    for term in ["836d00000001ff", "837701ff", "836d00000003eda080"] {
        assert_eq!(read(&hex(term)), Err(EtfError::NotUtf8), "{term}");
    }
    let atom = |kind: u8, name: &[u8]| {
        let length = u16::try_from(name.len()).unwrap().to_be_bytes();
        [&[131, kind], &length[..], name].concat()
    };
    assert_eq!(read(&atom(100, &vec![b'a'; 65_535])), Err(EtfError::LongAtom));
    assert_eq!(read(&atom(118, &[b'a'; 256])), Err(EtfError::LongAtom));
    assert!(read(&atom(100, &[0xE9; 255])).is_ok());
    assert!(read(&atom(118, "é".repeat(255).as_bytes())).is_ok());
}

#[test]
fn a_million_atoms_leave_nothing_behind() {
    let mut term = vec![131, 108];
    term.extend_from_slice(&100_000_u32.to_be_bytes());
    for n in 0..100_000 {
        term.extend_from_slice(&[119, 6]);
        term.extend_from_slice(format!("{n:06}").as_bytes());
    }
    term.push(106);
    assert!(read(&term).is_ok_and(|text| text.starts_with(r#"["000000","000001","#)));
}

#[test]
fn lists_end_and_terms_stand_alone() {
    assert_eq!(read(&hex("836c0000000161016102")), Err(EtfError::Improper));
    assert_eq!(read(&hex("8361016101")), Err(EtfError::Trailing));
    assert_eq!(read(&hex("836a83")), Err(EtfError::Trailing));
    for key in ["6101", "6a", "4600000000", "6800"] {
        assert_eq!(read(&hex(&format!("837400000001{key}6a"))), Err(EtfError::Key), "{key}");
    }
}
