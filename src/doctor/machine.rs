//! File descriptors, the data folder, the room on its disk: what the machine gives.

use super::finding::Finding;
use crate::config::Config;
use crate::server::descriptors;
use rustix::fs::{Access, access, statfs, statvfs};
use rustix::process::{Resource, getrlimit};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// With less room a busy server has hours left.
const LITTLE_BYTES: u64 = 1 << 30;
/// With less, minutes.
const NO_BYTES: u64 = 64 << 20;

/// What file systems are called that are somewhere else, by the number that Linux gives them: NFS, SMB and its two newer
/// forms, AFS, Ceph, 9P.
const REMOTE: [(i64, &str); 7] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x5346_414F, "AFS"),
    (0x00C3_6400, "Ceph"),
    (0x0102_1997, "9P"),
];

/// Looks at the machine.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = vec![files(getrlimit(Resource::Nofile).maximum)];
    findings.push(folder(&config.data));
    let database = config.database.file().and_then(Path::parent).unwrap_or(&config.data);
    findings.extend(existing(database).map(disk));
    findings
}

/// How many files the server may open: it raises its own limit as far as it may.
fn files(most: Option<u64>) -> Finding {
    match most {
        Some(most) if usize::try_from(most).is_ok_and(|most| most < descriptors::FEW) => {
            Finding::warning(
                "files",
                format!("the process may open {most} files: each connection is one"),
                "raise the hard limit: `LimitNOFILE=1048576` in the systemd unit, `--ulimit nofile=1048576` in a \
             container, `ulimit -Hn` in a shell",
            )
        }
        Some(most) => Finding::fine("files", format!("the server may open {most} files")),
        None => Finding::fine("files", "the server may open any number of files"),
    }
}

/// The data folder: the server's own, and closed to others.
fn folder(data: &Path) -> Finding {
    let shown = data.display();
    let Ok(found) = data.metadata() else {
        return match existing(data) {
            Some(above) if access(above, Access::WRITE_OK | Access::EXEC_OK).is_ok() => {
                Finding::fine("folder", format!("{shown} is not there yet; the server makes it"))
            }
            _ => Finding::problem(
                "folder",
                format!("{shown} is not there and cannot be made"),
                "make it, for the user that the server runs as, or name another one with --data",
            ),
        };
    };
    if !found.is_dir()
        || access(data, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_err()
    {
        return Finding::problem(
            "folder",
            format!("{shown} cannot be written to"),
            "make it a folder of the user that the server runs as",
        );
    }
    let for_others = found.mode() & 0o077;
    if for_others == 0 {
        return Finding::fine("folder", format!("{shown} is open to its owner alone"));
    }
    Finding::warning(
        "folder",
        format!("{shown} is open to other users of this machine, and holds secrets"),
        format!("chmod 700 {shown}"),
    )
}

/// The room on a disk, and whether it is in this machine.
fn disk(folder: &Path) -> Finding {
    let shown = folder.display();
    let remote = statfs(folder).ok().and_then(|found| remote(found.f_type));
    if let Some(kind) = remote {
        return Finding::problem(
            "disk",
            format!(
                "{shown} is on {kind}: locks and memory shared by processes are not safe there"
            ),
            "put the database on a local disk: --database sqlite:PATH",
        );
    }
    let Ok(found) = statvfs(folder) else {
        return Finding::warning("disk", format!("the disk of {shown} says nothing"), "look at it");
    };
    room(folder, found.f_bavail.saturating_mul(found.f_frsize))
}

/// What so much room is worth.
fn room(folder: &Path, bytes: u64) -> Finding {
    let found = format!("{} MiB are free in {}", bytes >> 20, folder.display());
    let remedy =
        "make room: when there is none left, nothing is stored and writes are answered with 503";
    match bytes {
        ..NO_BYTES => Finding::problem("disk", found, remedy),
        NO_BYTES..LITTLE_BYTES => Finding::warning("disk", found, remedy),
        LITTLE_BYTES.. => Finding::fine("disk", found),
    }
}

/// What a remote file system is called; none for one of this machine.
fn remote(kind: i64) -> Option<&'static str> {
    let kind = kind & 0xFFFF_FFFF;
    REMOTE.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

/// The folder itself, or the nearest above it that is there; none where a file is in the way.
fn existing(folder: &Path) -> Option<&Path> {
    let here = folder.ancestors().find(|folder| folder.exists());
    here.or_else(|| Path::new(".").exists().then(|| Path::new("."))).filter(|it| it.is_dir())
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn few_files_are_a_warning_that_says_how_to_have_more() {
        assert_eq!(files(Some(1_048_576)).verdict, Severity::Fine);
        assert_eq!(files(None).verdict, Severity::Fine);
        let few = files(Some(1024));
        assert_eq!(few.verdict, Severity::Warning);
        assert!(few.remedy.unwrap().contains("LimitNOFILE"));
    }

    #[test]
    fn the_folder_is_to_be_there_or_to_be_made_and_closed_to_others() {
        let above = tempfile::tempdir().unwrap();
        let data = above.path().join("a/b");
        assert_eq!(folder(&data).verdict, Severity::Fine);
        fs::create_dir_all(&data).unwrap();
        for (mode, verdict) in [(0o700, Severity::Fine), (0o755, Severity::Warning)] {
            fs::set_permissions(&data, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(folder(&data).verdict, verdict, "{mode:o}");
        }
        let file = above.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(folder(&file).verdict, Severity::Problem);
        assert_eq!(folder(&file.join("below")).verdict, Severity::Problem);
    }

    #[test]
    fn the_less_room_the_worse() {
        for (bytes, verdict) in [
            (0, Severity::Problem),
            (NO_BYTES - 1, Severity::Problem),
            (NO_BYTES, Severity::Warning),
            (LITTLE_BYTES, Severity::Fine),
        ] {
            assert_eq!(room(Path::new("/"), bytes).verdict, verdict, "{bytes}");
        }
    }

    #[test]
    fn disks_elsewhere_have_a_name() {
        assert_eq!(remote(0x6969), Some("NFS"));
        // As a signed number of 32 bits.
        assert_eq!(
            remote(i64::from(i32::from_ne_bytes(0xFF53_4D42_u32.to_ne_bytes()))),
            Some("CIFS")
        );
        assert_eq!(remote(0xEF53), None);
    }
}
