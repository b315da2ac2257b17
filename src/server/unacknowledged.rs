//! How many bytes of a stream its peer has not acknowledged, as the system knows it, also of one that was reset.

use std::os::fd::AsRawFd;

/// How much the system may say; today it says less.
#[cfg(target_os = "linux")]
const MOST: usize = 512;
/// Where Linux says how many bytes were acknowledged (`struct tcp_info`, whose fields keep their places).
#[cfg(target_os = "linux")]
const ACKED: usize = 120;
/// Where it says how many are not sent.
#[cfg(target_os = "linux")]
const NOT_SENT: usize = 144;
/// Where it says how many were sent.
#[cfg(target_os = "linux")]
const SENT: usize = 200;
/// Where it says how many of those were sent again.
#[cfg(target_os = "linux")]
const SENT_AGAIN: usize = 208;

/// The bytes of a stream that were written and are not acknowledged; none where the system does not tell.
#[cfg(target_os = "linux")]
pub(super) fn unacknowledged(stream: &impl AsRawFd) -> Option<u64> {
    let mut info = [0_u8; MOST];
    let (level, name) = (uapi::c::IPPROTO_TCP, uapi::c::TCP_INFO);
    let size = uapi::getsockopt(stream.as_raw_fd(), level, name, &mut info[..]).ok()?;
    count(info.get(..size)?)
}

/// The bytes of a stream that were written and are not acknowledged; none where the system does not tell.
#[cfg(not(target_os = "linux"))]
pub(super) fn unacknowledged(_: &impl AsRawFd) -> Option<u64> {
    None
}

/// Reads it out of what Linux says.
#[cfg(target_os = "linux")]
fn count(info: &[u8]) -> Option<u64> {
    let long = |at: usize| Some(u64::from_ne_bytes(*info.get(at..)?.first_chunk()?));
    let short = |at: usize| Some(u64::from(u32::from_ne_bytes(*info.get(at..)?.first_chunk()?)));
    let sent = long(SENT)?.saturating_sub(long(SENT_AGAIN)?);
    Some(sent.saturating_add(short(NOT_SENT)?).saturating_sub(long(ACKED)?))
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockRef;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    /// Two ends of a stream.
    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (one, listener.accept().unwrap().0)
    }

    /// Waits until it is so.
    fn eventually(mut is_so: impl FnMut() -> bool) {
        let looks = (0..20_000).take_while(|_| !is_so());
        let looks = looks.inspect(|_| std::thread::sleep(Duration::from_millis(1))).count();
        assert!(looks < 20_000, "it never is");
    }

    #[test]
    fn what_the_peer_has_taken_is_acknowledged() {
        let (mut writer, mut reader) = pair();
        assert_eq!(unacknowledged(&writer), Some(0));
        writer.write_all(&[7; 1000]).unwrap();
        reader.read_exact(&mut [0; 1000]).unwrap();
        eventually(|| unacknowledged(&writer) == Some(0));
    }

    #[test]
    fn what_it_has_not_is_known_to_the_byte_and_after_a_reset_too() {
        let (mut writer, reader) = pair();
        writer.set_nonblocking(true).unwrap();
        let mut written = 0_u64;
        while let Ok(size) = writer.write(&[7; 1000]) {
            written += u64::try_from(size).unwrap();
        }
        // The peer's system has taken some of it and takes no more.
        let still = || {
            let before = unacknowledged(&writer);
            std::thread::sleep(Duration::from_millis(300));
            before == unacknowledged(&writer)
        };
        eventually(still);
        let left = unacknowledged(&writer).unwrap();
        assert!(0 < left && left < written, "{left} of {written}");
        SockRef::from(&reader).set_linger(Some(Duration::ZERO)).unwrap();
        drop(reader);
        eventually(|| {
            writer.read(&mut [0; 1]).is_err_and(|error| error.raw_os_error() == Some(104))
        });
        assert_eq!(unacknowledged(&writer), Some(left));
    }

    #[test]
    fn a_system_that_says_less_says_nothing() {
        assert_eq!(count(&[0; 192]), None);
        assert_eq!(count(&[0; 232]), Some(0));
    }
}
