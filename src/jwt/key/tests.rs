//! Claims about keys: signatures of another implementation (pyca/cryptography) and of the RFCs hold, and no others.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What the signatures below are of.
const SIGNED: &[u8] = b"signed";
/// An RSA key of 2048 bits.
const RSA_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAnVRvX78a9arH+TmU6jWl\n\
EUtIrh7Oigsrg6SKhXYGFHihyjA6Afqild+wkuveLeWnyBtBtGQzgYT0k02zJBJV\n\
+eqfW2v/VEZxoL2OvM+rp9qELY8OYNWbaImqQEdh5//yQDuSS0/xG9A9X/AsEEOX\n\
hEvcmwl2Wd3E3psZuBpicSVXxbS1JhhxaNXvqE1yRdmD7YBsbggEmMwQXS1FyymH\n\
7RWoD0LzPL1V7RATullreaoDA+zZUzqbBf5J7OWVIUuCXfK/NFrUBEJ4mrSgNTL9\n\
i2e8esp+pHEPijIm4kMAzoTaFXROYphXaC2OGUNvFW7zCe+MPcvG1YRLdB+TscZV\n\
UwIDAQAB\n\
-----END PUBLIC KEY-----\n";
/// One of 1024 bits.
const SHORT_RSA_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDSRcogJV38h2LMa8lU4TgVnvTp\n\
XEzFp8EWpjDWgQlEgLrIEt+g8/Zf5DtuUHu6pzrng5Ag1hxQqyhX74gFV0KA6P3i\n\
/CGW9mCsGNzeTPbYNhoXyU0yq0Eug4/pCqjOCyjqoPgtqTmaxgVEZNp6waRPlgay\n\
ciMKdRMXo0A0PM2OHwIDAQAB\n\
-----END PUBLIC KEY-----\n";
/// A key on P-256.
const P256_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEFP+v7NC8msO4CNwLhyd74bPyWWdQ\n\
8rmzWybZJ8ZNxif4/ih4MpxBZiJkfhUcL/raydbuHsNdU8MgErqFt99d0w==\n\
-----END PUBLIC KEY-----\n";
/// A key on P-384.
const P384_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEqM7RPlpm5rlz6O3aH4uEUfhhwBe/86iZ\n\
RJWxX+DaCbXeIAW0yXqaJYZZqwKOFCHgc4hPab1eQMptEB7umVYO1uRDCqpTpFxC\n\
5P4zrpuMyQ7Vk5Z4T5jWGVTH1vprxPOg\n\
-----END PUBLIC KEY-----\n";
/// A key on P-521, on which nobody signs here.
const P521_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBElcfF6APAW52qJsRzu9eBWGXZI64\n\
J6y6qAC0if7CdeGH7zuG+/fK2YwBKCT3vA0g1yL+A+A7XAuXZl39s5nBkIIAjqim\n\
fs56VLh2W+VrQ3MtBDn1v6yEDHWaFwKwDSMIg9wS43RB7SNFqJyyWZQO2bBSwZEC\n\
CJHM6f4A9zr1U/GvnMk=\n\
-----END PUBLIC KEY-----\n";
/// An Ed25519 key.
const ED_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MCowBQYDK2VwAyEA9VnDrPFRZxRU30+/1imsO2DsEhngpoJXFy25RPqZFn0=\n\
-----END PUBLIC KEY-----\n";

/// What each of these keys has signed.
const SIGNATURES: &[(&str, &str, &str)] = &[
    (
        "RS256",
        RSA_PEM,
        concat!(
            "J_Das00H9idu_xgRLpi2jMSKk7mf8rc2Qj4dUKw78E4d6ioLf1OaK4NiSJ8RAuYJO-muWhejNHtL3HkLbu7Ds2TcWkemenZr",
            "LlWEHyNBZzpjxbkiex356X3kE1kL4Nx3QxleOmkJNMW57kSS11wqVhJe42Hv_Rt3Bqmsgixv6lZ92cmMwraUZiJSQa14LDrP",
            "oRmTgt9qIPPaxmw7AgO1lJ49bMCHj6XOtQUDAoSAaY2vLRp5d9Jh4xFlX1NXn_ksr8wk-mtBmYopcb-SjToopNHSOJfnqDxX",
            "r2Vbm46Ig52pUJ_FmRUsNmgm9inhB0IvtM0W1_zGHutbcSOE2L2ckA",
        ),
    ),
    (
        "PS256",
        RSA_PEM,
        concat!(
            "GkJSRIcOzotjp1G8GJjJrQ7qAvrlbcdFyvAFn6DUAoqfSN1aDneQrBk-FwMfdn_8YU_TK_CjztLafwrExVUWIb_HI9B73Aze",
            "ca-kZO8HOvYdJFEHzRbTmPvwrbSCGip-3u8qgfX9Gn5dc-mRyAt3vpY8UQWRuN2jwWZbGeG9CQmlBNbV0h4Qsv6GGhYdSn0-",
            "0Ygg29b5NbxCD-xr3pTArI42-7uM9GCq4hnL4g8nV9YSaRJxWKpJXbZCrLAUN4KtgfxheZGTZb4TQC2Le5huItZDDQcfM33h",
            "4ev6HRSqZ0iEWYm4h4kQe_HOgfdcQuO0RpS6H7BJOqjszKYJ0sNLFg",
        ),
    ),
    (
        "RS384",
        RSA_PEM,
        concat!(
            "g2rp169jNU7OGYdEHV-f1qaR1BGsxVeEgT5CmBPLbBTbfQ8av6hqo8sGZpJS8lDpJX37ExfzsYrhpXhJ4dp6EFKoGMUJEsE3",
            "DpENFfZQHWDcSmVttGWlujgpus5DNGpz0hxzL6G4OucL-PgU3jvaXD2m71THDPrf0cgr0N0kM9bViGtliwxQeNun3FocuYLw",
            "J0wbPuMa0--_y6r89QSJ-Kr-hH633iwijDve950gTxYQAU2yXTsPHdH4-cqZV_omG2pU1eIOpCw3bVZg5OR1rtcAD34dAgGb",
            "pX3QAImUg-nnJ-X3kzS4-L-PpEALAUut1ZTg_vwQWx7WSMz9yj5JbQ",
        ),
    ),
    (
        "PS384",
        RSA_PEM,
        concat!(
            "CGybFMSPV1tufWLBuEsGeF4TvLCW1mZumppuzC3srqKpWGYbETYJ-yQnIz49yoi84LPjd5nPuMU9X1zUPABit-_n5QjeNBO9",
            "jd4OBjEon93EeKCXMZPX1Xg4BmGMZkKZMNjG9eiCVnFMTay2X_tSpgMpLfllGzxKDKd3Zrx6lnjhErxu2vXeFn4LbwZrdfHk",
            "sQVI-oGoDlAoRrP0jb3HmJ5iV8Fqc9-BKDqH-eN1gasV5ssAtjeLhHapT2NDKF9kaMgI-2L_lkYRNOfQ_tVn8Y1jSe0PsL0C",
            "etgN_5w4bo4Ta61HoCXicZiw8K_9GedbPMQX5j_QzjmRd9IARPtuOw",
        ),
    ),
    (
        "RS512",
        RSA_PEM,
        concat!(
            "ChQLHODjUepv5B64MIFuGGjSNdzAPEnW7XG4SQE4MHFx0DMoc6Sy9iMuJuTJGDgYafxm00S0gY6TqAXbEL3fr1QLyLxbpAi9",
            "mmVr_l9Lcq65XyYCI7rB170TXFwAy9MdQ5Tr0J2-O4tkU-zVDbhyjCiEV0P5Lj4meoL_YCbT1lwCbLj0q1REy6WSyQV_7Gu2",
            "rnzjR0CJARv8IJH0sZkmmd-xUe3CihD_SMSxTQC7yUWRGOYiQJ99jlnaopMgd92gnTdbHCPlELteXXny24s7qICMMTvFh_bo",
            "G6zxxEikvh4avf_QqANzsQstNnaMS_84ERYh53hMfPaOLbGK8i1uFg",
        ),
    ),
    (
        "PS512",
        RSA_PEM,
        concat!(
            "cEjyy5dlxPlLl897KouQpHL-ECNZENfuOaJQwRzMXR0lpSZa8lWMJUAq9VJPuge1ETqXYylUokVW0JRhce9uCkI3JpYi3gzK",
            "uHWq9AcBz4SEWV90Kol5Rzs_Rmy-wQ0mUNEUwlihb9TZxBHht7PNZm1No36IAvGXe-a0wa8NE6zxFlrW7XU0XN-RDR7CwwMf",
            "tuCAYNCQm_3TLUoGPtm8aoH9nBNcDO3-TIn7N9U35qDOK21TyjFbd7zcMiL7xVXK5KGtjeeATAUQtXA-NoHvwUeMCwusIv70",
            "mmMCfodVauzwLVCMIy7xS728JEczP5G7DSnfE48DtxekL-oJ-yTMHA",
        ),
    ),
    (
        "ES256",
        P256_PEM,
        "bITdD71avKaKhClArWjoZfrGbTKNXy6lIJNxNvn3fB-3ynI_Gj5dVSIlKek-Jd0t7a_L9ozSpk_mtMhw-VdzqQ",
    ),
    (
        "ES384",
        P384_PEM,
        concat!(
            "kkGv7JJlhRmmHVmxWdtm2-N7IxxPqbaLeIH-4yL3XJnLZ5SOMI4H9R2z6BXqBDCjGMrQG06rJI-sJHsvhuWuPA_G6nw-mxRr",
            "81gUcx6k3o-_3j6DyZ2-Nkihat03ev9K",
        ),
    ),
    (
        "EdDSA",
        ED_PEM,
        "e_iYRKWDmwsNYEx5oUr_-eEoZomGtewvkK7WGuz2qNI7YGzi76M17CeAUS9FXh_mdv95cFKCk_Jih9KBET1ICQ",
    ),
];

/// An algorithm by its name.
fn algorithm(name: &str) -> JwtAlgorithm {
    JwtAlgorithm::from_name(name).unwrap()
}

/// The bytes of a text in base64url.
fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// Why something is no key.
fn fault(name: &str, pem: &str) -> KeyFault {
    VerifyingKey::of_pem(algorithm(name), pem).err().unwrap()
}

#[test]
fn signatures_of_others_hold_and_not_a_bit_may_differ() {
    for (name, pem, signature) in SIGNATURES {
        let key = VerifyingKey::of_pem(algorithm(name), pem).unwrap();
        let signature = bytes(signature);
        assert!(key.has_signed(algorithm(name), SIGNED, &signature), "{name}");
        assert!(!key.has_signed(algorithm(name), b"signee", &signature), "{name}");
        for wrong in [&signature[1..], &[], &[0; 64], &[&signature[..], &[0]].concat()] {
            assert!(!key.has_signed(algorithm(name), SIGNED, wrong), "{name}");
        }
        for at in 0..signature.len() {
            let mut wrong = signature.clone();
            wrong[at] ^= 1;
            assert!(!key.has_signed(algorithm(name), SIGNED, &wrong), "{name} {at}");
        }
    }
}

#[test]
fn a_key_checks_nothing_that_it_is_not_declared_for() {
    for (name, pem, signature) in SIGNATURES {
        for (other, _) in JwtAlgorithm::NAMED {
            let Ok(key) = VerifyingKey::of_pem(algorithm(other), pem) else { continue };
            // Whatever the token says, and whatever it is in fact signed with.
            for (said, _) in JwtAlgorithm::NAMED {
                let holds = key.has_signed(algorithm(said), SIGNED, &bytes(signature));
                assert_eq!(holds, other == *name && said == *name, "{name} {other} {said}");
            }
        }
    }
}

#[test]
fn keys_of_another_kind_or_size_are_no_keys() {
    use JwtAlgorithm::{EdDsa, Es256, Es384, Hs256, Ps512, Rs256};
    assert_eq!(fault("HS256", RSA_PEM), KeyFault::Family(Hs256));
    assert_eq!(fault("RS256", SHORT_RSA_PEM), KeyFault::Size);
    assert_eq!(fault("RS256", P256_PEM), KeyFault::Kind(Rs256));
    assert_eq!(fault("PS512", ED_PEM), KeyFault::Kind(Ps512));
    assert_eq!(fault("ES256", RSA_PEM), KeyFault::Kind(Es256));
    assert_eq!(fault("ES256", P384_PEM), KeyFault::Kind(Es256));
    assert_eq!(fault("ES384", P521_PEM), KeyFault::Kind(Es384));
    assert_eq!(fault("EdDSA", P256_PEM), KeyFault::Kind(EdDsa));
    for text in ["", "secret", "-----BEGIN PUBLIC KEY-----", &RSA_PEM.replace("PUBLIC", "PRIVATE")]
    {
        assert_eq!(fault("RS256", text), KeyFault::Pem, "{text}");
    }
}

#[test]
fn a_secret_is_as_long_as_its_hash() {
    for (name, least) in [("HS256", 32), ("HS384", 48), ("HS512", 64)] {
        assert!(VerifyingKey::of_secret(algorithm(name), &vec![7; least]).is_ok());
        let short = VerifyingKey::of_secret(algorithm(name), &vec![7; least - 1]).err();
        assert_eq!(short, Some(KeyFault::Short(algorithm(name), least)));
    }
    let public = VerifyingKey::of_secret(algorithm("RS256"), RSA_PEM.as_bytes()).err();
    assert_eq!(public, Some(KeyFault::Family(algorithm("RS256"))));
}

#[test]
fn the_hmac_of_the_rfc_holds() {
    // RFC 7515 A.1.
    let secret = bytes(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    );
    let signed = concat!(
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.",
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
    );
    let signature = bytes("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    let key = VerifyingKey::of_secret(JwtAlgorithm::Hs256, &secret).unwrap();
    assert!(key.has_signed(JwtAlgorithm::Hs256, signed.as_bytes(), &signature));
    assert!(!key.has_signed(JwtAlgorithm::Hs384, signed.as_bytes(), &signature));
    let other = VerifyingKey::of_secret(JwtAlgorithm::Hs256, &[7; 64]).unwrap();
    assert!(!other.has_signed(JwtAlgorithm::Hs256, signed.as_bytes(), &signature));
}
