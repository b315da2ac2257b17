//! What lines are called in Redis: everything of one line carries one tag, so that it lies on one server of a cluster.

use crate::domain::{ChannelId, ChannelKey, ProjectId};

/// Into how many parts lines are divided; written into every key, so never to be changed.
pub(super) const PARTITIONS: u16 = 256;

/// A line, as Redis knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LineName {
    /// Its part.
    partition: u16,
    /// Its name in there; also the topic on which it is heard, behind the tag.
    name: String,
}

impl LineName {
    /// The line of a channel, of the cluster of that name. Neither name nor project may hold a colon, which the rules of
    /// ids see to.
    pub fn channel(cluster: &str, key: &ChannelKey) -> Self {
        let name = format!("c:{cluster}:{}:{}", key.project.as_str(), key.id.as_str());
        Self { partition: partition(&name), name }
    }

    /// A line as it was written into another key of its part; none where that is no line of a channel.
    pub(super) fn restored(partition: u16, name: &str) -> Option<Self> {
        let name = name.starts_with("c:").then(|| name.to_owned())?;
        Some(Self { partition, name })
    }

    /// Whose line it is; none where it is no channel's.
    pub fn channel_key(&self) -> Option<ChannelKey> {
        let mut words = self.name.splitn(4, ':').skip(2);
        let (project, id) = (words.next()?, words.next()?);
        Some(ChannelKey { project: ProjectId::from(project), id: ChannelId::trusted(id) })
    }

    /// Its part.
    pub(super) const fn partition(&self) -> u16 {
        self.partition
    }

    /// Its name in there.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What is known of it.
    pub(super) fn meta(&self) -> String {
        format!("{{{}}}m:{}", self.partition, self.name)
    }

    /// Its newest entries.
    pub(super) fn window(&self) -> String {
        format!("{{{}}}w:{}", self.partition, self.name)
    }

    /// What came before its turn.
    pub(super) fn stash(&self) -> String {
        format!("{{{}}}h:{}", self.partition, self.name)
    }

    /// Where it is heard.
    pub(super) fn topic(&self) -> String {
        format!("{{{}}}{}", self.partition, self.name)
    }

    /// Its part's ground: which server orders, and since when.
    pub(super) fn ground(&self) -> String {
        ground(self.partition)
    }
}

/// The topics on which the servers of a cluster ask each other.
pub(super) struct ServerTopics {
    /// The cluster's name.
    cluster: String,
    /// Their part.
    partition: u16,
}

impl ServerTopics {
    /// Those of a cluster.
    pub(super) fn new(cluster: &str) -> Self {
        let partition = partition(&format!("{QUESTIONS}{cluster}"));
        Self { cluster: cluster.to_owned(), partition }
    }

    /// Where all hear questions.
    pub(super) fn questions(&self) -> String {
        format!("{{{}}}{QUESTIONS}{}", self.partition, self.cluster)
    }

    /// Where a server of this name hears answers.
    pub(super) fn answers(&self, name: &str) -> String {
        format!("{{{}}}{ANSWERS}{}:{name}", self.partition, self.cluster)
    }
}

/// How the topic of questions begins, behind its tag.
const QUESTIONS: &str = "q:";
/// How those of answers do.
const ANSWERS: &str = "a:";

/// Whether a topic is one of [`ServerTopics`], and no line's.
pub(super) fn is_of_servers(topic: &str) -> bool {
    let name = topic.split_once('}').map_or("", |(_, name)| name);
    name.starts_with(QUESTIONS) || name.starts_with(ANSWERS)
}

/// A part's ground.
pub(super) fn ground(partition: u16) -> String {
    format!("{{{partition}}}ground")
}

/// The part of a name.
pub(super) fn partition(name: &str) -> u16 {
    crc16(name.as_bytes()) % PARTITIONS
}

/// CRC-16 as Redis Cluster has it (XMODEM).
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let crc = crc ^ (u16::from(*byte) << 8);
        (0..8).fold(crc, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_one_that_redis_documents() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }

    #[test]
    fn servers_are_told_from_lines() {
        let topics = ServerTopics::new("test");
        assert!(is_of_servers(&topics.questions()) && is_of_servers(&topics.answers("x")));
        let (project, id) = (ProjectId::from("p"), ChannelId::trusted("}q:test"));
        assert!(!is_of_servers(&LineName::channel("test", &ChannelKey { project, id }).topic()));
    }

    #[test]
    fn a_line_says_whose_it_is() {
        let (project, id) = (ProjectId::from("p"), ChannelId::trusted("a:b c"));
        let key = ChannelKey { project, id };
        let line = LineName::channel("test", &key);
        assert_eq!(line.channel_key(), Some(key));
        assert_eq!(LineName::restored(line.partition(), line.name()), Some(line));
        assert_eq!(LineName::restored(1, "t:test:p:x"), None);
    }
}
