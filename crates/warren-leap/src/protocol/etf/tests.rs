//! Both directions against what Erlang/OTP 25 writes (`term_to_binary`) and takes (`binary_to_term`).

use super::*;

/// The bytes that hexadecimal digits say.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
}

/// Reads a term without a bound worth mentioning.
pub(super) fn read(bytes: &[u8]) -> Result<String, EtfError> {
    to_json(bytes, 1 << 20)
}

#[test]
fn what_erlang_writes_is_what_we_write_and_read() {
    let max_small_big = format!("836eff00{}", "ff".repeat(255));
    // Two to the power of 2040, less one.
    let largest = big::to_decimal(&[0xFF; 255]);
    assert!(largest.starts_with("12623830") && largest.len() == 615, "{largest}");
    for (json, term) in [
        ("0", "836100"),
        ("255", "8361ff"),
        ("256", "836200000100"),
        ("-1", "8362ffffffff"),
        ("-2147483648", "836280000000"),
        ("2147483648", "836e040000000080"),
        ("-2147483649", "836e040101000080"),
        ("9007199254740993", "836e070001000000000020"),
        ("-18446744073709551616", "836e0901000000000000000001"),
        (largest.as_str(), max_small_big.as_str()),
        ("1.5", "83463ff8000000000000"),
        ("-0.1", "8346bfb999999999999a"),
        ("1e300", "83467e37e43c8800759c"),
        (r#""é😀""#, "836d00000006c3a9f09f9880"),
        ("[]", "836a"),
        (r#"[1,300,"a",[]]"#, "836c000000046101620000012c6d00000001616a6a"),
        (r#"{"d":{},"op":0}"#, "8374000000026d000000016474000000006d000000026f706100"),
    ] {
        assert_eq!(from_json(json), hex(term), "{json}");
        assert_eq!(read(&hex(term)).as_deref(), Ok(json));
    }
}

#[test]
fn what_only_erlang_writes_is_read() {
    for (term, json) in [
        ("8364000474727565", "true"),
        ("83640005 66616c7365", "false"),
        ("83640003 6e696c", "null"),
        ("837304 6e756c6c", "null"),
        ("837709 756e646566696e6564", "null"),
        ("8364 0001 e9", r#""é""#),
        ("8376 0002 c3a9", r#""é""#),
        ("8368 02 6400026f6b 6101", r#"["ok",1]"#),
        ("8369 00000001 6a", "[[]]"),
        ("836b 0003 616263", "[97,98,99]"),
        (
            "8374 00000003 7702 6f6b 6101 6b0001e9 6102 7704 74727565 6103",
            r#"{"ok":1,"é":2,"true":3}"#,
        ),
        ("836e 00 00", "0"),
        ("836e 01 01 00", "0"),
        ("836f 00000001 01 07", "-7"),
    ] {
        assert_eq!(read(&hex(term)).as_deref(), Ok(json), "{term}");
    }
    let old_float = [b"\x83\x631.50000000000000000000e+00", &[0; 5][..]].concat();
    assert_eq!(read(&old_float).as_deref(), Ok("1.5"));
}

#[test]
fn words_are_atoms_in_their_newest_form() {
    assert_eq!(from_json("true"), hex("837704 74727565"));
    assert_eq!(from_json("false"), hex("837705 66616c7365"));
    assert_eq!(from_json("null"), hex("837703 6e696c"));
}

#[test]
fn of_equal_keys_the_last_counts() {
    for (json, once) in [
        (r#"{"a":1,"b":2,"\u0061":{"x":0,"x":[]}}"#, r#"{"b":2,"a":{"x":[]}}"#),
        (r#"[{"a":1,"a":2,"a":3},{"a":4}]"#, r#"[{"a":3},{"a":4}]"#),
    ] {
        assert_eq!(from_json(json), from_json(once), "{json}");
    }
    let many: Vec<String> = (0..40).map(|n| format!(r#""k{}":{n}"#, n % 20)).collect();
    let last: Vec<String> = (20..40).map(|n| format!(r#""k{}":{n}"#, n % 20)).collect();
    let object = |pairs: &[String]| from_json(&format!("{{{}}}", pairs.join(",")));
    assert_eq!(object(&many), object(&last));
}

#[test]
fn numbers_are_right_or_texts_but_never_wrong_ones() {
    for (json, read_back) in [
        // The nearest double, as any reader of JSON takes it.
        ("0.1000000000000000055511151231257827", "0.1"),
        ("1.0", "1.0"),
        ("-0.0", "-0.0"),
        ("-0", "0"),
        ("1E2", "100.0"),
        ("5e-324", "5e-324"),
        ("0e-999", "0.0"),
        // No double is near.
        ("1e400", r#""1e400""#),
        ("-1e400", r#""-1e400""#),
        ("1e-400", r#""1e-400""#),
        ("0.0001e-399", r#""0.0001e-399""#),
    ] {
        assert_eq!(read(&from_json(json)).as_deref(), Ok(read_back), "{json}");
    }
    let longest = "9".repeat(BIG_MAX_DIGITS);
    assert_eq!(from_json(&longest)[..6], hex("836f00000400"));
    for number in [longest.clone(), format!("-{longest}"), format!("1{}", "0".repeat(700))] {
        assert_eq!(read(&from_json(&number)), Ok(number));
    }
    let longer = format!("-1{longest}");
    assert_eq!(read(&from_json(&longer)), Ok(format!("\"{longer}\"")));
}

#[test]
fn depth_of_what_the_server_sends_is_not_bounded_here() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(read(&from_json(&nested(128))), Ok(nested(128)));
    assert_eq!(read(&from_json(&nested(129))), Err(EtfError::TooDeep));
    assert_eq!(from_json(&nested(100_000)).len(), 1 + 99_999 * 6 + 1);
}
